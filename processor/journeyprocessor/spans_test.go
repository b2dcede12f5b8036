package journeyprocessor

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
)

// span is a span as a test writes it.
type span struct {
	Trace      string            `yaml:"trace"`
	ID         uint64            `yaml:"id"`
	Parent     uint64            `yaml:"parent"`
	Service    string            `yaml:"service"`
	Name       string            `yaml:"span"`
	Kind       string            `yaml:"kind"`
	Error      string            `yaml:"error"`
	At         time.Duration     `yaml:"at"` // of its start, after the epoch of the test
	Took       time.Duration     `yaml:"took"`
	State      string            `yaml:"tracestate"`
	Attributes map[string]string `yaml:"attributes"`
	Published  *[]string         `yaml:"published_to"` // makes it a span of amqp_trace
	Delivered  string            `yaml:"delivered_from"`
	Attempt    int64             `yaml:"attempt"`            // of the delivery; 0 is the first
	DeadFrom   []string          `yaml:"dead_lettered_from"` // the latest first
	DeadOf     string            `yaml:"dead_lettered_because"`
	Message    string            `yaml:"message_id"`
	Payload    ByteSize          `yaml:"payload"` // of an attribute that does not compress
}

// traceID makes a trace id of a name. Traces named unlucky… have the lowest
// randomness and are dropped by every probability below 100 %, all others the
// highest and are kept by all above 0 %.
func traceID(name string) pcommon.TraceID {
	hash := fnv.New64a()
	hash.Write([]byte(name))
	var id pcommon.TraceID
	binary.BigEndian.PutUint64(id[:8], hash.Sum64()|1)
	if !strings.HasPrefix(name, "unlucky") {
		for i := 9; i < 16; i++ {
			id[i] = 0xff
		}
	}
	return id
}

func spanID(n uint64) pcommon.SpanID {
	var id pcommon.SpanID
	binary.BigEndian.PutUint64(id[:], n)
	return id
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// batch puts each span in a resource of its own, as if from several services.
func batch(spans []span) ptrace.Traces {
	td := ptrace.NewTraces()
	for _, s := range spans {
		rs := td.ResourceSpans().AppendEmpty()
		ss := rs.ScopeSpans().AppendEmpty()
		service := s.Service
		if s.Published != nil || s.Delivered != "" {
			service = "rabbitmq"
			ss.Scope().SetName(facts.BrokerScope)
		}
		if service == "" {
			service = "gateway"
		}
		rs.Resource().Attributes().PutStr(serviceName, service)
		s.fill(ss.Spans().AppendEmpty())
	}
	return td
}

func (s span) fill(out ptrace.Span) {
	out.SetTraceID(traceID(s.Trace))
	out.SetSpanID(spanID(s.ID))
	out.SetParentSpanID(spanID(s.Parent))
	out.SetName(s.Name)
	out.SetKind(kinds[s.Kind])
	out.SetStartTimestamp(pcommon.NewTimestampFromTime(epoch.Add(s.At)))
	out.SetEndTimestamp(pcommon.NewTimestampFromTime(epoch.Add(s.At + s.Took)))
	out.TraceState().FromRaw(s.State)
	if s.Error != "" {
		out.Status().SetCode(ptrace.StatusCodeError)
		out.Status().SetMessage(s.Error)
	}
	for k, v := range s.Attributes {
		out.Attributes().PutStr(k, v)
	}
	if s.Payload > 0 {
		out.Attributes().PutStr("payload", noise(s.Trace, int(s.Payload)))
	}
	if s.Message != "" {
		out.Attributes().PutStr("messaging.message.id", s.Message)
	}
	if s.Published != nil {
		putStringsAlways(out.Attributes(), "amqp.routed_queues", *s.Published)
		if len(*s.Published) == 0 {
			out.Status().SetCode(ptrace.StatusCodeError)
			out.Attributes().PutStr("error.type", "unroutable")
		}
	}
	if s.Delivered != "" {
		out.Attributes().PutStr("amqp.queue", s.Delivered)
		putStrings(out.Attributes(), "amqp.dead_letter.queues", s.DeadFrom)
		if attempt := max(s.Attempt, int64(min(1, len(s.DeadFrom)))); attempt > 0 {
			out.Attributes().PutInt("amqp.delivery.attempt", attempt)
		}
		if s.DeadOf != "" {
			death := out.Events().AppendEmpty()
			death.SetName("dead_letter")
			death.Attributes().PutStr("amqp.dead_letter.queue", s.DeadFrom[0])
			death.Attributes().PutStr("amqp.dead_letter.reason", s.DeadOf)
		}
	}
}

// noise is a text of n bytes that does not compress by much.
func noise(seed string, n int) string {
	hash := fnv.New64a()
	hash.Write([]byte(seed))
	rnd := rand.New(rand.NewPCG(hash.Sum64(), 0))
	text := make([]byte, n)
	for i := range text {
		text[i] = byte(' ' + rnd.IntN(95))
	}
	return string(text)
}

func putStringsAlways(attributes pcommon.Map, key string, values []string) {
	list := attributes.PutEmptySlice(key)
	for _, v := range values {
		list.AppendEmpty().SetStr(v)
	}
}

// record is a log record as a test writes it.
type record struct {
	Trace    string `yaml:"trace"`
	Severity string `yaml:"severity"`
	Body     string `yaml:"body"`
}

func logBatch(records []record) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr(serviceName, "gateway")
	sl := rl.ScopeLogs().AppendEmpty()
	for _, r := range records {
		out := sl.LogRecords().AppendEmpty()
		if r.Trace != "" {
			out.SetTraceID(traceID(r.Trace))
		}
		out.SetSeverityNumber(severities[r.Severity])
		out.Body().SetStr(r.Body)
	}
	return ld
}

// heavyRandom is heavy with a payload that does not compress.
func heavyRandom(trace string, id uint64) span {
	return span{Trace: trace, ID: id, Name: "GET /", Attributes: map[string]string{"payload": noise(fmt.Sprint(rand.Uint64()), 600)}}
}
