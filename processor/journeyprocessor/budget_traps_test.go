package journeyprocessor

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/metadata"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

// stream sends, for so long, as many traces of one span per second of each
// name, and returns how many were kept of each in the second half of the time.
func (h *harness) stream(d time.Duration, perSecond map[string]int) map[string]float64 {
	h.t.Helper()
	rnd := rand.New(rand.NewPCG(17, 4))
	kept, begun := map[string]float64{}, time.Now()
	h.sink.choose(func(td ptrace.Traces) error {
		for _, rs := range td.ResourceSpans().All() {
			for _, s := range rs.ScopeSpans().At(0).Spans().All() {
				if time.Since(begun) >= d/2 {
					kept[s.Name()]++
				}
			}
		}
		return nil
	})
	for i := range int(d / tick) {
		td := ptrace.NewTraces()
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr(serviceName, "shop")
		spans := rs.ScopeSpans().AppendEmpty().Spans()
		for name, n := range perSecond {
			for range (i+1)*n/10 - i*n/10 {
				s := spans.AppendEmpty()
				span{ID: 1, Name: name}.fill(s)
				s.SetTraceID(randomTraceID(rnd))
				if strings.HasPrefix(name, "failed") {
					s.Status().SetCode(ptrace.StatusCodeError)
				}
			}
		}
		require.NoError(h.t, h.traces.ConsumeTraces(h.t.Context(), td))
		h.wait(tick)
	}
	h.sink.choose(nil)
	return kept
}

// TestNothingOfTheBudgetIsLost: traps of limits that are divided between rules
// beforehand, or that are charged for what another rule keeps anyway.
func TestNothingOfTheBudgetIsLost(t *testing.T) {
	const seconds = 30.0
	const rules = "rules: [{name: failed, when: {outcome: error}, keep: 100%}, {name: checkout, when: {journey: shop checkout}, keep: 50%}, {name: the rest, keep: 50%}]"
	for _, test := range []struct {
		name      string
		sampling  string
		perSecond map[string]int
		want      map[string]float64 // per second
	}{
		{
			// rate_limiting of 50 beside a rule that keeps errors let 27 of the
			// others through in place of 50.
			"what a keep rule keeps is charged once", rules + ", budget: {spans_per_second: 100}",
			map[string]int{"failed": 50, "other": 400},
			map[string]float64{"failed": 50, "other": 50},
		},
		{
			// opentelemetry-collector-contrib #35971
			"a rule that does not use its part leaves it to the others", rules + ", budget: {spans_per_second: 100}",
			map[string]int{"checkout": 20, "other": 400},
			map[string]float64{"checkout": 10, "other": 90},
		},
		{
			// opentelemetry-collector-contrib #36959
			"what one rule may not keep any more is not lost to the next", rules + ", budget: {spans_per_second: 100}",
			map[string]int{"failed": 20, "checkout": 400, "other": 10},
			map[string]float64{"failed": 20, "checkout": 80},
		},
		{
			"a busy journey does not starve a quiet one", "budget: {spans_per_second: 100}",
			map[string]int{"busy": 600, "middle": 60, "quiet": 10},
			map[string]float64{"busy": 45, "middle": 45, "quiet": 10},
		},
		{
			"must-keeps win", rules + ", budget: {spans_per_second: 100}",
			map[string]int{"failed": 150, "checkout": 100},
			map[string]float64{"failed": 150},
		},
		{
			"must-keeps stay within", rules + ", budget: {spans_per_second: 100, must_keep: within}",
			map[string]int{"failed": 150, "checkout": 100},
			map[string]float64{"failed": 100},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, "{completion: {quiet: 1s}, sampling: {"+test.sampling+"}}", func(t *testing.T, h *harness) {
				kept := h.stream(2*seconds*time.Second, test.perSecond)
				total := 0.0
				for name, n := range kept {
					t.Logf("%s: %.1f", name, n/seconds)
					total += n / seconds
					require.InDelta(t, test.want[name], n/seconds, 6, name)
				}
				require.InDelta(t, max(100, test.want["failed"]), total, 3, "in all")
				exceeded := test.want["failed"] > 100
				require.Equal(t, exceeded, h.number("processor_journey_budget_exceeded") > 0)
			})
		})
	}
}

// number returns a metric of floats, summed over its attributes.
func (h *harness) number(name string) float64 {
	h.t.Helper()
	m, err := h.telemetry.GetMetric("otelcol_" + name)
	require.NoError(h.t, err)
	sum := 0.0
	switch data := m.Data.(type) {
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			sum += p.Value
		}
	case metricdata.Sum[float64]:
		for _, p := range data.DataPoints {
			sum += p.Value
		}
	default:
		require.Fail(h.t, "not floats", "%T", data)
	}
	return sum
}

// TestBytesAreThoseThatLeave: with their resources and with what is written on
// them. And what comes late, and log records that are kept anyway, count.
func TestBytesAreThoseThatLeave(t *testing.T) {
	const perSecond = 20_000.0 // 1.728 GB a day
	inBubble(t, "{completion: {quiet: 1s}, sampling: {budget: {bytes_per_day: 1.728GB}}}", func(t *testing.T, h *harness) {
		c, flow := newCrowd(5, h), h.watch()
		for range 700 {
			c.send(30)
			h.wait(tick)
		}
		h.sink.choose(nil)
		least, most := extremes(flow.bytes, 5*time.Second, perSecond)
		t.Logf("between %.1f %% and %.1f %%", 100*least, 100*most)
		require.GreaterOrEqual(t, least, 0.97)
		require.LessOrEqual(t, most, 1.03)
		require.InEpsilon(t, perSecond, h.number("processor_journey_budget_limit"), 1e-9)
		require.InEpsilon(t, perSecond, h.number("processor_journey_budget_rate"), 0.15)
	})
}

// TestWhatFollowsIsCharged: late spans and log records that leave at once take
// from what there is for others.
func TestWhatFollowsIsCharged(t *testing.T) {
	inBubble(t, "{completion: {quiet: 1s}, sampling: {budget: {money_per_month: 2629.8, price_per_million_spans: 1000000, price_per_gb: 0.001}}}", func(t *testing.T, h *harness) {
		h.send(span{Trace: "a", ID: 1, Name: "GET /"})
		h.wait(2 * time.Second)
		one := h.number("processor_journey_budget_spent")
		require.InEpsilon(t, 1, one, 0.01, "a span costs 1")
		h.send(span{Trace: "a", ID: 2, Parent: 1, Name: "late"}, span{Trace: "a", ID: 3, Parent: 1, Name: "late"})
		require.InEpsilon(t, 3, h.number("processor_journey_budget_spent"), 0.01)
		h.sendLogs(record{Severity: "ERROR", Body: strings.Repeat("x", 1000)})
		logs := h.number("processor_journey_budget_spent") - 3
		require.Greater(t, logs, 1e-9)
		require.Less(t, logs, 0.01)
	})
}

// TestALateErrorIsChargedAndDoesNotGoAroundTheBudget: what comes back for a
// late error counts; what the budget itself has thinned does not come back.
func TestALateErrorIsChargedAndDoesNotGoAroundTheBudget(t *testing.T) {
	for _, test := range []struct {
		rules string
		kept  int
	}{
		{"[{name: failed, when: {outcome: error}, keep: 100%}, {name: half, keep: 50%}]", 3},
		{"[]", 0},
	} {
		inBubble(t, "{completion: {quiet: 1s}, sampling: {rules: "+test.rules+", budget: {spans_per_second: 1}}}", func(t *testing.T, h *harness) {
			for i := range 20 {
				h.send(span{Trace: fmt.Sprint("lucky ", i), ID: 1, Name: "GET /"}) // more than there is room for
			}
			h.wait(2 * time.Second)
			h.send(span{Trace: "unlucky", ID: 1, Name: "GET /"}, span{Trace: "unlucky", ID: 2, Parent: 1, Name: "call"})
			h.wait(2 * time.Second)
			require.Empty(t, h.sink.of("unlucky"))
			spent := h.number("processor_journey_budget_spent")
			h.send(span{Trace: "unlucky", ID: 3, Parent: 1, Name: "late", Error: "broken"})
			require.Len(t, h.sink.of("unlucky"), test.kept)
			require.InDelta(t, spent+float64(test.kept), h.number("processor_journey_budget_spent"), 1e-9)
		})
	}
}

// TestARestartDropsNothingThatTheBudgetHasRoomFor: what waits at shutdown is
// decided at once, but counts as if it had come out one after the other.
func TestARestartDropsNothingThatTheBudgetHasRoomFor(t *testing.T) {
	for _, test := range []struct {
		perSecond   int
		least, most float64
	}{{80, 1, 1}, {400, 0.2, 0.35}} {
		inBubble(t, "{completion: {quiet: 10s}, sampling: {budget: {spans_per_second: 100}}}", func(t *testing.T, h *harness) {
			h.stream(9*time.Second, map[string]int{"waits": test.perSecond})
			require.Empty(t, h.sink.all())
			h.stop()
			share := float64(len(h.sink.all())) / float64(9*test.perSecond)
			require.GreaterOrEqual(t, share, test.least)
			require.LessOrEqual(t, share, test.most)
		})
	}
}

// TestWhatWasReallyUsedIsSaid: reason, probability and tracestate agree.
func TestWhatWasReallyUsedIsSaid(t *testing.T) {
	inBubble(t, "{completion: {quiet: 1s}, sampling: {rules: [{name: half, keep: 50%}], budget: {spans_per_second: 100}}}", func(t *testing.T, h *harness) {
		h.stream(20*time.Second, map[string]int{"GET /": 2000})
		require.InDelta(t, 0.05, h.number("processor_journey_budget_probability")-1, 0.03, "of the rule; 1 is that of what no rule matches")
		h.wait(3 * time.Second)
		thinned := 0
		for _, s := range h.sink.all() {
			reason, _ := s.Attributes().Get(attrReason)
			p, _ := s.Attributes().Get(attrProbability)
			w3c, err := sampling.NewW3CTraceState(s.TraceState().AsRaw())
			require.NoError(t, err)
			require.InEpsilon(t, 1/p.Double(), w3c.OTelValue().AdjustedCount(), 1e-6)
			if p.Double() == 0.5 {
				require.Equal(t, "rule keeps 50%", reason.Str())
				continue
			}
			thinned++
			var said float64
			_, err = fmt.Sscanf(reason.Str(), "rule keeps 50%%, thinned to %g%% by the budget", &said)
			require.NoError(t, err, reason.Str())
			require.InEpsilon(t, 100*p.Double(), said, 0.01)
		}
		require.Greater(t, thinned, 1000)
	})
}

// TestOverloadThinsRulesThatDoNotKeepAll, and the budget is then asked about
// what is left of them.
func TestOverloadThinsRulesThatDoNotKeepAll(t *testing.T) {
	config, err := load("{sampling: {rules: [{name: failed, when: {outcome: error}, keep: 100%}, {name: fifth, keep: 20%}], budget: {spans_per_second: 1000}}}")
	require.NoError(t, err)
	e, err := newEngine(component.NewID(metadata.Type), componenttest.NewNopTelemetrySettings(), config)
	require.NoError(t, err)
	e.store.buffer.level.Store(int32(thinning))
	e.store.buffer.used.Store(e.store.buffer.limit) // thinnest
	lucky := &trace{id: traceID("lucky"), facts: new(facts.Facts)}
	lucky.spans.count, lucky.facts.Spans = 3, 3

	d := e.policy.Decide(lucky.id, lucky.facts, policy.Waited, e.learned, time.Now())
	e.thinner.thin(lucky, &d, time.Now())
	require.InEpsilon(t, 0.2*thinnest, d.Probability, 1e-4)
	require.Equal(t, "rule keeps 20%, thinned to 1.25% by overload", d.Reason)
	require.True(t, d.Kept)

	unlucky := &trace{id: traceID("unlucky"), facts: new(facts.Facts)}
	d = policy.Decision{Kept: true, MustKeep: true, Rule: "failed", Threshold: sampling.AlwaysSampleThreshold, Probability: 1}
	e.thinner.thin(unlucky, &d, time.Now())
	require.True(t, d.Kept)
	require.InEpsilon(t, 1.0, d.Probability, 0)
}
