package verdict_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/load"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sender"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sink"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/verdict"
)

// victim is a trace that must be kept, of several requests, and its first part.
func victim(t *testing.T, l *load.Load, failed bool) (pcommon.TraceID, load.Part) {
	t.Helper()
	for id, kept := range l.MustKeep {
		if first := kept.Parts[0]; len(kept.Parts) > 2 && first.Failed == failed {
			return id, first
		}
	}
	require.Fail(t, "no such trace")
	return pcommon.TraceID{}, load.Part{}
}

// through is what a sink gets from a collector that passes everything on but
// for what it does to the first span of one trace.
func through(t *testing.T, l *load.Load, id pcommon.TraceID, request int, fault func(all ptrace.SpanSlice, i int)) *sink.Sink {
	t.Helper()
	r := ptraceotlp.NewExportRequest()
	require.NoError(t, r.UnmarshalProto(l.Requests[request].Bytes))
	done := false
	for _, ss := range r.Traces().ResourceSpans().At(0).ScopeSpans().All() {
		for i := 0; i < ss.Spans().Len() && !done; i++ {
			if ss.Spans().At(i).TraceID() == id {
				fault(ss.Spans(), i)
				done = true
			}
		}
	}
	require.True(t, done)
	b, err := r.MarshalProto()
	require.NoError(t, err)
	faulty := *l
	faulty.Requests = slices.Clone(l.Requests)
	faulty.Requests[request].Bytes = b

	s, err := sink.Start(sink.Settings{MustKeep: l.MustKeep, EverySpan: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	_, err = sender.Send(t.Context(), s.Address(), &faulty, sender.Settings{})
	require.NoError(t, err)
	return s
}

func lose(all ptrace.SpanSlice, i int) {
	n := -1
	all.RemoveIf(func(ptrace.Span) bool { n++; return n == i })
}

func double(all ptrace.SpanSlice, i int) { all.At(i).CopyTo(all.AppendEmpty()) }

// forge keeps the number of spans and changes one.
func forge(all ptrace.SpanSlice, i int) { all.At(i).SetSpanID(pcommon.SpanID{1, 2, 3}) }

func keep(ptrace.SpanSlice, int) {}

// One span among 20,000 decides.
func TestASingleFaultIsReported(t *testing.T) {
	l, err := load.Generate(load.Settings{Seed: 2, Spans: 20_000, SpansPerSecond: 10_000})
	require.NoError(t, err)
	all := len(l.MustKeep)
	id, part := victim(t, l, true)
	every := func(int, int) bool { return true }
	for name, tt := range map[string]struct {
		fault   func(ptrace.SpanSlice, int)
		want    verdict.Kept
		doubled int64
	}{
		"nothing happened": {keep, verdict.Kept{Traces: all, Whole: all}, 0},
		"lost":             {lose, verdict.Kept{Traces: all, Whole: all - 1, Torn: 1, MissingSpans: 1}, 0},
		"doubled":          {double, verdict.Kept{Traces: all, Whole: all - 1, DoubledTraces: 1}, 1},
		"another span":     {forge, verdict.Kept{Traces: all, Whole: all - 1, Torn: 1}, 0},
	} {
		s := through(t, l, id, part.Request, tt.fault)
		assert.Equal(t, tt.want, verdict.KeptOf(s.Arrivals(1)), name)
		assert.Equal(t, tt.doubled, s.Doubled(), name)
		e := verdict.ErrorsOf(s.Arrivals(1), every)
		assert.Equal(t, e.Accepted, e.Kept, name)
		assert.Equal(t, e.Accepted-(all-tt.want.Whole), e.Whole, name)
	}
}

func TestErrorsAreJudgedByWhatWasAccepted(t *testing.T) {
	trace := &load.Kept{Mark: load.Mark{Spans: 3, IDs: 6}, Parts: []load.Part{
		{Request: 0, Mark: load.Mark{Spans: 2, IDs: 3}},
		{Request: 5, Mark: load.Mark{Spans: 1, IDs: 3}, Failed: true},
	}}
	slow := &load.Kept{Mark: load.Mark{Spans: 1, IDs: 9}, Parts: []load.Part{{Request: 0, Mark: load.Mark{Spans: 1, IDs: 9}}}}
	for name, tt := range map[string]struct {
		accepted []int
		came     load.Mark
		doubled  int
		want     verdict.Errors
	}{
		"all":                   {[]int{0, 5}, load.Mark{Spans: 3, IDs: 6}, 0, verdict.Errors{Accepted: 1, Kept: 1, Whole: 1}},
		"all, one twice":        {[]int{0, 5}, load.Mark{Spans: 3, IDs: 6}, 1, verdict.Errors{Accepted: 1, Kept: 1}},
		"the error alone":       {[]int{5}, load.Mark{Spans: 1, IDs: 3}, 0, verdict.Errors{Accepted: 1, Kept: 1, Whole: 1}},
		"a part was not kept":   {[]int{0, 5}, load.Mark{Spans: 1, IDs: 3}, 0, verdict.Errors{Accepted: 1, Kept: 1}},
		"nothing was kept":      {[]int{0, 5}, load.Mark{}, 0, verdict.Errors{Accepted: 1}},
		"the error was refused": {[]int{0}, load.Mark{}, 0, verdict.Errors{}},
	} {
		got := verdict.ErrorsOf([]sink.Arrival{{Trace: trace, Lap: 7, Mark: tt.came, Doubled: tt.doubled}, {Trace: slow, Lap: 7}},
			func(lap, request int) bool { return lap == 7 && slices.Contains(tt.accepted, request) })
		assert.Equal(t, tt.want, got, name)
	}
	assert.InDelta(t, 1, verdict.Errors{}.Share(), 0)
	assert.InDelta(t, 0.5, verdict.Errors{Accepted: 2, Kept: 1}.Share(), 0)
}

func TestCaughtUpIsWhenTheLastLateTraceCame(t *testing.T) {
	begun := time.Unix(1000, 0)
	came := func(due, at time.Duration) sink.Arrival {
		return sink.Arrival{Trace: &load.Kept{Due: due}, Last: begun.Add(at)}
	}
	fault, usual := begun.Add(30*time.Second), 2*time.Second
	arrivals := []sink.Arrival{
		came(10*time.Second, 20*time.Second),               // late, but before the fault
		came(29*time.Second, 40*time.Second),               // late
		came(39*time.Second, 42*time.Second),               // late, and the last one
		came(50*time.Second, 52*time.Second),               // as usual
		{Trace: &load.Kept{Due: 30 * time.Second}, Lap: 0}, // never
	}
	assert.Equal(t, 12*time.Second, verdict.CaughtUp(arrivals, begun, fault, usual))
	assert.Zero(t, verdict.CaughtUp(arrivals[3:], begun, fault, usual))
}

// A trace is late from the end of its wait, or from its last span if that is sent later.
func TestLatenessCountsFromTheDecision(t *testing.T) {
	l := &load.Load{Settings: load.Settings{SpansPerSecond: 1}, Spans: 100, Requests: []load.Request{{At: 2 * time.Second}, {At: 3 * time.Second}, {At: 9 * time.Second}}}
	begun := time.Unix(1_000, 0)
	trace := func(due time.Duration, requests ...int) *load.Kept {
		k := &load.Kept{Due: due}
		for _, r := range requests {
			k.Parts = append(k.Parts, load.Part{Request: r})
		}
		return k
	}
	came := func(trace *load.Kept, lap int, after time.Duration) sink.Arrival {
		return sink.Arrival{Trace: trace, Lap: lap, Mark: load.Mark{Spans: 1}, Last: begun.Add(after)}
	}
	assert.Equal(t, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}, verdict.Late([]sink.Arrival{
		came(trace(3*time.Second, 1, 0), 0, 10*time.Second), // due at 2 s + 5 s
		came(trace(9*time.Second, 0, 2), 0, 10*time.Second), // its last span is sent at 9 s
		came(trace(3*time.Second, 0), 1, 109*time.Second),
		{Trace: trace(3*time.Second, 0)}, // never came
	}, l, begun, 5*time.Second))
}
