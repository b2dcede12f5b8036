package journeyprocessor

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// Rules of one line, so that they can be put in use or into a shadow.
const (
	inUse   = "rules: [{name: failed, when: {outcome: error}, keep: 100%}, {name: rest, keep: 50%}]"
	learned = "rules: [{name: slow, when: {slower_than: p90}, keep: 100%}, {name: rare, when: {first_of_shape: 3, every: 20s}, keep: 100%}, {name: rest, keep: 5%}]"
	thrifty = "rules: [{name: failed, when: {outcome: error}, keep: 50%}, {name: rest, keep: 90%}], budget: {spans_per_second: 10}"
	another = "rules: [{name: work, when: {match: {service: 'service 1'}}, keep: 20%}, {name: rest, keep: 1%}]"
)

// patient waits for longer than spans of a recording that are in time are apart.
const patient = "completion: {quiet: 6s, missing_wait: 8s, message_wait: 10s, max_wait: 20s}\n"

// inTime leaves out spans that come after their trace was decided, which a
// shadow does not see.
func inTime(batches []brought) []brought {
	first := map[pcommon.TraceID]time.Duration{}
	return slices.DeleteFunc(batches, func(b brought) bool {
		if b.traces == (ptrace.Traces{}) {
			return false
		}
		id := b.traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).TraceID()
		if _, known := first[id]; !known {
			first[id] = b.after
		}
		return b.after-first[id] >= lateBy-5*time.Second
	})
}

func TestAShadowCountsWhatItsRulesWouldKeepInUse(t *testing.T) {
	const percentiles = "percentiles: {min_journeys: 20}, "
	for name, rules := range map[string]string{"learned": learned, "budget": thrifty, "matches of its own": another} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Log("seed", seed)
			batches := inTime(recording(seed, 600, 1500))
			_, decisions := replayed(t, patient+"sampling: {"+percentiles+rules+"}", batches)
			want := map[shadowKey]journeyCount{}
			for _, d := range decisions {
				if d.Spans > 0 {
					want[shadowOf(d.Journey, d.Rule, d.Kept)] = want[shadowOf(d.Journey, d.Rule, d.Kept)].plus(1, d.Spans, d.SpanBytes)
				}
			}
			got := map[shadowKey]journeyCount{}
			is := shadowOver(t, patient+"sampling: {"+percentiles+inUse+", shadow: {"+rules+"}}", batches)
			require.Equal(t, epoch, is.Since)
			for _, s := range is.Tallies {
				key := shadowOf(s.Journey, s.ShadowRule, s.ShadowKept)
				got[key] = got[key].plus(int(s.Journeys), int(s.Spans), s.Bytes)
			}
			require.Greater(t, len(want), 5)
			require.Equal(t, want, got)
		})
	}
}

type journeyCount struct{ journeys, spans, bytes int64 }

func (c journeyCount) plus(journeys, spans int, bytes int64) journeyCount {
	return journeyCount{c.journeys + int64(journeys), c.spans + int64(spans), c.bytes + bytes}
}

func shadowOf(journey, rule string, kept bool) shadowKey {
	return shadowKey{would: decisionKey{journey: journey, rule: rule, kept: kept}}
}

// shadowOver is what a replay's shadow has counted.
func shadowOver(t *testing.T, config string, batches []brought) journey.Shadow {
	t.Helper()
	r := replay(t, config, batches, &sink{}, func(ReplayDecision) {})
	is, ok := r.engine.Shadow()
	require.True(t, ok)
	return is
}

// What is kept is the same with and without a shadow, whatever is in it.
func TestAShadowChangesNothing(t *testing.T) {
	batches := recording(7, 400, 1500)
	want, _ := replayed(t, quick+"sampling: {"+inUse+"}", batches)
	for _, rules := range []string{learned, thrifty, another, "budget: {spans_per_second: 1}"} {
		got, _ := replayed(t, quick+"sampling: {"+inUse+", shadow: {"+rules+"}}", batches)
		require.Equal(t, want, got, rules)
	}
}

func TestAShadowsMetricsAndWhatItWouldLose(t *testing.T) {
	inBubble(t, quick+"sampling: {"+inUse+", shadow: {rules: [{name: lucky, when: {match: {span: work}}, keep: 100%}, {name: none, keep: 0%}]}}", func(t *testing.T, h *harness) {
		for _, name := range []string{"a", "b"} {
			h.send(span{Trace: name, ID: 1, Name: "GET /", Error: "out of stock"}, span{Trace: name, ID: 2, Parent: 1, Name: "pay"})
		}
		h.send(span{Trace: "c", ID: 1, Name: "work"})
		h.wait(time.Minute)
		require.EqualValues(t, 2, h.value("processor_journey_shadow_must_keep_lost", "outcome", "error", "rule", "failed"))
		require.EqualValues(t, 2, h.value("processor_journey_shadow_journeys", "decision", "dropped", "rule", "none", "outcome", "error"))
		require.EqualValues(t, 1, h.value("processor_journey_shadow_journeys", "decision", "kept", "rule", "lucky"))
		require.EqualValues(t, 4, h.value("processor_journey_shadow_spans", "decision", "dropped"))
		require.EqualValues(t, 1, h.value("processor_journey_shadow_spans", "decision", "kept", "journey", "gateway work"))
		require.Equal(t, h.value("processor_journey_journey_bytes"), h.value("processor_journey_shadow_bytes"))
		is, ok := h.traces.(journey.Shadower).Shadow()
		require.True(t, ok)
		require.Equal(t, []string{"failed", "rest"}, is.Rules)
		require.Equal(t, []string{"lucky", "none"}, is.ShadowRules)
		slices.SortFunc(is.Tallies, func(a, b journey.ShadowTally) int { return cmp.Compare(a.Journey, b.Journey) })
		require.Equal(t, journey.ShadowTally{
			Journey: "gateway GET /", Outcome: "error", Rule: "failed", MustKeep: true, Kept: true,
			ShadowRule: "none", Journeys: 2, Spans: 4, Bytes: is.Tallies[0].Bytes,
		}, is.Tallies[0])
	})
}

func TestWithoutAShadowThereIsNothingToAskFor(t *testing.T) {
	inBubble(t, quick, func(t *testing.T, h *harness) {
		_, ok := h.traces.(journey.Shadower).Shadow()
		require.False(t, ok)
	})
}

// Names come from anybody: more of them than there is room for are "other".
func TestAShadowsCountsAreBounded(t *testing.T) {
	var batches []brought
	for i := range 3000 {
		name := strings.Repeat("x", 1+i%40) + string(rune('a'+i/40%26)) + string(rune('a'+i/1040))
		batches = append(batches, brought{after: time.Duration(i) * time.Millisecond, traces: oneBatch(span{Trace: name, ID: 1, Name: name}, name)})
	}
	is := shadowOver(t, quick+"telemetry: {max_journeys: 2500}\nsampling: {"+inUse+", shadow: {"+another+"}}", batches)
	names := map[string]int64{}
	for _, s := range is.Tallies {
		names[s.Journey] += s.Journeys
	}
	require.LessOrEqual(t, len(is.Tallies), maxSeries+4)
	require.Positive(t, names[otherJourneys])
	var sum int64
	for n := range maps.Values(names) {
		sum += n
	}
	require.EqualValues(t, 3000, sum)
}

func TestAShadowsMistakesAreNamed(t *testing.T) {
	for config, says := range map[string]string{
		"sampling: {shadow: {}}": "sampling::shadow: rules or budget must be set",
		"sampling: {shadow: {rules: [{name: a, keep: 1%}, {name: a, keep: 2%}]}}":     "rules",
		"sampling: {shadow: {rules: [{name: a}]}}":                                    "keep must be set",
		"sampling: {shadow: {budget: {}}}":                                            "spans_per_second",
		"sampling: {shadow: {rules: [{name: a, when: {journey: none}, keep: 1%}]}}":   `sampling::shadow::rules::0::when::journey: no journey is named "none"`,
		"sampling: {shadow: {rules: [{name: a, keep: 1%}], shadow: {budget: {}}}}":    "shadow",
		"sampling: {shadow: {rules: [{name: a, when: {outcome: maybe}, keep: 10%}]}}": "maybe",
	} {
		_, err := load(config)
		require.ErrorContains(t, err, says, config)
	}
}
