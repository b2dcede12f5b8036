package journeysextension

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

func TestATraceThatWaitsSaysWhatFor(t *testing.T) {
	h := newHarness(t, nil)
	o := newOracle("checkout")
	h.Attach("journey", o)
	var w api.Waiting
	h.get(tracePath(3), &w)
	is := o.standings[traceID(3)].Waiting
	require.InDelta(t, 60, w.WaitedSeconds, 5)
	require.Equal(t, api.Waiting{
		TraceID: traceID(3).String(), Status: "waiting", Processor: "journey",
		Since: is.Since.UTC().Round(0), WaitedSeconds: w.WaitedSeconds, LastSpanAt: is.LastSpanAt.UTC().Round(0),
		Due: is.Due.UTC().Round(0), DecidedBy: is.DecidedBy.UTC().Round(0),
		Journey: "checkout", Outcome: "error", OutcomeReason: "checkout", Path: []string{"checkout"},
		RootService: "checkout", RootSpan: "checkout", Spans: 3, LogRecords: 2, Bytes: 100, DurationMS: 1000,
		StepsReached: []string{"checkout"}, StepsMissing: []string{},
		WaitsFor: []api.WaitsFor{{What: "delivery", Name: "checkout", Count: 1, Until: is.Due.UTC().Round(0)}},
	}, w)
}

func TestOfADecisionThatTheLedgerHasForgottenItIsSaidWhichItWas(t *testing.T) {
	h := newHarness(t, nil)
	h.Attach("journey", newOracle("checkout"))
	var kept, dropped api.Remembered
	h.get(tracePath(4), &kept)
	h.get(tracePath(5), &dropped)
	probability := 0.1
	require.Equal(t, api.Remembered{
		TraceID: traceID(4).String(), Status: "kept", DetailsForgotten: true, Processor: "journey",
		Journey: "checkout", Probability: &probability, Link: "http://localhost:16686/trace/" + traceID(4).String(),
	}, kept)
	require.Equal(t, api.Remembered{TraceID: traceID(5).String(), Status: "dropped", DetailsForgotten: true, Processor: "journey"}, dropped)
}

func TestOfATraceThatNobodyKnowsItIsSaidWhatThatMeans(t *testing.T) {
	h := newHarness(t, nil)
	refusal := func(status int) string {
		w := h.request(http.MethodGet, tracePath(9))
		require.Equal(t, status, w.Code)
		return w.Body.String()
	}
	require.Contains(t, refusal(http.StatusNotFound), "no journey processor reports here")
	h.Attach("journey", newOracle("checkout"))
	require.Contains(t, refusal(http.StatusNotFound), "not seen it, or has decided about it so long ago that it is forgotten; "+
		"journey knows the latest 10 decisions in detail, and of the latest 20 kept and 30 dropped traces that they were")
}

// Two processors may know different things of one trace: the more is said.
func TestOfSeveralProcessorsTheOneThatKnowsMoreAnswers(t *testing.T) {
	h := newHarness(t, nil)
	for id, standing := range map[string]journey.Standing{
		"a": {Remembered: &journey.Remembered{}},
		"b": {Remembered: &journey.Remembered{Kept: true}},
		"c": {},
	} {
		h.Attach(id, &oracle{standings: map[pcommon.TraceID]journey.Standing{traceID(9): standing}})
	}
	var kept api.Remembered
	h.get(tracePath(9), &kept)
	require.Equal(t, "kept", kept.Status)
	require.Equal(t, "b", kept.Processor)
	h.Attach("d", &oracle{standings: map[pcommon.TraceID]journey.Standing{traceID(9): newStandings("d")[traceID(3)]}})
	var waiting api.Waiting
	h.get(tracePath(9), &waiting)
	require.Equal(t, "waiting", waiting.Status)
	h.Attach("e", &oracle{decisions: map[pcommon.TraceID]journey.Decision{traceID(9): {TraceID: traceID(9), Kept: true}}})
	var decided api.Lookup
	h.get(tracePath(9), &decided)
	require.Equal(t, "e", decided.Processor)
}

// late decides while it is asked.
type late struct{ *oracle }

func (l late) Lookup(id pcommon.TraceID) (journey.Decision, bool) {
	d, ok := l.decisions[id]
	l.decisions[id] = journey.Decision{TraceID: id, Rule: "just now"}
	return d, ok
}

func (l late) Ledger() journey.Ledger { return l }

func TestWhatIsDecidedWhileItIsAskedForIsFound(t *testing.T) {
	h := newHarness(t, nil)
	o := newOracle("checkout")
	o.standings[traceID(9)] = journey.Standing{Remembered: &journey.Remembered{}}
	h.Attach("journey", late{o})
	var decided api.Lookup
	h.get(tracePath(9), &decided)
	require.Equal(t, "just now", decided.Rule)
}

func TestAProcessorThatDoesNotAnswerInTimeIsNotWaitedForLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		h.Attach("journey", &oracle{busy: true})
		begun := time.Now()
		w := h.request(http.MethodGet, tracePath(9))
		require.Equal(t, askTimeout, time.Since(begun))
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Contains(t, w.Body.String(), "ask again")
	})
}
