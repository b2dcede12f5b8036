package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
)

// line is a log record as a test sends it and as the file has it.
type line struct {
	trace    pcommon.TraceID
	severity plog.SeverityNumber
	body     string
}

func TestLogRecordsFollowTheirJourney(t *testing.T) {
	t.Parallel()
	p := start(t)
	kept, dropped := failedOrderHistory(), orderHistory(leastRandomness)
	p.log(t, // some come before the first span of their journey, some after
		line{kept.id, plog.SeverityNumberInfo, "kept, early"},
		line{dropped.id, plog.SeverityNumberInfo, "dropped, early"},
		line{dropped.id, plog.SeverityNumberWarn, "a warning is always kept"})
	spans := p.send(t, kept, dropped)
	p.log(t,
		line{kept.id, plog.SeverityNumberInfo, "kept"},
		line{dropped.id, plog.SeverityNumberDebug, "dropped"},
		line{dropped.id, plog.SeverityNumberError, "an error is always kept"},
		line{pcommon.TraceID{}, plog.SeverityNumberInfo, "of no journey"})
	p.settled(t, spans)
	p.log(t, // after the decision
		line{kept.id, plog.SeverityNumberInfo, "kept, late"},
		line{dropped.id, plog.SeverityNumberInfo, "dropped, late"})

	expected := map[string]string{ // and the journey it is marked with
		"kept, early": "order history", "kept": "order history", "kept, late": "order history",
		"a warning is always kept": "", "an error is always kept": "", "of no journey": "",
	}
	var found map[string]string
	eventually(t, "the kept log records are in the file", func() error {
		if found = p.logFile(t); len(found) < len(expected) {
			return fmt.Errorf("%d records: %v", len(found), found)
		}
		return nil
	})
	require.Equal(t, expected, found)

	a := p.metrics(t).account("log_records")
	require.Equal(t, account{received: 9, kept: 6, dropped: 3}, a)
	a.requireLaw(t)
}

// log sends records in one request of the service orders.
func (p *parts) log(t *testing.T, lines ...line) {
	t.Helper()
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "orders")
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	for _, l := range lines {
		record := records.AppendEmpty()
		record.SetTraceID(l.trace)
		record.SetSeverityNumber(l.severity)
		record.Body().SetStr(l.body)
	}
	ctx, cancel := withTimeout(patience)
	defer cancel()
	_, err := p.logs.Export(ctx, plogotlp.NewExportRequestFromLogs(ld))
	require.NoError(t, err)
}

// logFile reads the kept log records: body and the journey's name. A line that
// is not yet complete is left for the next look.
func (p *parts) logFile(t *testing.T) map[string]string {
	t.Helper()
	file, err := os.Open(p.keptLogs)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	defer file.Close()
	found := map[string]string{}
	lines := bufio.NewScanner(file)
	var codec plog.JSONUnmarshaler
	for lines.Scan() {
		ld, err := codec.UnmarshalLogs(lines.Bytes())
		if err != nil {
			return found
		}
		for _, rl := range ld.ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				for _, record := range sl.LogRecords().All() {
					name, _ := record.Attributes().Get("journey.name")
					found[record.Body().Str()] = textOf(name)
				}
			}
		}
	}
	return found
}

// textOf is "" for a value that is not there.
func textOf(v pcommon.Value) string {
	if v == (pcommon.Value{}) {
		return ""
	}
	return v.Str()
}
