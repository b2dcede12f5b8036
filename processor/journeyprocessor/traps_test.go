package journeyprocessor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
)

// The tests of this file are for the traps that other tail samplers have been
// seen to fall into.

// TestAFullBufferGoesOn: a sampler that waits for room which only its own
// decisions can make stands still for ever. Here senders bring ten times what
// has room, at a slow backend, of traces that are not due for an hour, and
// forget nothing: every ten seconds some are further, and all get there.
func TestAFullBufferGoesOn(t *testing.T) {
	for _, remembered := range []int{0, 10_000} {
		config := fmt.Sprintf(`
completion: {quiet: 1h, missing_wait: 1h, message_wait: 1h, max_wait: 2h}
buffer: {memory: 1MiB, trace: 100KiB, park_after: 1h}
decisions: {kept: %d, dropped: %[1]d}`, remembered)
		inBubble(t, config, func(t *testing.T, h *harness) {
			h.sink.delay = 50 * time.Millisecond
			const senders, each = 8, 1200
			var wg sync.WaitGroup
			for s := range senders {
				wg.Go(func() {
					for i := range each {
						h.sendUntilTaken(heavyRandom(fmt.Sprint(s, " ", i), 1))
					}
				})
			}
			for before := int64(-1); before < senders*each; {
				h.wait(10 * time.Second)
				now := h.value("processor_journey_spans_received")
				require.Greater(t, now, before, "stands still")
				before = now
			}
			wg.Wait()
			require.Positive(t, h.value("processor_journey_early_decisions", "reason", earlyMemory))
			require.Zero(t, h.value("processor_journey_spans_lost"))
			h.holdsTheLaw()
		})
	}
}

// sendUntilTaken sends as an exporter does that keeps what is refused.
func (h *harness) sendUntilTaken(spans ...span) {
	for {
		err := h.traces.ConsumeTraces(h.t.Context(), batch(spans))
		if err == nil {
			return
		}
		if consumererror.IsPermanent(err) {
			h.t.Errorf("refused for good: %v", err)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// TestADropRuleDropsNothingElse: 50 in, 0 out was what became of traces that a
// keep rule matched when there also was one that drops. Here spans come one by
// one, and a rule that drops does so only if none before it keeps.
func TestADropRuleDropsNothingElse(t *testing.T) {
	inBubble(t, `
completion: {quiet: 1s}
sampling:
  rules:
    - {name: checkout, when: {match: {span: POST /checkout}}, keep: 100%}
    - {name: noise, when: {match: {service: gateway}}, keep: 0%}`, func(t *testing.T, h *harness) {
		for id := range uint64(4) {
			for i := range 50 {
				name := "GET /"
				if id == 2 {
					name = "POST /checkout"
				}
				h.send(span{Trace: fmt.Sprint("unlucky ", i), ID: id + 1, Parent: id, Name: name})
			}
		}
		h.wait(2 * time.Second)
		require.Len(t, h.sink.all(), 200)
	})
}

// TestNothingIsHeldOfWhatHasLeft: neither of what was forwarded nor of what was
// dropped, in time, for its size, or while it grows after that.
func TestNothingIsHeldOfWhatHasLeft(t *testing.T) {
	for _, keep := range []string{"0%", "100%"} {
		inBubble(t, `
completion: {quiet: 1s}
buffer: {memory: 32MiB, trace: 512KiB, recall: 0B, park_after: 500ms}
sampling: {rules: [{name: all, keep: `+keep+`}]}`, func(t *testing.T, h *harness) {
			for i := range 100 {
				h.send(span{Trace: fmt.Sprint(i), ID: 1, Name: "GET /", Payload: 100 << 10})
				h.sendLogs(record{Trace: fmt.Sprint(i), Severity: "INFO", Body: strings.Repeat("line ", 1000)})
			}
			for i := range 20 {
				h.send(span{Trace: fmt.Sprint("too large ", i), ID: 1, Name: "GET /", Payload: 1 << 20})
				h.send(span{Trace: fmt.Sprint("too large ", i), ID: 2, Parent: 1, Name: "GET /", Payload: 1 << 20})
			}
			h.wait(3 * time.Second)
			h.holdsNothing()
			require.Zero(t, h.value("processor_journey_traces_pending"))
			require.Equal(t, int64(20), h.value("processor_journey_early_decisions", "reason", earlyTraceSize))
		})
	}
}

// TestTheHeapForgetsWhatWasDecidedEarly: a trace that would have waited for an
// hour must not stay on the heap for an hour when it was decided after a second.
func TestTheHeapForgetsWhatWasDecidedEarly(t *testing.T) {
	inBubble(t, `
completion: {quiet: 1h, missing_wait: 1h, message_wait: 1h, max_wait: 2h}
buffer: {memory: 1MiB, trace: 100KiB, recall: 0B, park_after: 1s}
decisions: {kept: 0, dropped: 0, ledger: 0}
sampling: {rules: [{name: none, keep: 0%}]}`, func(t *testing.T, h *harness) {
		before := heap()
		const traces = 10_000
		for i := range traces {
			h.send(span{Trace: fmt.Sprint(i), ID: 2, Parent: 1, Name: "GET /"})
			h.wait(10 * time.Millisecond)
		}
		require.Greater(t, h.value("processor_journey_early_decisions"), int64(traces*9/10))
		require.Less(t, heap()-before, int64(2<<20), "with an account of %d bytes", h.value("processor_journey_buffer_bytes"))
	})
}

// asked is a rule of TestTheFirstRuleThatHoldsDecides with what it asks for.
type asked struct {
	rule  string
	holds func(failed bool, spans int, service string) bool
}

// TestTheFirstRuleThatHoldsDecides: in whatever order the rules are, the first
// in the list that holds is the one that is named and whose share is kept.
func TestTheFirstRuleThatHoldsDecides(t *testing.T) {
	rules := []asked{
		{"{name: failed, when: {outcome: error}, keep: 100%}", func(failed bool, _ int, _ string) bool { return failed }},
		{"{name: large, when: {spans_over: 2}, keep: 0%}", func(_ bool, spans int, _ string) bool { return spans > 2 }},
		{"{name: users, when: {match: {service: users}}, keep: 50%}", func(_ bool, _ int, service string) bool { return service == "users" }},
		{"{name: good users, when: {outcome: ok, match: {service: users}}, keep: 100%}", func(failed bool, _ int, service string) bool { return !failed && service == "users" }},
		{"{name: rest, keep: 50%}", func(bool, int, string) bool { return true }},
	}
	rnd := newRandom(t)
	for range 10 {
		rnd.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
		var texts []string
		for _, r := range rules {
			texts = append(texts, r.rule)
		}
		inBubble(t, "{completion: {quiet: 1s}, sampling: {rules: ["+strings.Join(texts, ",")+"]}}", func(t *testing.T, h *harness) {
			for i := range 16 {
				requireFirst(t, h, rules, i)
			}
		})
	}
}

// requireFirst sends the nth trace of all combinations, and asks what rule
// decided about it.
func requireFirst(t *testing.T, h *harness, rules []asked, n int) {
	t.Helper()
	failed, large, service := n&1 != 0, n&2 != 0, []string{"gateway", "users"}[n>>2&1]
	name := []string{"unlucky ", "lucky "}[n>>3&1] + fmt.Sprint(n)
	spans := []span{{Trace: name, ID: 1, Service: service, Name: "GET /"}}
	if failed {
		spans[0].Error = "broken"
	}
	if large {
		spans = append(spans, span{Trace: name, ID: 2, Parent: 1, Name: "a"}, span{Trace: name, ID: 3, Parent: 1, Name: "b"})
	}
	h.send(spans...)
	h.wait(2 * time.Second)
	first := slices.IndexFunc(rules, func(r asked) bool { return r.holds(failed, len(spans), service) })
	d, ok := h.ledger().Lookup(traceID(name))
	require.True(t, ok)
	require.Contains(t, rules[first].rule, "name: "+d.Rule+",")
	kept := strings.Contains(rules[first].rule, "100%") || strings.Contains(rules[first].rule, "50%") && strings.HasPrefix(name, "lucky")
	require.Equal(t, kept, d.Kept)
	require.Len(t, h.sink.of(name), len(spans)*map[bool]int{true: 1}[kept])
}

// TestTheLogStaysShort: what strangers, late spans and a broken backend do ten
// thousand times must not be logged ten thousand times.
func TestTheLogStaysShort(t *testing.T) {
	const times, most = 10_000, 200
	for name, test := range map[string]struct {
		config string
		before func(*harness)
		send   func(i int) []span
	}{
		"late spans of a dropped trace": {
			config: "sampling: {rules: [{name: none, keep: 0%}]}",
			before: func(h *harness) { h.send(span{Trace: "a", ID: 1, Name: "GET /"}); h.wait(2 * time.Second) },
			send:   func(i int) []span { return []span{{Trace: "a", ID: uint64(2 + i), Parent: 1, Name: "late"}} },
		},
		"late spans of a kept trace": {
			before: func(h *harness) { h.send(span{Trace: "a", ID: 1, Name: "GET /"}); h.wait(2 * time.Second) },
			send:   func(i int) []span { return []span{{Trace: "a", ID: uint64(2 + i), Parent: 1, Name: "late"}} },
		},
		"late errors of dropped traces": {
			config: "sampling: {rules: [{name: failed, when: {outcome: error}, keep: 100%}, {name: none, keep: 0%}]}",
			send: func(i int) []span {
				return []span{{Trace: fmt.Sprint("a", i/2), ID: uint64(1 + i%2), Parent: uint64(i % 2), Name: "late", Error: strings.Repeat("x", i%2)}}
			},
		},
		"invalid tracestates and zero ids": {
			send: func(i int) []span { return []span{{Trace: fmt.Sprint(i), Name: "GET /", State: "no state at all"}} },
		},
		"a condition that fails": {
			config: `sampling: {rules: [{name: a, when: {match: {condition: 'Double(name) > 1'}}, keep: 0%}]}`,
			send:   func(i int) []span { return []span{{Trace: fmt.Sprint(i), ID: 1, Name: "GET /"}} },
		},
		"a full buffer": {
			config: "buffer: {memory: 1MiB, trace: 100KiB}",
			before: func(h *harness) { h.sink.refuse(errBusy) },
			send:   func(i int) []span { return []span{heavy(fmt.Sprint(i), 1)} },
		},
		"a backend that refuses for good": {
			before: func(h *harness) { h.sink.refuse(consumererror.NewPermanent(errBusy)) },
			send:   func(i int) []span { return []span{{Trace: fmt.Sprint(i), ID: 1, Name: "GET /"}} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, "completion: {quiet: 1s, missing_wait: 1s}\n"+test.config, func(t *testing.T, h *harness) {
				if test.before != nil {
					test.before(h)
				}
				for i := range times {
					_ = h.traces.ConsumeTraces(h.t.Context(), batch(test.send(i))) // may be full
					if i%100 == 0 {
						h.wait(tick)
					}
				}
				h.wait(5 * time.Second)
				require.Less(t, h.logged.Len(), most, "%s", h.logged.All()[:min(3, h.logged.Len())])
				h.sink.refuse(nil)
			})
		})
	}
}

// TestASlowBackendDelaysNobody: neither those who send nor decisions, while it
// takes two hundred milliseconds for each batch.
func TestASlowBackendDelaysNobody(t *testing.T) {
	inBubble(t, "{completion: {quiet: 1s}, release: {max_batch: 10, consumers: 1}}", func(t *testing.T, h *harness) {
		h.sink.delay = 200 * time.Millisecond
		begun := time.Now()
		const traces = 2000
		for i := range traces {
			before := time.Now()
			h.send(span{Trace: fmt.Sprint(i), ID: 1, Name: "GET /"})
			require.Zero(t, time.Since(before), "a sender had to wait")
			if i%20 == 0 {
				time.Sleep(tick)
			}
		}
		h.wait(time.Second + 2*tick)
		require.Equal(t, int64(traces), h.value("processor_journey_journeys"), "all are decided in time")
		require.Less(t, len(h.sink.all()), traces/2, "and wait for the backend")
		for len(h.sink.all()) < traces {
			h.wait(time.Second)
			require.Less(t, time.Since(begun), traces/10*200*time.Millisecond+5*time.Second)
		}
	})
}

// TestABackendThatIsBackGetsWhatWaitsAtAStop: after many refusals the pauses
// between tries are long; a stop does not wait for their end, nor does a reload
// while it is still away.
func TestABackendThatIsBackGetsWhatWaitsAtAStop(t *testing.T) {
	const config = "{completion: {quiet: 1s}, release: {max_batch: 1, consumers: 3}}"
	synctest.Test(t, func(t *testing.T) {
		h := start(t, config)
		defer h.abandonFailed()
		h.sink.refuse(errBusy)
		sent := 0
		someMore := func() {
			for range 60 { // one after the other, so that some are in a pause at the end
				h.send(span{Trace: fmt.Sprint(sent), ID: 1, Name: "GET /"})
				sent++
				h.wait(2 * time.Second)
			}
		}
		someMore()
		begun := time.Now()
		h.reload(config)
		require.LessOrEqual(t, time.Since(begun), time.Second)
		someMore()
		h.sink.refuse(nil)
		begun = time.Now()
		h.stop()
		require.LessOrEqual(t, time.Since(begun), time.Second)
		require.Len(t, h.sink.all(), sent)
		require.Zero(t, h.value("processor_journey_spans_lost"))
	})
}

// TestSlowSendersDoNotHoldUpShutdown: what is handed over while the stop begins
// is refused or taken, and nobody waits for ever.
func TestSlowSendersDoNotHoldUpShutdown(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			h := start(t, "{completion: {quiet: 1s}, buffer: {memory: 1MiB, trace: 100KiB}}")
			h.sink.delay = time.Duration(rand.IntN(300)) * time.Millisecond
			var wg sync.WaitGroup
			for s := range 8 {
				wg.Go(func() {
					for i := range 50 {
						_ = h.traces.ConsumeTraces(h.t.Context(), batch([]span{heavy(fmt.Sprint(s, i), 1)})) // refused from the stop on
						time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
					}
				})
			}
			h.wait(300 * time.Millisecond)
			h.stop()
			wg.Wait()
			require.Positive(t, h.value("processor_journey_spans_refused", "reason", refusedStopping))
		})
	}
}
