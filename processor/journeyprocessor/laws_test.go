package journeyprocessor

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// newRandom prints its seed, so that a failure can be seen again.
func newRandom(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// randomTraces makes traces of which every span belongs to one tree.
func randomTraces(rnd *rand.Rand, n int) map[string][]span {
	traces := make(map[string][]span, n)
	for i := range n {
		name := fmt.Sprint("trace-", i)
		if rnd.IntN(2) == 0 {
			name = "unlucky " + name
		}
		spans := []span{{Trace: name, ID: 1, Name: "GET /", Kind: "server"}}
		for id := 2; id <= 1+rnd.IntN(8); id++ {
			s := span{
				Trace: name, ID: uint64(id), Parent: uint64(1 + rnd.IntN(id-1)),
				Service: fmt.Sprint("service-", rnd.IntN(3)), Name: fmt.Sprint("call ", id), At: time.Duration(id) * time.Millisecond,
			}
			if rnd.IntN(30) == 0 {
				s.Error = "broken"
			}
			spans = append(spans, s)
		}
		traces[name] = spans
	}
	return traces
}

// interleave deals the spans of all traces into batches in random order.
func interleave(rnd *rand.Rand, traces map[string][]span) [][]span {
	var all []span
	for _, name := range slices.Sorted(maps.Keys(traces)) { // or a seed would not be enough to see it again
		all = append(all, traces[name]...)
	}
	rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var batches [][]span
	for len(all) > 0 {
		n := min(1+rnd.IntN(20), len(all))
		batches, all = append(batches, all[:n]), all[n:]
	}
	return batches
}

const lawsConfig = `
completion: {quiet: 2s, missing_wait: 4s}
sampling: {rules: [{name: failed, when: {outcome: error}, keep: 100%}, {name: half, keep: 50%}]}
release: {max_batch: 7, consumers: 3}
`

// TestOrderOfArrivalDoesNotChangeTheDecision sends the same traces in several
// orders and batchings, all within the quiet time: the same traces are kept,
// whole, with the same tags.
func TestOrderOfArrivalDoesNotChangeTheDecision(t *testing.T) {
	rnd := newRandom(t)
	traces := randomTraces(rnd, 60)
	var want map[string]string
	for range 6 {
		batches := interleave(rnd, traces)
		inBubble(t, lawsConfig, func(t *testing.T, h *harness) {
			for _, b := range batches {
				h.send(b...)
				h.wait(time.Duration(rnd.IntN(20)) * time.Millisecond)
			}
			h.wait(10 * time.Second)
			got := map[string]string{}
			for name, spans := range traces {
				if kept := h.sink.of(name); len(kept) > 0 {
					require.Len(t, kept, len(spans), name)
					got[name] = rootTags(t, kept)
				}
			}
			if want == nil {
				want = got
			}
			require.Equal(t, want, got)
		})
	}
}

func rootTags(t *testing.T, spans []ptrace.Span) string {
	for _, s := range spans {
		if _, ok := s.Attributes().Get(attrID); ok {
			return fmt.Sprint(s.Attributes().AsRaw(), s.TraceState().AsRaw())
		}
	}
	require.Fail(t, "no span has the journey's tags")
	return ""
}

// TestEverySpanIsAccountedFor lets the next component refuse now and then, the
// caller send late, senders be refused and the configuration be reloaded, and
// holds the law all along. A trace is never split between two answers, but for
// a late error whose trace is not held any more.
func TestEverySpanIsAccountedFor(t *testing.T) {
	for range 10 {
		rnd := newRandom(t)
		traces := randomTraces(rnd, 80)
		batches := interleave(rnd, traces)
		recall := []string{"0B", "20KiB", "16MiB"}[rnd.IntN(3)]
		config, reloaded := lawsConfig+"buffer: {recall: "+recall+"}", false
		inBubble(t, config, func(t *testing.T, h *harness) {
			for _, b := range batches {
				if rnd.IntN(4) == 0 {
					h.sink.refuse([]error{nil, errBusy}[rnd.IntN(2)])
				}
				h.send(b...)
				if rnd.IntN(20) == 0 {
					h.reload(config)
					reloaded = true // and nothing is held any more
				}
				h.holdsTheLaw()
				h.wait(time.Duration(rnd.IntN(1000)) * time.Millisecond)
			}
			h.sink.refuse(nil)
			h.wait(2 * time.Minute)
			require.Zero(t, h.value("processor_journey_spans_lost"))
			require.Equal(t, h.value("processor_journey_spans_recallable"), h.value("processor_journey_spans_pending"))
			require.Zero(t, h.value("processor_journey_traces_pending"))
			if strings.HasPrefix(recall, "0") {
				require.Zero(t, h.value("processor_journey_buffer_bytes"), "memory is given back to the last byte")
			}
			for name, spans := range traces {
				if recall == "16MiB" && !reloaded || !slices.ContainsFunc(spans, func(s span) bool { return s.Error != "" }) {
					require.Contains(t, []int{0, len(spans)}, len(h.sink.of(name)), "%s is split", name)
				}
			}
		})
	}
}

// TestWeightsOfKeptJourneysAddUp estimates the journeys received from the kept
// ones' thresholds: over many traces the estimate is within two standard
// errors of the truth.
func TestWeightsOfKeptJourneysAddUp(t *testing.T) {
	const traces = 20000
	rnd := rand.New(rand.NewPCG(11, 12))
	for _, percent := range []float64{50, 10, 2} {
		inBubble(t, fmt.Sprintf(`{completion: {quiet: 1s}, sampling: {rules: [{name: all, keep: %v%%}]}}`, percent), func(t *testing.T, h *harness) {
			td := ptrace.NewTraces()
			spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
			for i := range traces {
				s := spans.AppendEmpty()
				span{ID: uint64(i + 1), Name: "GET /"}.fill(s)
				s.SetTraceID(randomTraceID(rnd))
			}
			require.NoError(t, h.traces.ConsumeTraces(h.t.Context(), td))
			h.wait(3 * time.Second)
			p, sum := percent/100, 0.0
			for _, s := range h.sink.all() {
				w3c, err := sampling.NewW3CTraceState(s.TraceState().AsRaw())
				require.NoError(t, err)
				sum += w3c.OTelValue().AdjustedCount()
			}
			require.InDelta(t, traces, sum, 2*math.Sqrt(traces*(1/p-1)), "keep %v%%", percent)
		})
	}
}

func randomTraceID(rnd *rand.Rand) (id pcommon.TraceID) {
	for i := range id {
		id[i] = byte(rnd.Uint32())
	}
	return id
}

// TestAnEarlierSamplersWeightIsRespected: a span that already stands for four
// and is kept at 50 % still stands for four, because its trace's randomness is
// what both samplers went by.
func TestAnEarlierSamplersWeightIsRespected(t *testing.T) {
	inBubble(t, lawsConfig, func(t *testing.T, h *harness) {
		h.send(span{Trace: "a", ID: 1, Name: "GET /", State: "ot=th:c"}, span{Trace: "b", ID: 1, Name: "GET /", State: "vendor=1,ot=th:4"})
		h.wait(5 * time.Second)
		require.Equal(t, "ot=th:c", h.sink.of("a")[0].TraceState().AsRaw())
		require.Equal(t, "ot=th:8,vendor=1", h.sink.of("b")[0].TraceState().AsRaw())
	})
}

// TestExplicitRandomnessDecides: with ot=rv the trace id does not count.
func TestExplicitRandomnessDecides(t *testing.T) {
	inBubble(t, lawsConfig, func(t *testing.T, h *harness) {
		h.send(
			span{Trace: "unlucky but", ID: 1, Name: "GET /", State: "ot=rv:ffffffffffffff"},
			span{Trace: "lucky but", ID: 1, Name: "GET /", State: "ot=rv:00000000000000"},
		)
		h.wait(5 * time.Second)
		require.Len(t, h.sink.of("unlucky but"), 1)
		require.Empty(t, h.sink.of("lucky but"))
	})
}

func TestDecisionsComeWithinTwoTicksOfTheDeadline(t *testing.T) {
	inBubble(t, "{completion: {quiet: 2s}}", func(t *testing.T, h *harness) {
		h.send(span{Trace: "a", ID: 1, Name: "GET /"})
		begun := time.Now()
		for len(h.sink.of("a")) == 0 {
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		require.InDelta(t, 2*time.Second+tick, time.Since(begun), float64(tick))
	})
}
