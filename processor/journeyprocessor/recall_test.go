package journeyprocessor

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/memory"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/weight"
)

// lateness is what comes of a trace after its decision, in this order.
type lateness struct {
	spans []span
	fails int // the first with an error; -1 without one
}

func randomLateness(rnd *rand.Rand, trace string) lateness {
	l := lateness{fails: -1}
	for i := range rnd.IntN(5) {
		s := span{Trace: trace, ID: uint64(100 + i), Parent: 1, Service: "late", Name: "work"}
		if rnd.IntN(3) == 0 {
			s.Error = "late"
			if l.fails < 0 {
				l.fails = i
			}
		}
		l.spans = append(l.spans, s)
	}
	return l
}

// TestLateErrorsBringBackWhatIsHeld lets spans, errors among them, come in any
// order after their traces were decided, while the next component refuses now
// and then and more or less of what was dropped is held. The law holds all
// along; a trace with a late error is whole if all is held, and is there from
// its error on if nothing is.
func TestLateErrorsBringBackWhatIsHeld(t *testing.T) {
	for round := range 12 {
		rnd := newRandom(t)
		recall := []string{"0B", "20KiB", "16MiB"}[round%3]
		traces := randomTraces(rnd, 60)
		late, logged := map[string]lateness{}, map[string]int{}
		for name := range traces {
			late[name] = randomLateness(rnd, name)
		}
		t.Logf("recall %s", recall)
		inBubble(t, lawsConfig+"buffer: {recall: "+recall+"}", func(t *testing.T, h *harness) {
			for _, b := range interleave(rnd, traces) {
				h.send(b...)
				h.sendLogs(record{Trace: b[0].Trace, Severity: "INFO", Body: b[0].Trace})
				logged[b[0].Trace]++
			}
			h.wait(10 * time.Second)
			left := map[string][]span{}
			for name, l := range late {
				left[name] = l.spans
			}
			for len(left) > 0 {
				if rnd.IntN(4) == 0 {
					h.sink.refuse([]error{nil, errBusy}[rnd.IntN(2)])
				}
				h.send(takeSome(rnd, left)...)
				h.holdsTheLaw()
				h.wait(time.Duration(rnd.IntN(3000)) * time.Millisecond)
			}
			h.sink.refuse(nil)
			h.wait(2 * time.Minute)
			require.Zero(t, h.value("processor_journey_spans_lost"))
			require.Equal(t, h.value("processor_journey_spans_recallable"), h.value("processor_journey_spans_pending"))
			for name, spans := range traces {
				requireRecalled(t, h, recall, spans, late[name], logged)
			}
		})
	}
}

// takeSome takes the next late spans of some of the traces.
func takeSome(rnd *rand.Rand, left map[string][]span) []span {
	var some []span
	for name, spans := range left {
		n := rnd.IntN(len(spans) + 1)
		if len(spans) > 0 && n == 0 && rnd.IntN(3) > 0 {
			continue
		}
		some = append(some, spans[:n]...)
		if left[name] = spans[n:]; n == len(spans) {
			delete(left, name)
		}
	}
	return some
}

func requireRecalled(t *testing.T, h *harness, recall string, before []span, late lateness, logged map[string]int) {
	t.Helper()
	name := before[0].Trace
	kept := h.sink.of(name)
	ids := map[uint64]int{}
	for _, s := range kept {
		id := s.SpanID()
		ids[uint64(id[6])<<8|uint64(id[7])]++
	}
	for id, n := range ids {
		require.Equal(t, 1, n, "span %d of %s was sent on twice", id, name)
	}
	all := len(before) + len(late.spans)
	failed := slices.ContainsFunc(before, func(s span) bool { return s.Error != "" })
	switch {
	case failed || !strings.HasPrefix(name, "unlucky"):
		require.Len(t, kept, all, name)
		require.NotContains(t, tracestates(h, name), "", "the weight is known")
		return
	case late.fails < 0:
		require.Empty(t, kept, name)
		return
	case recall == "16MiB":
		require.Len(t, kept, all, name)
		require.Equal(t, logged[name], count(h.sink.bodies(), name), "log records of %s", name)
	case recall == "0B":
		require.LessOrEqual(t, len(kept), len(late.spans), "%s: none that came before its decision", name)
	}
	for _, s := range late.spans[late.fails:] {
		require.Contains(t, ids, s.ID, name)
	}
	require.Equal(t, map[string]bool{"": true}, tracestates(h, name), "the weight is not known")
	d, ok := h.ledger().Lookup(traceID(name))
	require.True(t, ok)
	require.True(t, d.Kept)
	require.True(t, strings.HasPrefix(d.Reason, lateError), d.Reason)
	require.Equal(t, len(late.spans), d.LateSpans)
}

func count(texts []string, text string) (n int) {
	for _, t := range texts {
		if t == text {
			n++
		}
	}
	return n
}

// tracestates are those of the trace's spans in the sink.
func tracestates(h *harness, name string) map[string]bool {
	states := map[string]bool{}
	for _, s := range h.sink.of(name) {
		states[s.TraceState().AsRaw()] = true
	}
	return states
}

// oneShard lets a test's engine have one shard.
func oneShard(t *testing.T) {
	before := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// TestRecallFreesTheOldestFirst: and never holds more than it may.
func TestRecallFreesTheOldestFirst(t *testing.T) {
	oneShard(t)
	const limit, traces = 64 << 10, 200
	inBubble(t, `
completion: {quiet: 1s}
buffer: {recall: 64KiB}
sampling: {rules: [{name: failed, when: {outcome: error}, keep: 100%}, {name: none, keep: 0%}]}`, func(t *testing.T, h *harness) {
		for i := range traces {
			h.send(heavy(fmt.Sprint(i), 1))
			h.wait(2 * time.Second)
			require.LessOrEqual(t, h.value("processor_journey_buffer_bytes"), int64(limit+4<<10)) // and headers
		}
		held := int(h.value("processor_journey_spans_recallable"))
		require.InDelta(t, limit/2500, held, 10)
		require.Equal(t, int64(traces-held), h.value("processor_journey_spans_dropped"))
		whole := 0
		for i := range traces {
			s := heavy(fmt.Sprint(i), 2)
			s.Parent, s.Error = 1, "late"
			h.send(s)
			h.wait(time.Second)
			if n := len(h.sink.of(s.Trace)); n == 2 {
				whole++
			} else {
				require.Equal(t, 1, n)
				require.Zero(t, whole, "an older one was held")
			}
		}
		require.Equal(t, held, whole)
		require.Equal(t, int64(held), h.value("processor_journey_spans_kept")-traces)
	})
}

// TestRecallIsFreedBeforeAnythingIsParkedOrDecidedEarly fills the buffer with
// traces that wait.
func TestRecallIsFreedBeforeAnythingIsParkedOrDecidedEarly(t *testing.T) {
	oneShard(t) // of several, one may park while another still holds something
	inBubble(t, `
completion: {quiet: 1s, missing_wait: 10m, message_wait: 10m}
buffer: {memory: 4MiB, trace: 100KiB, recall: 2MiB, park_after: 10m}
sampling: {rules: [{name: none, keep: 0%}]}`, func(t *testing.T, h *harness) {
		for i := range 500 {
			h.send(heavy(fmt.Sprint("dropped ", i), 1))
			h.sendLogs(record{Trace: fmt.Sprint("dropped ", i), Severity: "INFO", Body: "x"})
		}
		h.wait(2 * time.Second)
		require.Equal(t, int64(500), h.value("processor_journey_spans_recallable"))
		require.Equal(t, int64(500), h.value("processor_journey_log_records_recallable"))
		for i := 0; h.value("processor_journey_spans_recallable") > 0; i++ {
			require.Zero(t, h.value("processor_journey_parked_traces"))
			require.Zero(t, h.value("processor_journey_early_decisions"))
			s := heavy(fmt.Sprint("waits ", i), 2)
			s.Parent = 1
			h.send(s)
			require.Less(t, i, 3000)
		}
		require.Equal(t, int64(500), h.value("processor_journey_spans_dropped"))
		require.Equal(t, int64(500), h.value("processor_journey_log_records_dropped"))
		h.holdsTheLaw()
	})
}

// TestNothingIsHeldWhileMemoryIsShort: what is dropped then frees its memory.
func TestNothingIsHeldWhileMemoryIsShort(t *testing.T) {
	inBubble(t, `
completion: {quiet: 1s, missing_wait: 10m, message_wait: 10m}
buffer: {memory: 2MiB, trace: 100KiB, recall: 2MiB, park_after: 10m}
sampling: {rules: [{name: none, keep: 0%}]}`, func(t *testing.T, h *harness) {
		for i := 0; h.value("processor_journey_overload_level") < int64(parking); i++ {
			h.send(span{Trace: fmt.Sprint("too small to park ", i), ID: 2, Parent: 1, Name: "GET /"})
			require.Less(t, i, 3000)
		}
		h.send(span{Trace: "dropped", ID: 1, Name: "GET /"})
		require.Equal(t, int64(parking), h.value("processor_journey_overload_level"))
		h.wait(2 * time.Second)
		require.Equal(t, int64(1), h.value("processor_journey_spans_dropped"))
		require.Zero(t, h.value("processor_journey_spans_recallable"))
	})
}

// TestAHeldTraceThatGrowsTooLargeIsLetGo: by late spans, from whomever.
func TestAHeldTraceThatGrowsTooLargeIsLetGo(t *testing.T) {
	inBubble(t, `
completion: {quiet: 1s}
buffer: {recall: 64KiB}
sampling: {rules: [{name: none, keep: 0%}]}`, func(t *testing.T, h *harness) {
		h.send(heavy("a", 1))
		h.wait(2 * time.Second)
		require.Equal(t, int64(1), h.value("processor_journey_spans_recallable"))
		for id := range uint64(100) {
			s := heavy("a", 2+id)
			s.Parent = 1
			h.send(s)
			require.LessOrEqual(t, h.value("processor_journey_buffer_bytes"), int64(70<<10))
		}
		require.Zero(t, h.value("processor_journey_spans_recallable"))
		require.Equal(t, int64(101), h.value("processor_journey_spans_dropped"))
	})
}

// TestATraceThatWasForgottenAndCameAgainIsHeldTwice: the first is given up in
// its turn, and an error brings back the second.
func TestATraceThatWasForgottenAndCameAgainIsHeldTwice(t *testing.T) {
	oneShard(t)
	inBubble(t, `
completion: {quiet: 1s}
buffer: {recall: 64KiB}
decisions: {dropped: 16}
sampling: {rules: [{name: failed, when: {outcome: error}, keep: 100%}, {name: none, keep: 0%}]}`, func(t *testing.T, h *harness) {
		traces := 0
		drop := func(names ...string) {
			for _, name := range names {
				traces++
				h.send(heavy(name, uint64(traces)))
				h.wait(2 * time.Second)
			}
		}
		drop("again")
		for i := range 20 {
			drop(fmt.Sprint("between ", i))
		}
		drop("again")
		require.Equal(t, int64(traces), h.value("processor_journey_spans_recallable"))
		for i := range 8 {
			drop(fmt.Sprint("after ", i))
		}
		require.Positive(t, h.value("processor_journey_spans_dropped"), "the first is let go")
		h.send(span{Trace: "again", ID: 100, Parent: 22, Name: "work", Error: "late"})
		require.Len(t, h.sink.of("again"), 2)
	})
}

// TestShutdownGivesUpWhatIsHeld: as dropped, and not as lost.
func TestShutdownGivesUpWhatIsHeld(t *testing.T) {
	var h *harness
	inBubble(t, "{completion: {quiet: 1s}, sampling: {rules: [{name: none, keep: 0%}]}}", func(_ *testing.T, running *harness) {
		h = running
		h.send(span{Trace: "a", ID: 1, Name: "GET /"})
		h.wait(2 * time.Second)
		h.send(span{Trace: "b", ID: 1, Name: "GET /"})
	})
	require.Equal(t, int64(2), h.value("processor_journey_spans_dropped"))
	require.Zero(t, h.value("processor_journey_spans_recallable"))
}

// TestLateErrorsAreChargedToTheBudget: where must-keep rules win over it they
// bring their trace back and are paid for by others; where they stay within it
// what they bring back has to fit.
func TestLateErrorsAreChargedToTheBudget(t *testing.T) {
	for mustKeep, want := range map[string]int{"wins": 2, "within": 0} {
		t.Run(mustKeep, func(t *testing.T) {
			inBubble(t, fmt.Sprintf(`
completion: {quiet: 1s}
sampling:
  rules: [{name: failed, when: {outcome: error}, keep: 100%%}, {name: none, keep: 0%%}]
  budget: {spans_per_second: 2, must_keep: %s}`, mustKeep), func(t *testing.T, h *harness) {
				h.send(span{Trace: "unlucky", ID: 1, Name: "GET /"})
				h.wait(2 * time.Second)
				for i := range 600 {
					h.send(span{Trace: fmt.Sprint("failed ", i), ID: 1, Name: "GET /", Error: "broken"})
					h.wait(100 * time.Millisecond)
				}
				h.send(span{Trace: "unlucky", ID: 2, Parent: 1, Name: "work", Error: "late"})
				h.wait(time.Second)
				require.Len(t, h.sink.of("unlucky"), want)
				require.Equal(t, int64(want/2), h.value("processor_journey_late_upgrades"))
			})
		})
	}
}

func TestAVerdictIsRememberedWhole(t *testing.T) {
	half, err := weight.Threshold(0.5)
	require.NoError(t, err)
	for _, v := range []*verdict{
		{kept: true, journey: "checkout"},
		{kept: true, journey: "checkout", threshold: half},
		{kept: true, journey: "checkout", unweighted: true},
	} {
		require.Equal(t, v, asVerdict(remembrance(v)))
	}
	require.Equal(t, otherJourneys, asVerdict(memory.Verdict{}).journey, "its name found no room")
}

func TestWhatIsRememberedIsCounted(t *testing.T) {
	inBubble(t, lawsConfig, func(t *testing.T, h *harness) {
		h.send(span{Trace: "a", ID: 1}, span{Trace: "b", ID: 1}, span{Trace: "unlucky", ID: 1})
		h.wait(10 * time.Second)
		require.Equal(t, int64(2), h.value("processor_journey_remembered_decisions", "decision", "kept"))
		require.Equal(t, int64(1), h.value("processor_journey_remembered_decisions", "decision", "dropped"))
		h.reload(lawsConfig)
		h.wait(time.Second)
		require.Equal(t, int64(2), h.value("processor_journey_remembered_decisions", "decision", "kept"))
	})
}
