package load

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

func TestALapChangesTraceIDsAndNothingElse(t *testing.T) {
	l := generate(t, Settings{Seed: 5, Spans: 20_000, SpansPerSecond: 10_000})
	laps, err := NewLaps(l)
	require.NoError(t, err)
	lapped := *l
	lapped.Requests = nil
	seen := map[pcommon.TraceID]bool{}
	for lap := range 3 {
		for i := range l.Requests {
			prefix := []byte("before")
			b := laps.Append(prefix, i, lap)
			require.Equal(t, "before", string(b[:6]))
			lapped.Requests = append(lapped.Requests, Request{Bytes: b[6:]})

			type pair struct{ trace, span any }
			var was []ptrace.Span
			eachSpan(t, l.Requests[i].Bytes, func(_ pcommon.Resource, s ptrace.Span) { was = append(was, s) })
			n := 0
			eachSpan(t, b[6:], func(_ pcommon.Resource, s ptrace.Span) {
				gotLap, key := Lap(s.TraceID())
				require.Equal(t, lap, gotLap)
				require.Equal(t, KeyOf(was[n].TraceID()), key)
				require.Equal(t, was[n].SpanID(), s.SpanID())
				was[n].SetTraceID(s.TraceID())
				require.Equal(t, pair{was[n].Name(), was[n].Attributes().AsRaw()}, pair{s.Name(), s.Attributes().AsRaw()})
				seen[s.TraceID()] = true
				n++
			})
			require.Len(t, was, n)
		}
	}
	assert.Len(t, seen, 3*l.Traces, "each lap has traces of its own")
	assert.Len(t, decode(t, &lapped), 3*l.Traces)
}

// The parts of a trace say which requests have it, and what of it.
func TestPartsMakeTheTrace(t *testing.T) {
	l := generate(t, Settings{Seed: 5, Spans: 50_000, SpansPerSecond: 10_000})
	failed := 0
	for id, kept := range l.MustKeep {
		var all Mark
		due := l.Requests[0].At
		for _, part := range kept.Parts {
			all.Add(part.Mark)
			due = max(due, l.Requests[part.Request].At)
			var in Mark
			hasError := false
			eachSpan(t, l.Requests[part.Request].Bytes, func(_ pcommon.Resource, s ptrace.Span) {
				if s.TraceID() == id {
					span := &seen{}
					span.add(s)
					in.Add(span.mark)
					hasError = hasError || span.failed
				}
			})
			require.Equal(t, in, part.Mark)
			require.Equal(t, hasError, part.Failed)
			if hasError {
				failed++
			}
		}
		require.Equal(t, kept.Mark, all)
		require.Equal(t, due, kept.Due)
	}
	assert.Positive(t, failed)
}
