package plan

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor"
)

func traceID(n int) (id pcommon.TraceID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
	return id
}

// decisionOf is a random decision about a trace.
func decisionOf(rnd *rand.Rand, trace int) journeyprocessor.ReplayDecision {
	return journeyprocessor.ReplayDecision{
		TraceID: traceID(trace), Journey: fmt.Sprint("journey ", rnd.IntN(3)), Rule: fmt.Sprint("rule ", rnd.IntN(3)),
		Outcome: []string{"ok", "error", "incomplete"}[rnd.IntN(3)], Kept: rnd.IntN(2) == 0, MustKeep: rnd.IntN(3) == 0,
		Spans: 1 + rnd.IntN(9), SpanBytes: 100, LogRecords: rnd.IntN(3), LogBytes: 10,
	}
}

// In whatever order two sides decide, and whatever late errors bring back, the
// sums are those of the decisions that hold in the end.
func TestTheSumsAreThoseOfTheLastDecisions(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	const traces = 500
	truth := map[pcommon.TraceID]bool{}
	for n := range traces {
		truth[traceID(n)] = rnd.IntN(5) == 0
	}
	l := newLedger(2, truth)
	var last [2]map[int]journeyprocessor.ReplayDecision
	steps := rnd.Perm(2 * traces)
	for side := range last {
		last[side] = map[int]journeyprocessor.ReplayDecision{}
	}
	for _, step := range steps {
		side, trace := step%2, step/2
		d := decisionOf(rnd, trace)
		l.decided(side, d)
		last[side][trace] = d
		if again := rnd.IntN(traces); rnd.IntN(3) == 0 { // a late error, if that was dropped
			if was, ok := last[side][again]; ok && !was.Kept {
				d := decisionOf(rnd, again)
				d.Revises, d.Kept, d.MustKeep = true, true, true
				l.decided(side, d)
				last[side][again] = d
			}
		}
	}
	for side, decisions := range last {
		want := newLedger(1, truth)
		for n := range traces {
			d := decisions[n]
			d.Revises = false
			want.decided(0, d)
		}
		require.Equal(t, want.sides[0].sorted(), l.sides[side].sorted())
		require.Equal(t, lossesOf(want.sides[0]), lossesOf(l.sides[side]))
	}
	requireChanges(t, l, last)
}

// lossesOf leaves out the examples, which depend on the order, and the kind
// that only a comparison has.
func lossesOf(t *tally) map[Kind][2]int64 {
	all := map[Kind][2]int64{}
	for _, loss := range t.sortedLosses() {
		if loss.Kind != Before {
			all[loss.Kind] = [2]int64{loss.Exist, loss.Dropped}
		}
	}
	return all
}

func requireChanges(t *testing.T, l *ledger, last [2]map[int]journeyprocessor.ReplayDecision) {
	t.Helper()
	want := map[string]*Change{}
	var before Loss
	for n, with := range last[0] {
		against := last[1][n]
		c := want[with.Journey]
		if c == nil {
			c = &Change{Journey: with.Journey}
			want[with.Journey] = c
		}
		c.With.add(1, amountOf(&with, 1), with.Kept)
		c.Against.add(1, amountOf(&against, 1), against.Kept)
		switch [2]bool{with.Kept, against.Kept} {
		case [2]bool{true, true}:
			c.Both++
		case [2]bool{true, false}:
			c.OnlyWith++
		case [2]bool{false, true}:
			c.OnlyAgainst++
		default:
			c.Neither++
		}
		if against.Kept && against.MustKeep {
			before.Exist++
			if !with.Kept {
				before.Dropped++
			}
		}
	}
	require.Equal(t, want, l.changes)
	require.Equal(t, before.Exist, l.sides[0].losses[Before].Exist)
	require.Equal(t, before.Dropped, l.sides[0].losses[Before].Dropped)
	require.Len(t, l.sides[0].losses[Before].Examples, maxExamples)
}

func TestWhatComesLateAloneIsAddedToWhatIsGone(t *testing.T) {
	l := newLedger(1, nil)
	d := journeyprocessor.ReplayDecision{TraceID: traceID(1), Journey: "j", Rule: "rest", Outcome: "ok", Spans: 5, SpanBytes: 500}
	l.decided(0, d)
	late := d
	late.Rule, late.Outcome, late.Kept, late.Spans, late.SpanBytes = "failed", "error", true, 1, 100
	late.Revises, late.LateAlone = true, true
	l.decided(0, late)
	require.Equal(t, []Row{{Journey: "j", Rule: "failed", Pair: Pair{
		Received: Amount{Journeys: 1, Spans: 6, SpanBytes: 600}, Kept: Amount{Journeys: 1, Spans: 1, SpanBytes: 100},
	}}}, l.sides[0].sorted())
}

func TestMemoryOfALongRecordingIsBounded(t *testing.T) {
	l := newLedger(2, nil)
	l.most = 1000
	for n := range 2 * maxRows {
		d := journeyprocessor.ReplayDecision{TraceID: traceID(n), Journey: fmt.Sprint(n), Rule: "rest", Outcome: "ok", Spans: 1}
		l.decided(0, d)
		l.decided(1, d)
	}
	require.Empty(t, l.open)
	require.LessOrEqual(t, len(l.finished), l.most)
	require.LessOrEqual(t, len(l.sides[0].rows), maxRows+1)
	require.LessOrEqual(t, len(l.changes), maxRows+1)
	late := journeyprocessor.ReplayDecision{TraceID: traceID(0), Rule: "failed", Outcome: "error", Spans: 1, Kept: true, Revises: true}
	l.decided(0, late)
	require.EqualValues(t, 1, l.sides[0].forgotten)
}
