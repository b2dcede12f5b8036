package journeyprocessor

import (
	"context"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// ConsumeLogs takes a batch of log records in, under the conditions of
// ConsumeTraces. Records wait for their journey's decision; those that are
// kept in any case leave at once.
func (e *engine) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	n := ld.LogRecordCount()
	if n == 0 {
		return nil
	}
	return e.ingest(ctx, intake{
		count: &e.telemetry.logs, records: n,
		encode: func() ([]byte, error) { return e.marshalLogs.MarshalLogs(ld) },
		split:  func(s *splitter) { e.splitLogs(s, ld) },
	})
}

// splitLogs cuts the batch by trace. Records that are kept whatever becomes of
// their journey are put where those without a trace are.
func (e *engine) splitLogs(s *splitter, ld plog.Logs) {
	group := 0
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			g := &s.groups[group]
			group++
			for i, record := range sl.LogRecords().All() {
				if e.dropsUntraced && record.TraceID().IsEmpty() && record.SeverityNumber() < e.alwaysKeep {
					s.skip(len(g.Records[i]))
					continue
				}
				s.assign(e.traceOf(record), len(g.Records[i]))
			}
			s.cut(g, &e.store)
		}
	}
}

// traceOf is the trace whose decision the record follows; none for a record
// that is kept in any case, and for one without a trace.
func (e *engine) traceOf(record plog.LogRecord) pcommon.TraceID {
	if record.SeverityNumber() >= e.alwaysKeep {
		return pcommon.TraceID{}
	}
	return record.TraceID()
}
