package journeyprocessor

import (
	"context"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/wire"
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
		split: func(s *splitter) (string, error) { return e.splitLogs(s, ld) },
	})
}

// splitLogs cuts the batch by trace. Records that are kept whatever becomes of
// their journey are put where those without a trace are.
func (e *engine) splitLogs(s *splitter, ld plog.Logs) (reason string, err error) {
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, record := range sl.LogRecords().All() {
				s.records = wire.AppendLogRecord(s.records, record)
				if e.dropsUntraced && record.TraceID().IsEmpty() && record.SeverityNumber() < e.alwaysKeep {
					s.skip()
					continue
				}
				s.assign(e.traceOf(record))
			}
			if len(s.ends) == 0 {
				continue
			}
			g, err := logsHeader(rl, sl)
			if err != nil {
				return refusedMalformed, err
			}
			if reason, err := s.cut(&g); err != nil {
				return reason, err
			}
		}
	}
	return "", nil
}

// logsHeader encodes what the records of a scope share.
func logsHeader(rl plog.ResourceLogs, sl plog.ScopeLogs) (wire.Group, error) {
	ld := plog.NewLogs()
	to := ld.ResourceLogs().AppendEmpty()
	rl.Resource().CopyTo(to.Resource())
	to.SetSchemaUrl(rl.SchemaUrl())
	scope := to.ScopeLogs().AppendEmpty()
	sl.Scope().CopyTo(scope.Scope())
	scope.SetSchemaUrl(sl.SchemaUrl())
	request, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	return oneGroup(request, err)
}

// traceOf is the trace whose decision the record follows; none for a record
// that is kept in any case, and for one without a trace.
func (e *engine) traceOf(record plog.LogRecord) pcommon.TraceID {
	if record.SeverityNumber() >= e.alwaysKeep {
		return pcommon.TraceID{}
	}
	return record.TraceID()
}
