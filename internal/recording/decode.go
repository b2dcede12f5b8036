package recording

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Batch is what came at once: spans or log records. It belongs to whoever it
// was handed to.
type Batch struct {
	// At is when it came; see clock for how that is known.
	At     time.Time
	Traces ptrace.Traces
	Logs   plog.Logs
	IsLogs bool

	stamped bool // At is what the recording collector wrote down
}

// RecordedAt is the resource attribute in which a recording collector may write
// when a batch came, in nanoseconds since 1970. It is taken out again, so that
// what is replayed is what came.
const RecordedAt = "journey.recorded_unix_nano"

// errOther is a message of another signal.
var errOther = errors.New("neither spans nor log records")

// decode makes a batch of a message in JSON or protobuf.
func decode(message []byte) (Batch, error) {
	if len(message) > 0 && message[0] == '{' {
		return decodeJSON(message)
	}
	return decodeProto(message)
}

// decodeJSON goes by the first key: the file exporter writes nothing before it.
func decodeJSON(message []byte) (b Batch, err error) {
	key := message[:min(len(message), 64)]
	switch {
	case bytes.Contains(key, []byte(`"resourceSpans"`)):
		b.Traces, err = (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(message)
	case bytes.Contains(key, []byte(`"resourceLogs"`)):
		b.IsLogs = true
		b.Logs, err = (&plog.JSONUnmarshaler{}).UnmarshalLogs(message)
	default:
		return b, errOther
	}
	if err != nil {
		return b, err
	}
	b.date()
	return b, nil
}

// decodeProto tries spans and then log records. A span's first field is text
// and a log record's a fixed number, so neither passes for the other; of a
// message without any record it makes no difference.
func decodeProto(message []byte) (b Batch, err error) {
	b.Traces, err = (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(message)
	if err != nil {
		var second error
		b.IsLogs = true
		if b.Logs, second = (&plog.ProtoUnmarshaler{}).UnmarshalLogs(message); second != nil {
			return b, fmt.Errorf("as spans: %w; as log records: %w", err, second)
		}
	}
	b.date()
	return b, nil
}

// Records is how many spans or log records the batch has.
func (b *Batch) Records() int {
	if b.IsLogs {
		return b.Logs.LogRecordCount()
	}
	return b.Traces.SpanCount()
}

// date sets when the batch came: as it was written down, or else when the last
// of its spans ended, since a span is sent when it has. It may be zero.
func (b *Batch) date() {
	stamp, latest := pcommon.Timestamp(0), pcommon.Timestamp(0)
	if b.IsLogs {
		for _, rl := range b.Logs.ResourceLogs().All() {
			stamp = max(stamp, takeStamp(rl.Resource()))
			for _, sl := range rl.ScopeLogs().All() {
				for _, r := range sl.LogRecords().All() {
					latest = max(latest, r.ObservedTimestamp(), r.Timestamp())
				}
			}
		}
	} else {
		for _, rs := range b.Traces.ResourceSpans().All() {
			stamp = max(stamp, takeStamp(rs.Resource()))
			for _, ss := range rs.ScopeSpans().All() {
				for _, span := range ss.Spans().All() {
					latest = max(latest, span.EndTimestamp())
				}
			}
		}
	}
	b.stamped = stamp > 0
	if b.stamped {
		latest = stamp
	}
	if latest > 0 && latest <= maxTimestamp {
		b.At = latest.AsTime()
	}
}

// maxTimestamp is the last one that time.Duration can be counted to, in 2262.
const maxTimestamp = pcommon.Timestamp(1<<63 - 1)

// takeStamp takes RecordedAt out of a resource; 0 if it is not there.
func takeStamp(resource pcommon.Resource) pcommon.Timestamp {
	v, ok := resource.Attributes().Get(RecordedAt)
	if !ok {
		return 0
	}
	var stamp pcommon.Timestamp
	if v.Type() == pcommon.ValueTypeInt && v.Int() > 0 {
		stamp = pcommon.Timestamp(v.Int())
	}
	resource.Attributes().Remove(RecordedAt)
	return stamp
}
