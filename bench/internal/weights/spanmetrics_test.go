// Package weights checks that others count right behind the journey processor.
package weights

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/spanmetricsconnector"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor"
)

// chain is a journey processor and contrib's spanmetrics connector behind it.
type chain struct {
	t          *testing.T
	rnd        *rand.Rand
	components []component.Component // in the order in which they are stopped
	in         consumer.Traces
	out        *consumertest.MetricsSink

	sent map[string]float64 // spans by name

	mu       sync.Mutex         // guards what is below: batches leave side by side
	kept     map[string]float64 // spans by name
	variance map[string]float64 // of an estimate of sent
}

func start(t *testing.T, seed uint64, journey map[string]any) *chain {
	c := &chain{
		t: t, rnd: rand.New(rand.NewPCG(seed, 3)), out: &consumertest.MetricsSink{},
		sent: map[string]float64{}, kept: map[string]float64{}, variance: map[string]float64{},
	}
	metrics := spanmetricsconnector.NewFactory()
	config := metrics.CreateDefaultConfig()
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"metrics_flush_interval": "1s"}).Unmarshal(config))
	counting, err := metrics.CreateTracesToMetrics(t.Context(), connectortest.NewNopSettings(metrics.Type()), config, c.out)
	require.NoError(t, err)

	journeys := journeyprocessor.NewFactory()
	config = journeys.CreateDefaultConfig()
	require.NoError(t, confmap.NewFromStringMap(journey).Unmarshal(config))
	require.NoError(t, confmap.Validate(config))
	between, err := consumer.NewTraces(func(ctx context.Context, td ptrace.Traces) error {
		c.watch(td)
		return counting.ConsumeTraces(ctx, td)
	})
	require.NoError(t, err)
	keeping, err := journeys.CreateTraces(t.Context(), processortest.NewNopSettings(journeys.Type()), config, between)
	require.NoError(t, err)
	c.in, c.components = keeping, []component.Component{keeping, counting}
	for _, started := range c.components {
		require.NoError(t, started.Start(t.Context(), componenttest.NewNopHost()))
	}
	return c
}

// watch counts what is kept. Each trace has one span of a name, so that the
// variance of the estimate is the sum of w(w-1) over the weights, and as much
// as 1/4 more, because the connector rounds weights to whole numbers by chance.
func (c *chain) watch(td ptrace.Traces) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				state, err := sampling.NewW3CTraceState(s.TraceState().AsRaw())
				require.NoError(c.t, err)
				w := state.OTelValue().AdjustedCount()
				c.kept[s.Name()]++
				c.variance[s.Name()] += w*(w-1) + 0.25
			}
		}
	}
}

func (c *chain) send(traces int) {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "shop")
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	for range traces {
		var id pcommon.TraceID
		binary.BigEndian.PutUint64(id[:8], c.rnd.Uint64())
		binary.BigEndian.PutUint64(id[8:], c.rnd.Uint64())
		for i, name := range [][]string{{"checkout", "charge", "reserve"}, {"search", "find"}, {"search", "find"}}[c.rnd.IntN(3)] {
			s := spans.AppendEmpty()
			s.SetTraceID(id)
			s.SetSpanID(pcommon.SpanID{7: byte(i + 1)})
			s.SetParentSpanID(pcommon.SpanID{7: byte(min(i, 1))})
			s.SetName(name)
			s.SetKind(ptrace.SpanKindServer)
			c.sent[name]++
		}
	}
	require.NoError(c.t, c.in.ConsumeTraces(c.t.Context(), td))
}

// calls stops everything and returns what the connector has counted, by span
// name.
func (c *chain) calls() map[string]float64 {
	for _, started := range c.components {
		require.NoError(c.t, started.Shutdown(c.t.Context()))
	}
	// The counters are cumulative: the last flush has it all.
	all := c.out.AllMetrics()
	calls := map[string]float64{}
	for _, rm := range all[len(all)-1].ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			addCalls(sm.Metrics(), calls)
		}
	}
	return calls
}

func addCalls(metrics pmetric.MetricSlice, calls map[string]float64) {
	for _, m := range metrics.All() {
		if m.Name() != "traces.span.metrics.calls" {
			continue
		}
		for _, p := range m.Sum().DataPoints().All() {
			name, _ := p.Attributes().Get("span.name")
			calls[name.Str()] += float64(p.IntValue())
		}
	}
}

// TestSpanmetricsCountsWhatThereWas: rules keep half of one journey and a tenth
// of the rest, and over a burst a budget thins that further; the connector
// behind them counts the calls that there were before.
//
// Of right counts 95 % lie within two standard errors. Of the 24 samples that
// do not depend on each other (12 seeds, 2 journeys) at least 18 must, which
// right counts miss with a probability of 2e-4 if seeds are drawn at random;
// these are fixed, and only the order in which shards ask the budget, and the
// connector's rounding, are left to chance. Counts without weights are off by
// dozens of standard errors.
func TestSpanmetricsCountsWhatThereWas(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	t.Logf("seeds %v", seeds)
	rules := []any{
		map[string]any{"name": "searches", "when": map[string]any{"match": map[string]any{"span": "search"}}, "keep": "10%"},
		map[string]any{"name": "the rest", "keep": "50%"},
	}
	for name, samples := range map[string]map[string]any{
		"rules":              {"rules": rules},
		"rules and a budget": {"rules": rules, "budget": map[string]any{"spans_per_second": 150.}},
	} {
		t.Run(name, func(t *testing.T) {
			n, within, sent, kept := 0, 0, 0., 0.
			for _, seed := range seeds {
				synctest.Test(t, func(t *testing.T) {
					c := start(t, seed, map[string]any{"completion": map[string]any{"quiet": "1s"}, "sampling": samples})
					for tick := range 100 {
						c.send(8 + 32*(tick/40%2)) // 80 a second, and five times as many from the 4th second to the 8th
						time.Sleep(100 * time.Millisecond)
					}
					time.Sleep(3 * time.Second)
					for span, calls := range c.calls() {
						n++
						sent, kept = sent+c.sent[span], kept+c.kept[span]
						if math.Abs(calls-c.sent[span]) <= 2*math.Sqrt(c.variance[span]) {
							within++
						}
					}
				})
			}
			t.Logf("%.0f of %.0f spans kept, %d of %d counts within 2 standard errors", kept, sent, within, n)
			require.Equal(t, 5*len(seeds), n)
			require.GreaterOrEqual(t, within, n*18/24)
			require.Less(t, kept, sent/3)
		})
	}
}
