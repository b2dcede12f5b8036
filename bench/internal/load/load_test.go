package load

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

var settings = Settings{Seed: 7, Spans: 150_000, SpansPerSecond: 10_000}

func generate(t *testing.T, s Settings) *Load {
	t.Helper()
	l, err := Generate(s)
	require.NoError(t, err)
	return l
}

func TestEqualSettingsMakeEqualBytes(t *testing.T) {
	s := Settings{Seed: 3, Spans: 20_000, SpansPerSecond: 10_000}
	first := generate(t, s)
	require.Equal(t, first, generate(t, s))

	s.Seed++
	require.NotEqual(t, first.Requests, generate(t, s).Requests)
}

// The sizes that the results are stated for.
func TestLoadIsWhatItSays(t *testing.T) {
	l := generate(t, settings)
	spans := float64(l.Spans)
	assert.GreaterOrEqual(t, l.Spans, settings.Spans)
	assert.InDelta(t, spansPerTrace, spans/float64(l.Traces), 0.15, "spans a trace")
	assert.InDelta(t, 11.4, float64(l.Attributes)/spans, 0.2, "attributes a span")
	assert.InDelta(t, 545, float64(l.Bytes)/spans, 10, "bytes a span")
	assert.InDelta(t, 0.021, float64(len(l.MustKeep))/float64(l.Traces), 0.004, "share that must be kept")

	at := time.Duration(0)
	for _, r := range l.Requests {
		assert.LessOrEqual(t, r.Spans, maxBatch)
		assert.GreaterOrEqual(t, r.At, at-tick, "requests come in the order of their times")
		at = max(at, r.At)
	}
	assert.InDelta(t, spans/float64(settings.SpansPerSecond), at.Seconds(), 4, "seconds the shop was open")
}

// seen is what the spans themselves say about a trace.
type seen struct {
	mark         Mark
	roots        int
	start, end   pcommon.Timestamp
	failed, rare bool
}

func TestMustKeepIsWhatTheSpansSay(t *testing.T) {
	l := generate(t, settings)
	traces := decode(t, l)
	require.Len(t, traces, l.Traces)
	late := 0
	for id, s := range traces {
		slow := s.end.AsTime().Sub(s.start.AsTime()) > SlowAfter
		mark, mustKeep := l.MustKeep[id]
		require.Equal(t, s.failed || slow || s.rare, mustKeep, "trace %s", id)
		require.Equal(t, 1, s.roots, "roots of trace %s", id)
		if mustKeep {
			require.Equal(t, mark.Mark, s.mark, "trace %s", id)
		}
		if !slow && s.end.AsTime().Sub(s.start.AsTime()) > 200*time.Millisecond {
			late++
		}
	}
	assert.Greater(t, late, l.Traces/50, "traces with a late consumer")
}

func TestBatchesMixTraces(t *testing.T) {
	l := generate(t, settings)
	for _, r := range l.Requests {
		if r.Spans < maxBatch {
			continue
		}
		ids := make(map[pcommon.TraceID]bool)
		eachSpan(t, r.Bytes, func(_ pcommon.Resource, s ptrace.Span) { ids[s.TraceID()] = true })
		require.Greater(t, len(ids), 50)
	}
}

func decode(t *testing.T, l *Load) map[pcommon.TraceID]*seen {
	t.Helper()
	traces := make(map[pcommon.TraceID]*seen)
	for _, r := range l.Requests {
		eachSpan(t, r.Bytes, func(_ pcommon.Resource, span ptrace.Span) {
			s := traces[span.TraceID()]
			if s == nil {
				s = &seen{start: span.StartTimestamp()}
				traces[span.TraceID()] = s
			}
			s.add(span)
		})
	}
	return traces
}

func (s *seen) add(span ptrace.Span) {
	id := span.SpanID()
	s.mark.Spans++
	s.mark.IDs += binary.BigEndian.Uint64(id[:])
	if span.ParentSpanID().IsEmpty() {
		s.roots++
	}
	s.start, s.end = min(s.start, span.StartTimestamp()), max(s.end, span.EndTimestamp())
	s.failed = s.failed || span.Status().Code() == ptrace.StatusCodeError
	route, ok := span.Attributes().Get("http.route")
	s.rare = s.rare || ok && route.Str() == giftJourney.target
}

func eachSpan(t *testing.T, request []byte, f func(pcommon.Resource, ptrace.Span)) {
	t.Helper()
	r := ptraceotlp.NewExportRequest()
	require.NoError(t, r.UnmarshalProto(request))
	for _, rs := range r.Traces().ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				f(rs.Resource(), span)
			}
		}
	}
}
