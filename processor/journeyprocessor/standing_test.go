package journeyprocessor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

const waitingConfig = `
completion: {quiet: 2s, missing_wait: 10s, message_wait: 5m, max_wait: 30m}
journeys: [{name: checkout, match: {span: POST /checkout, root: true}, steps: [
  {name: charged, match: {service: checkout}}, {name: reserved, match: {service: stock}}]}]
sampling: {rules: [{name: failed, when: {outcome: error}, keep: 100%}, {name: half, keep: 50%}]}`

// standing asks about a trace of the harness.
func (h *harness) standing(trace string) journey.Standing {
	h.t.Helper()
	s, err := h.traces.(journey.Asked).Standing(h.t.Context(), traceID(trace))
	require.NoError(h.t, err)
	return s
}

func (h *harness) waiting(trace string) *journey.Waiting {
	h.t.Helper()
	w := h.standing(trace).Waiting
	require.NotNil(h.t, w)
	return w
}

func TestATraceThatWaitsSaysForWhatAndForHowLong(t *testing.T) {
	inBubble(t, waitingConfig, func(t *testing.T, h *harness) {
		begun := time.Now()
		spans := checkout("lucky", "")
		h.send(spans[2], spans[3])
		w := h.waiting("lucky")
		require.Equal(t, []journey.Lack{
			{What: journey.LackRoot, Count: 1, Until: begun.Add(10 * time.Second)},
			{What: journey.LackParent, Name: "checkout", Count: 1, Until: begun.Add(10 * time.Second)},
		}, w.WaitsFor)
		require.Equal(t, "checkout Do", w.Journey, "its name so far")
		require.False(t, w.Complete)

		h.wait(time.Second)
		h.send(spans[0], spans[1])
		w = h.waiting("lucky")
		require.Equal(t, []journey.Lack{{What: journey.LackStep, Name: "reserved", Count: 1, Until: begun.Add(11 * time.Second)}}, w.WaitsFor)
		require.Equal(t, "checkout", w.Journey)
		require.Equal(t, []string{"charged"}, w.StepsReached)
		require.Equal(t, []string{"reserved"}, w.StepsMissing)
		require.Equal(t, []string{"gateway", "checkout"}, w.Path)
		require.Equal(t, [2]string{"gateway", "POST /checkout"}, [2]string{w.RootService, w.RootSpan})
		require.Equal(t, 4, w.Spans)
		require.Positive(t, w.Bytes)
		require.Equal(t, begun, w.Since)
		require.Equal(t, begun.Add(time.Second), w.LastSpanAt)
		require.Equal(t, begun.Add(11*time.Second), w.Due)
		require.Equal(t, begun.Add(30*time.Minute), w.DecidedBy)
		require.Equal(t, "ok", w.Outcome)

		h.send(spans[4:7]...)
		w = h.waiting("lucky")
		require.Contains(t, w.WaitsFor, journey.Lack{What: journey.LackDelivery, Name: "mail-queue", Count: 1, Until: begun.Add(5*time.Minute + time.Second)})
		require.Equal(t, begun.Add(5*time.Minute+time.Second), w.Due)

		h.sendLogs(record{Trace: "lucky", Severity: "INFO", Body: "sold"})
		h.send(spans[7:]...)
		w = h.waiting("lucky")
		require.Equal(t, []journey.Lack{{What: journey.LackQuiet, Until: begun.Add(3 * time.Second)}}, w.WaitsFor)
		require.Equal(t, 1, w.LogRecords)
		require.True(t, w.Complete)

		h.wait(3 * time.Second)
		require.Nil(t, h.standing("lucky").Waiting, "it is decided")
	})
}

func TestATraceThatHasFailedAlreadySaysSoWhileItWaits(t *testing.T) {
	inBubble(t, waitingConfig, func(t *testing.T, h *harness) {
		h.send(checkout("unlucky", "no stock")[:4]...)
		w := h.waiting("unlucky")
		require.Equal(t, "error", w.Outcome)
		require.Contains(t, w.OutcomeReason, "no stock")
	})
}

func TestLogRecordsAloneWaitForSpans(t *testing.T) {
	inBubble(t, `logs: {wait_for_spans: 7s}`, func(t *testing.T, h *harness) {
		begun := time.Now()
		h.sendLogs(record{Trace: "a", Severity: "INFO", Body: "early"})
		w := h.waiting("a")
		require.Equal(t, []journey.Lack{{What: journey.LackSpans, Until: begun.Add(7 * time.Second)}}, w.WaitsFor)
		require.Equal(t, begun.Add(7*time.Second), w.DecidedBy)
		require.Equal(t, 1, w.LogRecords)
		require.Zero(t, w.Spans)
	})
}

// What the ledger has forgotten is remembered in a few bytes.
func TestWhatTheLedgerHasForgottenIsRememberedAsKeptOrDropped(t *testing.T) {
	inBubble(t, waitingConfig+"\ndecisions: {ledger: 0}", func(t *testing.T, h *harness) {
		h.send(append(checkout("lucky", ""), checkout("unlucky", "")...)...)
		h.wait(5 * time.Second)
		require.Equal(t, journey.Standing{Remembered: &journey.Remembered{Kept: true, Journey: "checkout", Probability: 0.5}}, h.standing("lucky"))
		require.Equal(t, journey.Standing{Remembered: &journey.Remembered{}}, h.standing("unlucky"))
		require.Equal(t, journey.Standing{}, h.standing("never seen"))
		require.Equal(t, journey.Memory{Kept: 250_000, Dropped: 2_000_000}, h.traces.(journey.Asked).Memory())
	})
}

// Whatever has come of a trace: the longest of the waits that it tells of is
// the deadline that it is given.
func TestWhatIsWaitedForExplainsTheDeadline(t *testing.T) {
	inBubble(t, waitingConfig, func(t *testing.T, h *harness) {
		for i := range 30 { // calls are learned of on the way
			name := fmt.Sprint("trace ", i)
			spans := checkout(name, "")
			rand.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
			for len(spans) > 0 {
				n := 1 + rand.IntN(len(spans))
				h.send(spans[:n]...)
				spans = spans[n:]
				w := h.waiting(name)
				var longest time.Time
				for _, l := range w.WaitsFor {
					if l.Until.After(longest) {
						longest = l.Until
					}
				}
				require.Equal(t, w.Due, longest, "%+v", w)
				h.wait(time.Second)
			}
			h.wait(time.Minute)
		}
	})
}

// Questions come as fast as they can while batches do; each is answered, and
// none after the engine has stopped hangs.
func TestQuestionsNeverHoldAnythingUp(t *testing.T) {
	h := start(t, "completion: {quiet: 1ms}")
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				_, _ = h.traces.(journey.Asked).Standing(ctx, traceID(fmt.Sprint(i%500))) // stopping, at the end
			}
		})
	}
	for i := range 500 {
		require.NoError(t, h.traces.ConsumeTraces(t.Context(), batch([]span{{Trace: fmt.Sprint(i), ID: 1, Name: "GET /"}})))
	}
	require.NoError(t, h.traces.Shutdown(context.Background()))
	require.NoError(t, h.logs.Shutdown(context.Background()))
	_, err := h.traces.(journey.Asked).Standing(t.Context(), pcommon.TraceID{1})
	require.ErrorIs(t, err, errStopping)
	stop()
	asking.Wait()
	h.holdsNothing()
	h.holdsTheLaw()
}

func TestWhoAsksABusyShardGivesUpWhenTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config, err := load("{}")
		require.NoError(t, err)
		e, err := newEngine(shelfID, componenttest.NewNopTelemetrySettings(), config)
		require.NoError(t, err)
		for i := range e.shards {
			e.shards[i] = newShard(e, i) // whose goroutine does not run
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = e.Standing(ctx, pcommon.TraceID{1})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
