package journeyprocessor

import (
	"context"
	"fmt"

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
	return e.ingest(ctx, &e.telemetry.logs, n, func(s *splitter) error { return e.splitLogs(s, ld) })
}

// splitLogs cuts the batch by trace. Records that are kept whatever becomes of
// their journey are put where those without a trace are.
func (e *engine) splitLogs(s *splitter, ld plog.Logs) error {
	request, err := e.marshalLogs.MarshalLogs(ld)
	if err != nil {
		return fmt.Errorf("encode logs: %w", err)
	}
	if s.groups, err = wire.Split(request, s.groups); err != nil {
		return err
	}
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
			s.cut(g, e.headers)
		}
	}
	return nil
}

// traceOf is the trace whose decision the record follows; none for a record
// that is kept in any case, and for one without a trace.
func (e *engine) traceOf(record plog.LogRecord) pcommon.TraceID {
	if record.SeverityNumber() >= e.alwaysKeep {
		return pcommon.TraceID{}
	}
	return record.TraceID()
}
