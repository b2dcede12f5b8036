package e2e

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// judged is what a kept journey's root span says about it.
type judged struct {
	journey, outcome, rule, reason string
	complete                       bool
	reached, missing               string // JSON lists, as Jaeger returns them
	path                           string
	probability                    float64
	tracestate                     string
}

func TestFailedIncompleteSlowAndRareJourneysAreStoredWhole(t *testing.T) {
	t.Parallel()
	p := start(t)
	failed, incomplete, slow, gift := checkout(), startedCheckout(), checkout(), giftCard()
	failed.spans[2].failed = true
	slow.spans[0].lasting(1400 * time.Millisecond)
	lucky, unlucky := orderHistory(mostRandomness), orderHistory(leastRandomness)

	sent := p.send(t, failed, incomplete, slow, gift, lucky, unlucky)
	settled := p.settled(t, sent)

	const all, path = `["charged","reserved"]`, `["gateway","checkout","stock"]`
	p.requireKept(t, failed, judged{
		journey: "checkout", outcome: "error", rule: "failed", reason: `"Checkout/DoCheckout" of "checkout" failed`,
		complete: true, reached: all, path: path, probability: 1, tracestate: "ot=th:0",
	})
	p.requireKept(t, incomplete, judged{
		journey: "checkout", outcome: "incomplete", rule: "incomplete", reason: `step "reserved" is missing`,
		reached: `["charged"]`, missing: `["reserved"]`, path: `["gateway","checkout"]`, probability: 1, tracestate: "ot=th:0",
	})
	p.requireKept(t, slow, judged{
		journey: "checkout", outcome: "ok", rule: "slow", reason: "root span took 1.4s, slower than 1s",
		complete: true, reached: all, path: path, probability: 1, tracestate: "ot=th:0",
	})
	p.requireKept(t, gift, judged{
		journey: "gift card", outcome: "ok", rule: "rare", reason: "rule keeps 100%",
		complete: true, path: `["gateway","users"]`, probability: 1, tracestate: "ot=th:0",
	})
	p.requireKept(t, lucky, judged{
		journey: "order history", outcome: "ok", rule: "the rest", reason: "rule keeps 5%",
		complete: true, path: `["gateway","orders","users"]`, probability: 0.05, tracestate: thOf5Percent,
	})
	p.requireNotStored(t, unlucky)

	require.Equal(t, account{received: sent, kept: sent - len(unlucky.spans), dropped: len(unlucky.spans)}, settled)
	require.Equal(t, settled.kept, p.storedByJaeger(t), "Jaeger's count of spans stored, and ours of spans kept")
}

// requireKept waits until the trace is in Jaeger whole and checks what was
// written on its spans.
func (p *parts) requireKept(t *testing.T, sent *trace, w judged) {
	t.Helper()
	stored := p.stored(t, sent)
	require.Len(t, stored, len(sent.spans), "spans stored: %v", stored.names())
	for _, s := range sent.spans {
		tags := stored[s.id.String()].tags
		require.Equal(t, w.journey, tags["journey.name"], "journey.name of %q", s.name)
		require.Equal(t, w.tracestate, tags["w3c.tracestate"], "tracestate of %q", s.name)
		if s != sent.spans[0] {
			require.NotContains(t, tags, "journey.outcome", "attributes of the root on %q", s.name)
		}
	}
	root := stored[sent.spans[0].id.String()].tags
	require.Equal(t, sent.id.String(), root["journey.id"])
	require.Equal(t, w.outcome, root["journey.outcome"])
	require.Equal(t, w.rule, root["journey.sampling.rule"])
	require.Contains(t, root["journey.sampling.reason"], w.reason)
	require.InDelta(t, w.probability, root["journey.sampling.probability"], 1e-5)
	require.Equal(t, w.complete, root["journey.complete"])
	require.InDelta(t, len(sent.spans), root["journey.span_count"], 0)
	require.Positive(t, root["journey.duration_ms"])
	require.Equal(t, w.path, root["journey.path"])
	require.Equal(t, w.reached, text(root["journey.steps.reached"]))
	require.Equal(t, w.missing, text(root["journey.steps.missing"]))
}

func text(tag any) string {
	s, _ := tag.(string)
	return s
}

// fairTraces is how many ok journeys the sample is drawn from. At 5 % it has
// 150 of them, with a standard deviation of 11.9.
const (
	fairTraces = 3000
	fairSigmas = 4
	fairBatch  = 100 // traces a request
)

func TestSampleOfOrdinaryJourneysIsFairAndConsistent(t *testing.T) {
	t.Parallel()
	p := start(t)
	var sent []*trace
	for range fairTraces {
		sent = append(sent, orderHistory(randomness56()))
	}
	for begin := 0; begin < len(sent); begin += fairBatch {
		p.send(t, sent[begin:begin+fairBatch]...)
	}
	settled := p.settled(t, sum(sent...))

	expected, sigma := 0.05*fairTraces, 11.94 // sqrt(3000 · 0.05 · 0.95)
	kept := p.metrics(t).sum(journeyMetric("journeys_total"), "decision=kept", "rule=the rest", "outcome=ok")
	require.InDelta(t, expected, kept, fairSigmas*sigma, "journeys kept of %d at 5 %%", fairTraces)

	stored := 0
	for _, trace := range sent {
		if randomnessOf(trace) < thresholdOf5Percent {
			continue
		}
		stored++
		for _, span := range p.stored(t, trace) {
			require.Equal(t, thOf5Percent, span.tags["w3c.tracestate"])
		}
	}
	require.Equal(t, stored, kept, "traces whose randomness reaches the threshold, and journeys kept")
	require.Equal(t, 3*stored, settled.kept)
	// All of them are there, and this is all there is: nothing else was stored.
	require.Equal(t, settled.kept, p.storedByJaeger(t))
}

// The threshold of 5 % as a kept span's tracestate says it: (1 - 0.05) · 2^56 to
// four digits after the leading f (OpenTelemetry specification, "TraceState:
// Probability Sampling").
const (
	thOf5Percent        = "ot=th:f3333"
	thresholdOf5Percent = uint64(0xf3333) << (56 - 4*5)
)

func TestLateSpansFollowTheDecision(t *testing.T) {
	t.Parallel()
	p := start(t)
	kept, dropped := failedOrderHistory(), orderHistory(leastRandomness)
	sent := p.send(t, kept, dropped)
	p.settled(t, sent)
	p.stored(t, kept)

	late := func(of *trace) *trace {
		l := &trace{id: of.id}
		l.add("users", "SELECT users", kindClient, of.last())
		return l
	}
	lateKept, lateDropped := late(kept), late(dropped)
	sent += p.send(t, lateKept, lateDropped)

	stored := p.stored(t, lateKept)
	require.Len(t, stored, len(kept.spans)+1)
	tags := stored[lateKept.spans[0].id.String()].tags
	require.Equal(t, "order history", tags["journey.name"])
	require.Equal(t, "ot=th:0", tags["w3c.tracestate"])
	require.NotContains(t, tags, "journey.outcome")

	settled := p.settled(t, sent)
	require.Equal(t, account{received: sent, kept: len(stored), dropped: len(dropped.spans) + 1}, settled)
	p.requireNotStored(t, dropped)
	m := p.metrics(t)
	require.Equal(t, 1, m.sum(journeyMetric("late_spans_total"), "decision=kept"))
	require.Equal(t, 1, m.sum(journeyMetric("late_spans_total"), "decision=dropped"))
	require.Equal(t, 2, m.sum(journeyMetric("journeys_total")), "nothing is decided twice")
	require.Equal(t, settled.kept, p.storedByJaeger(t))
}

// randomnessOf reads it from the id's text, as anybody outside would.
func randomnessOf(t *trace) uint64 {
	id := t.id.String()
	n, err := strconv.ParseUint(id[len(id)-14:], 16, 64)
	if err != nil {
		panic(err)
	}
	return n
}
