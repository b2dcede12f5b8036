package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// batch is what one service sends at once, and when it arrives.
type batch struct {
	at     time.Duration
	traces ptrace.Traces
	logs   plog.Logs
	isLogs bool
}

// shopper makes journeys: checkouts and searches of a gateway and two services,
// of which some fail, some are slow, and each has one log record.
type shopper struct {
	rnd     *rand.Rand
	batches []batch
	truth   []map[string]any
}

func shop(seed uint64, journeys int, duration time.Duration) *shopper {
	s := &shopper{rnd: rand.New(rand.NewPCG(seed, seed))}
	for range journeys {
		s.journey(time.Duration(s.rnd.Int64N(int64(duration))))
	}
	slices.SortStableFunc(s.batches, func(a, b batch) int { return int(a.at - b.at) })
	// The processor starts with the first batch, and counts its ticks from there.
	s.batches[0].at = 0
	return s
}

func (s *shopper) journey(at time.Duration) {
	var id pcommon.TraceID
	binary.BigEndian.PutUint64(id[:8], s.rnd.Uint64())
	binary.BigEndian.PutUint64(id[8:], s.rnd.Uint64())
	name := []string{"POST /checkout", "GET /search"}[s.rnd.IntN(2)]
	took := time.Duration(20+s.rnd.ExpFloat64()*50) * time.Millisecond
	fails := s.rnd.IntN(20) == 0
	s.span(id, 1, 0, "gateway", name, at, took, false)
	for n := range 1 + s.rnd.IntN(4) {
		s.span(id, uint64(n+2), 1, []string{"stock", "users"}[n%2], "work", at, took/2, fails && n == 0)
	}
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "gateway")
	r := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	r.SetTraceID(id)
	r.SetObservedTimestamp(pcommon.NewTimestampFromTime(epoch.Add(onGrid(at))))
	r.Body().SetStr("it came in")
	s.batches = append(s.batches, batch{at: onGrid(at), logs: ld, isLogs: true})
	s.truth = append(s.truth, map[string]any{
		"trace_id": id.String(), "journey": name, "class": map[bool]string{true: "failed", false: "ok"}[fails], "must_keep": fails, "at": epoch.Add(at),
	})
}

// span sends a span when it ends, or some time later. The recording says when.
func (s *shopper) span(id pcommon.TraceID, n, parent uint64, service, name string, at, took time.Duration, fails bool) {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", service)
	span := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetTraceID(id)
	span.SetSpanID(spanID(n))
	if parent > 0 {
		span.SetParentSpanID(spanID(parent))
	}
	span.SetName(name)
	span.SetStartTimestamp(pcommon.NewTimestampFromTime(epoch.Add(at)))
	span.SetEndTimestamp(pcommon.NewTimestampFromTime(epoch.Add(at + took)))
	if fails {
		span.Status().SetCode(ptrace.StatusCodeError)
	}
	s.batches = append(s.batches, batch{at: onGrid(at + took + time.Duration(s.rnd.IntN(1500))*time.Millisecond), traces: td})
}

func spanID(n uint64) (id pcommon.SpanID) {
	binary.BigEndian.PutUint64(id[:], n)
	return id
}

// onGrid keeps arrivals away from the processor's ticks, so that it is known
// which of the two comes first.
func onGrid(d time.Duration) time.Duration {
	return d.Truncate(40*time.Millisecond) + 13*time.Millisecond
}

// stamp writes down when a batch came, as deploy/record.yaml does.
func stamp(resource pcommon.Resource, at time.Duration) {
	resource.Attributes().PutInt("journey.recorded_unix_nano", epoch.Add(at).UnixNano())
}

// record writes what came as the file exporter does, in JSON.
func (s *shopper) record(t *testing.T) string {
	t.Helper()
	var all bytes.Buffer
	for _, b := range s.batches {
		var text []byte
		var err error
		if b.isLogs {
			ld := plog.NewLogs()
			b.logs.CopyTo(ld)
			stamp(ld.ResourceLogs().At(0).Resource(), b.at)
			text, err = (&plog.JSONMarshaler{}).MarshalLogs(ld)
		} else {
			td := ptrace.NewTraces()
			b.traces.CopyTo(td)
			stamp(td.ResourceSpans().At(0).Resource(), b.at)
			text, err = (&ptrace.JSONMarshaler{}).MarshalTraces(td)
		}
		require.NoError(t, err)
		all.Write(append(text, '\n'))
	}
	return write(t, all.Bytes())
}

// tell writes the truth as the demo's shopper does.
func (s *shopper) tell(t *testing.T) string {
	t.Helper()
	var all bytes.Buffer
	fmt.Fprintf(&all, "{\"truth\":1,\"started\":%q}\n", epoch.Format(time.RFC3339))
	for _, entry := range s.truth {
		text, err := json.Marshal(entry)
		require.NoError(t, err)
		all.Write(append(text, '\n'))
	}
	return write(t, all.Bytes())
}

func write(t *testing.T, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// planned runs the program, and returns what it prints.
func planned(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, err strings.Builder
	require.Equal(t, code, run(t.Context(), args, &out, &err), err.String())
	return out.String(), err.String()
}
