package journeyprocessor

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/metadata"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

// TestTheLedgerHasTheLatestDecisions enters decisions at random, some about
// the same traces, beside a plain list.
func TestTheLedgerHasTheLatestDecisions(t *testing.T) {
	for _, size := range []int{0, 1, 7, 100} {
		rnd := newRandom(t)
		const shards = 3
		l := newLedger(size*shards, shards)
		lists := make([][]journey.Decision, shards) // latest first
		var all []journey.Decision
		for i := range 1000 {
			tr := &trace{id: traceID(fmt.Sprint(rnd.IntN(200))), facts: new(facts.Facts)}
			at := epoch.Add(time.Duration(i) * time.Second)
			d := policy.Decision{Journey: fmt.Sprint("journey ", i), Kept: i%2 == 0}
			shard := shardOf(tr.id, shards)
			l.parts[shard].add(tr, &d, "", at)
			want := journey.Decision{TraceID: tr.id, At: at, Journey: d.Journey, Kept: d.Kept, Outcome: "ok"}
			if rnd.IntN(3) == 0 {
				l.parts[shard].late(tr.id, 2)
				want.LateSpans = 2
			}
			lists[shard] = append([]journey.Decision{want}, lists[shard]...)
			lists[shard] = lists[shard][:min(size, len(lists[shard]))]

			all = append([]journey.Decision{}, slices.Concat(lists...)...)
			slices.SortFunc(all, func(a, b journey.Decision) int { return b.At.Compare(a.At) })
			n := rnd.IntN(size*shards + 3)
			require.Equal(t, all[:min(n, len(all))], append([]journey.Decision{}, l.Recent(n)...))
			asked := traceID(fmt.Sprint(rnd.IntN(250)))
			got, ok := l.Lookup(asked)
			place := slices.IndexFunc(all, func(d journey.Decision) bool { return d.TraceID == asked })
			require.Equal(t, place >= 0, ok)
			if ok {
				require.Equal(t, all[place], got)
			}
		}
		require.Nil(t, l.Recent(0))
		require.Nil(t, l.Recent(-1))
	}
}

// hugeTrace is a decided trace of which everything that a stranger can make
// long is.
func hugeTrace(i int) (*trace, *policy.Decision) {
	text := func(n int) string { return strings.Repeat(string(rune('a'+i%26)), n) + fmt.Sprint(i) }
	tr := &trace{id: traceID(fmt.Sprint(i)), facts: new(facts.Facts)}
	for service := range 100 {
		span := ptrace.NewSpan()
		span.SetName(text(1 << 12))
		r := facts.NewResource(fmt.Sprint(service, text(1<<12)), false, false)
		tr.facts.Add(&r, span)
	}
	return tr, &policy.Decision{
		Journey: tr.facts.Root().Service + " " + tr.facts.Root().Name, Reason: text(1 << 12), Why: text(600),
	}
}

// usualTrace is one of five services.
func usualTrace(i int) (*trace, *policy.Decision) {
	tr := &trace{id: traceID(fmt.Sprint(i)), facts: new(facts.Facts)}
	for service := range 5 {
		span := ptrace.NewSpan()
		span.SetName(fmt.Sprint("POST /api/checkout/", i))
		r := facts.NewResource(fmt.Sprint("service-", service), false, false)
		tr.facts.Add(&r, span)
	}
	return tr, &policy.Decision{Journey: tr.facts.Root().Service + " " + tr.facts.Root().Name, Reason: "rule keeps 10%"}
}

// TestSizeOfALedgerEntry holds what the README promises against the heap.
func TestSizeOfALedgerEntry(t *testing.T) {
	for _, test := range []struct {
		what string
		make func(int) (*trace, *policy.Decision)
		most int64
	}{{"usual", usualTrace, 1000}, {"huge", hugeTrace, 4 << 10}} {
		t.Run(test.what, func(t *testing.T) {
			const size = 2000
			before := heap()
			l := newLedger(size, 1)
			for i := range 2 * size {
				tr, d := test.make(i)
				l.parts[0].add(tr, d, earlyMemory, epoch)
			}
			each := (heap() - before) / size
			t.Logf("%d bytes each", each)
			require.Less(t, each, test.most)
			runtime.KeepAlive(l)
		})
	}
}

func TestALongPathIsCutInTheLedger(t *testing.T) {
	tr, d := hugeTrace(1)
	l := newLedger(1, 1)
	l.parts[0].add(tr, d, "", epoch)
	got, ok := l.Lookup(tr.id)
	require.True(t, ok)
	require.NotEmpty(t, got.Path)
	require.LessOrEqual(t, len(strings.Join(got.Path, "")), maxLedgerPathText)
	require.Len(t, got.Reason, maxLedgerReason)
}

// TestLookingUpWhileDeciding is for the race detector.
func TestLookingUpWhileDeciding(t *testing.T) {
	h := start(t, "{completion: {quiet: 1ms, missing_wait: 1ms, message_wait: 1ms, max_wait: 1ms}, decisions: {ledger: 50}}")
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				for _, d := range h.ledger().Recent(20) {
					if got, ok := h.ledger().Lookup(d.TraceID); ok && got.Journey != "gateway GET /" {
						t.Errorf("got %+v", got)
					}
				}
			}
		}
	})
	for i := range 500 {
		require.NoError(t, h.traces.ConsumeTraces(t.Context(), batch([]span{{Trace: fmt.Sprint(i), ID: 1, Name: "GET /"}})))
	}
	h.stop()
	close(done)
	wg.Wait()
	require.Len(t, h.ledger().Recent(1000), 50)
}

// TestDurationsAreInSeconds: and in the bucket they belong to.
func TestDurationsAreInSeconds(t *testing.T) {
	inBubble(t, "{completion: {quiet: 1s}, sampling: {rules: [{name: none, keep: 0%}]}}", func(t *testing.T, h *harness) {
		h.send(span{Trace: "a", ID: 1, Name: "GET /", Took: 20 * time.Minute}, span{Trace: "b", ID: 1, Name: "GET /", Took: 7 * time.Millisecond})
		h.wait(2 * time.Second)
		m, err := h.telemetry.GetMetric("otelcol_processor_journey_duration")
		require.NoError(t, err)
		points := m.Data.(metricdata.Histogram[float64]).DataPoints
		require.Len(t, points, 1)
		require.Equal(t, "s", m.Unit)
		require.InDelta(t, 1200.007, points[0].Sum, 1e-9)
		last := len(points[0].Bounds) - 1
		require.Equal(t, []float64{0.005, 1800}, []float64{points[0].Bounds[0], points[0].Bounds[last]})
		require.Equal(t, []uint64{1, 1}, []uint64{points[0].BucketCounts[1], points[0].BucketCounts[last]})
	})
}

// TestSeriesAreCapped: a stranger that makes names cannot bring the metrics to
// where the SDK stops to tell anything apart.
func TestSeriesAreCapped(t *testing.T) {
	inBubble(t, "{completion: {quiet: 1s}, telemetry: {max_journeys: 100000}}", func(t *testing.T, h *harness) {
		const journeys = 3000
		var spans []span
		for i := range journeys {
			spans = append(spans, span{Trace: fmt.Sprint(i), ID: 1, Name: fmt.Sprint("GET /", i)})
		}
		h.send(spans...)
		h.wait(3 * time.Second)
		require.Equal(t, int64(journeys), h.value("processor_journey_journeys", "rule", "no rule"), "none is in the SDK's overflow")
		require.Equal(t, int64(journeys-maxSeries), h.value("processor_journey_journeys", "journey", otherJourneys))
		require.Equal(t, int64(journeys), h.value("processor_journey_duration", "outcome", "ok"))
	})
}

// BenchmarkDecision asks what telling about a decision costs: metrics, with a
// real SDK behind them, and the ledger. A usual journey has fifteen spans.
func BenchmarkDecision(b *testing.B) {
	for _, ledger := range []int{0, 10_000} {
		b.Run(fmt.Sprint("ledger=", ledger), func(b *testing.B) {
			c, err := load(fmt.Sprintf("{decisions: {ledger: %d}}", ledger))
			require.NoError(b, err)
			telemetry := componenttest.NewTelemetry()
			settings := processortest.NewNopSettings(metadata.Type)
			settings.TelemetrySettings = telemetry.NewTelemetrySettings()
			e, err := newEngine(settings.ID, settings.TelemetrySettings, c)
			require.NoError(b, err)
			require.NoError(b, e.setTraces(consumertest.NewNop()))
			s := newShard(e, 0)
			tr, d := usualTrace(1)
			d.Rule, d.Kept = "the rest", true
			now := time.Now()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				tr.id[0], tr.id[1], tr.id[2] = byte(i), byte(i>>8), byte(i>>16)
				s.counts.add(d, 15, 6000, uint64(i%1000)*1e6)
				s.ledger.add(tr, d, "", now)
				if i%20 == 0 {
					s.counts.flush()
				}
			}
		})
	}
}
