package e2e

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// What the page and its API say of times and money, held against every span
// that was sent.

// requireQuantile asks that a quantile is that of the durations, in ns, by no
// more than the stated error of a sketch and the last digit that is shown.
func requireQuantile(t *testing.T, q float64, durations []int64, got *float64, what ...any) {
	t.Helper()
	if len(durations) == 0 {
		require.Nil(t, got, what...)
		return
	}
	require.NotNil(t, got, what...)
	sorted := slices.Sorted(slices.Values(durations))
	exact := float64(sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]) / 1e6
	require.InDelta(t, exact, *got, journey.SketchError*exact+0.0005, what...)
}

// requireShare asks for a share as exact as it is shown; null of nothing.
func requireShare(t *testing.T, part, of int, got *float64, what ...any) {
	t.Helper()
	if of == 0 {
		require.Nil(t, got, what...)
		return
	}
	require.NotNil(t, got, what...)
	require.InDelta(t, float64(part)/float64(of), *got, 0.5e-6, what...)
}

func requireRate(t *testing.T, count int, seconds, perMinute float64, what ...any) {
	t.Helper()
	require.InDelta(t, float64(count)*60/seconds, perMinute, 0.0005, what...)
}

// requireDurations compares what the table says of one journey.
func (f *facts) requireDurations(t *testing.T, row *apiRow, seconds float64) {
	t.Helper()
	durations := f.durations()
	requireQuantile(t, 0.5, durations, row.P50, "p50")
	requireQuantile(t, 0.95, durations, row.P95, "p95")
	requireQuantile(t, 0.99, durations, row.P99, "p99")
	spans, bytes := f.volume()
	require.Equal(t, spans, row.Spans, "spans")
	require.Equal(t, bytes, row.Bytes, "bytes")
	requireShare(t, row.Kept, row.Count, row.KeptShare, "kept")
	requireShare(t, row.Errors, row.Count, row.ErrorShare, "errors")
	requireRate(t, row.Count, seconds, row.PerMinute)
}

// is says which spans an edge is made of: calls are timed by who was called, or,
// if nobody says, by who called; waits are times in a queue.
type is struct{ calls, waits func(*heardSpan) bool }

func served(service string, kind ptrace.SpanKind) func(*heardSpan) bool {
	return func(s *heardSpan) bool { return s.service == service && s.Kind() == kind }
}

// asked is a call to somebody who sends no spans, named by an attribute.
func asked(service string, attributes ...string) is {
	return is{calls: func(s *heardSpan) bool {
		for _, one := range attributes {
			if key, value, _ := strings.Cut(one, "="); s.text(key) != value {
				return false
			}
		}
		return s.service == service && s.Kind() == ptrace.SpanKindClient
	}}
}

// waited is a delivery from a queue of a message that was put there by somebody
// ("") or by another queue, which gave it up.
func waited(queue, from string) is {
	return is{waits: func(s *heardSpan) bool {
		deaths := s.texts("amqp.dead_letter.queues")
		if s.service != "rabbitmq" || s.text("amqp.queue") != queue || s.text("amqp.time_in_queue_ms") == "" {
			return false
		}
		return from == "" && len(deaths) == 0 || len(deaths) > 0 && deaths[0] == from
	}}
}

const (
	kindServer   = ptrace.SpanKindServer
	kindConsumer = ptrace.SpanKindConsumer
)

// shopEdges says what each edge of shopFlows is made of.
var shopEdges = map[string]is{
	"user -http-> gateway":                {calls: served("gateway", kindServer)},
	"user -http-> stock":                  {calls: served("stock", kindServer)},
	"gateway -grpc-> checkout":            {calls: served("checkout", kindServer)},
	"gateway -http-> orders":              {calls: served("orders", kindServer)},
	"gateway -http-> users":               {calls: served("users", kindServer)},
	"orders -http-> users":                {calls: served("users", kindServer)},
	"stock-queue -amqp-> stock":           {calls: served("stock", kindConsumer)},
	"restock-queue -amqp-> stock":         {calls: served("stock", kindConsumer)},
	"gateway -db-> redis 1":               asked("gateway", "db.system.name=redis", "db.namespace=1"),
	"checkout -db-> redis 0":              asked("checkout", "db.system.name=redis", "db.namespace=0"),
	"orders -db-> redis 2":                asked("orders", "db.system.name=redis", "db.namespace=2"),
	"checkout -db-> checkout":             asked("checkout", "db.namespace=checkout"),
	"orders -db-> orders":                 asked("orders", "db.namespace=orders"),
	"users -db-> users":                   asked("users", "db.namespace=users"),
	"stock -db-> stock":                   asked("stock", "db.namespace=stock"),
	"checkout -http-> payments.example":   asked("checkout", "server.address=payments.example"),
	"checkout -amqp-> mailer-queue":       waited("mailer-queue", ""),
	"checkout -amqp-> stock-queue":        waited("stock-queue", ""),
	"stock -amqp-> stock-retry":           waited("stock-retry", ""),
	"stock-retry -amqp-> stock-queue":     waited("stock-queue", "stock-retry"),
	"stock -amqp-> restock-delay":         waited("restock-delay", ""),
	"restock-delay -amqp-> restock-queue": waited("restock-queue", "restock-delay"),
}

// requireEdges compares every figure of a journey's map.
func (f *facts) requireEdges(t *testing.T, one *apiJourney) {
	t.Helper()
	at := map[string][]*heardSpan{} // what reached each node
	waits := 0
	for name, edge := range one.named() {
		made, known := shopEdges[name]
		require.True(t, known, name)
		calls, waited := f.where(made.calls), f.where(made.waits)
		if made.calls != nil {
			require.Equal(t, [2]int{len(calls), failuresOf(calls)}, [2]int{edge.Count, edge.Errors}, "%s: calls and errors", name)
			at[edge.To] = append(at[edge.To], calls...)
		}
		requireShare(t, edge.Errors, edge.Count, edge.ErrorShare, name)
		requireRate(t, edge.Count, one.Window.Seconds, edge.PerMinute, name)
		requireQuantile(t, 0.5, nanosecondsOf(calls), edge.P50, name+": p50")
		requireQuantile(t, 0.95, nanosecondsOf(calls), edge.P95, name+": p95")
		requireQuantile(t, 0.5, nanosecondsOf(waited), edge.WaitP50, name+": p50 in the queue")
		requireQuantile(t, 0.95, nanosecondsOf(waited), edge.WaitP95, name+": p95 in the queue")
		waits += len(waited)
	}
	require.Len(t, f.where(func(s *heardSpan) bool { return s.text("amqp.time_in_queue_ms") != "" }), waits, "all times in queues are on the map")
	for _, node := range one.Flow.Nodes {
		if node.Kind == "queue" || node.Kind == "user" {
			continue
		}
		reached := at[node.ID]
		require.Equal(t, [2]int{len(reached), failuresOf(reached)}, [2]int{node.Count, node.Errors}, "%s: calls and errors", node.Name)
		requireQuantile(t, 0.95, nanosecondsOf(reached), node.P95, node.Name)
	}
}

// requirePaths compares the shapes of a journey's ways with the services whose
// spans there were.
func (f *facts) requirePaths(t *testing.T, one *apiJourney) {
	t.Helper()
	type way struct {
		durations []int64
		kept      int
	}
	ways := map[string]*way{}
	durations := f.durations()
	for i, trace := range f.traces {
		services := map[string]bool{}
		for _, s := range trace {
			services[s.service] = true
		}
		name := wayOf(services)
		if ways[name] == nil {
			ways[name] = &way{}
		}
		ways[name].durations = append(ways[name].durations, durations[i])
		if f.stored[i] {
			ways[name].kept++
		}
	}
	require.Len(t, one.Paths, len(ways))
	for _, path := range one.Paths {
		services := map[string]bool{}
		for _, s := range path.Services {
			services[s] = true
		}
		w := ways[wayOf(services)]
		require.NotNil(t, w, "%v of %v", path.Services, ways)
		require.Equal(t, [2]int{len(w.durations), w.kept}, [2]int{path.Count, path.Kept}, "%v: journeys and kept", path.Services)
		requireShare(t, path.Count, one.Row.Count, path.Share, path.Services)
		requireQuantile(t, 0.95, w.durations, path.P95, path.Services)
	}
}

func wayOf(services map[string]bool) string {
	var names []string
	for name := range services {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// shopPrices are other than the published ones, so that both count.
const (
	perGB, perMillionSpans = 0.75, 120.0
	shopPrices             = "extensions: {journeys: {prices: {currency: EUR, per_gb: 0.75, per_million_spans: 120}}}\n"
)

func (p *parts) setPrices(t *testing.T) {
	t.Helper()
	overlay := filepath.Join(p.dir, "prices.yaml")
	require.NoError(t, os.WriteFile(overlay, []byte(shopPrices), 0o600))
	p.configs = append(p.configs, overlay)
}

// perMonth is what so much costs a month, if it goes on as it did for so long.
func perMonth(spans, bytes int, seconds float64) float64 {
	const monthSeconds = 365.25 * 24 * 3600 / 12
	return (perGB*float64(bytes)/1e9 + perMillionSpans*float64(spans)/1e6) * monthSeconds / seconds
}

// requireMoney waits for the minute that a month is concluded from and compares
// all amounts, to the cent. Began is when the collector was started, at the
// earliest and at the latest.
func (p *parts) requireMoney(t *testing.T, h *heard, journeys []journeyTruth, began [2]time.Time) {
	t.Helper()
	spans, bytes := h.of(t, p, journeys, "").volume()
	var overview apiOverview
	eventually(t, "a month can be concluded", func() error {
		require.NoError(t, p.api("/api/v1/overview", &overview))
		if overview.Money.Saved == nil {
			require.Less(t, overview.Window.Seconds, 60.0)
			return fmt.Errorf("%.1f s are covered", overview.Window.Seconds)
		}
		return nil
	})
	seconds := overview.Window.Seconds
	require.WithinRange(t, overview.Window.From, began[0], began[1], "a window does not begin before there was anybody to count")
	require.InDelta(t, overview.Window.To.Sub(overview.Window.From).Seconds(), seconds, 1e-6)
	require.Equal(t, "EUR", overview.Money.Currency)
	for amount, want := range map[*float64]float64{
		overview.Money.Received: perMonth(spans.Received, bytes.Received, seconds),
		overview.Money.Stored:   perMonth(spans.Stored, bytes.Stored, seconds),
		overview.Money.Saved:    perMonth(spans.Received-spans.Stored, bytes.Received-bytes.Stored, seconds),
	} {
		require.InDelta(t, want, *amount, 0.0051)
	}
	var table apiTable
	require.NoError(t, p.api("/api/v1/journeys", &table))
	sum := 0.0
	for _, row := range table.Rows {
		spans, bytes := h.of(t, p, journeys, row.Name).volume()
		want := perMonth(spans.Received-spans.Stored, bytes.Received-bytes.Stored, table.Window.Seconds)
		require.InDelta(t, want, *row.Saved, 0.0051, row.Name)
		sum += *row.Saved
	}
	require.InDelta(t, perMonth(spans.Received-spans.Stored, bytes.Received-bytes.Stored, table.Window.Seconds), sum, 0.02)
	require.Greater(t, math.Abs(sum), 1.0, "an amount that a wrong price would change")
}
