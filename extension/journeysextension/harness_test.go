package journeysextension

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/metadata"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// harness is an extension whose handler is called without a network.
type harness struct {
	*journeysExtension
	t         testing.TB
	handler   http.Handler
	telemetry *componenttest.Telemetry
}

func newHarness(t testing.TB, change func(*Config)) *harness {
	t.Helper()
	config := createDefaultConfig().(*Config)
	config.TraceLink = "http://localhost:16686/trace/{trace_id}"
	if change != nil {
		change(config)
	}
	h := &harness{t: t, telemetry: componenttest.NewTelemetry()}
	settings := extensiontest.NewNopSettings(metadata.Type)
	settings.TelemetrySettings = h.telemetry.NewTelemetrySettings()
	var err error
	h.journeysExtension, err = newExtension(settings, config, time.Now)
	require.NoError(t, err)
	h.handler, err = h.newHandler()
	require.NoError(t, err)
	return h
}

// request asks as a browser on this machine does.
func (h *harness) request(method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(h.t.Context(), method, "http://localhost:8686"+path, http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

// get asks for an answer.
func (h *harness) get(path string, into any) {
	h.t.Helper()
	w := h.request(http.MethodGet, path)
	require.Equal(h.t, http.StatusOK, w.Code, w.Body.String())
	require.NoError(h.t, json.Unmarshal(w.Body.Bytes(), into))
}

// report is what a shard reports of some journeys of one name.
func (h *harness) report(name string, n int) *journey.Aggregate {
	a := journey.NewAggregate(h.Limits(), nil)
	for range n {
		fill(a, name)
	}
	return a
}

// fill adds a journey with everything that a report can have.
func fill(a *journey.Aggregate, name string) {
	t := a.Tally(name)
	t.Add(journey.Counts{
		OK: 1, Kept: 1, Volume: journey.Volume{SpansReceived: 10, SpansStored: 10, BytesReceived: 5000, BytesStored: 5000},
	})
	t.Add(journey.Counts{Errors: 1, Kept: 1, FailedKept: 1, Volume: journey.Volume{SpansReceived: 10, SpansStored: 10, BytesReceived: 5000, BytesStored: 5000}})
	t.Add(journey.Counts{Incomplete: 1, Volume: journey.Volume{SpansReceived: 10, BytesReceived: 5000}})
	for _, ms := range []uint64{10, 20, 900} {
		t.Durations.Add(ms * 1e6)
	}
	*t.Rule("failed", 0) = journey.RuleTally{Name: "failed", Matched: t.Errors, Kept: t.Errors, Reason: name}
	t.Step(0, name).Reached++
	t.Stop(journey.StopKey{Outcome: "error", Service: name, Operation: name}, 1, name)
	t.Path(1, func() []string { return []string{name, "other"} }).Count += 3
	t.Flow.Mapped++
	user, _ := t.Node(journey.NodeKey{Kind: journey.User, Name: "user"})
	queue, n := t.Node(journey.NodeKey{Kind: journey.Queue, Name: name, System: "rabbitmq"})
	n.Count++
	n.Durations.Add(1e6)
	e := t.Edge(journey.EdgeKey{From: user, To: queue, Protocol: journey.AMQP})
	e.Count++
	e.Waits.Add(1e6)
	one := journey.Trace{ID: pcommon.TraceID{15: 1}, At: time.Now(), Outcome: "error", OutcomeReason: name, Kept: true, Rule: "failed", Reason: name, Probability: 1, Service: name, Operation: name}
	t.LatestKept, t.LatestFailed = journey.Latest(t.LatestKept, one), journey.Latest(t.LatestFailed, one)
}

// oracle is a processor that knows some traces.
type oracle struct {
	decisions map[pcommon.TraceID]journey.Decision
	state     journey.State
	shadow    *journey.Shadow
	standings map[pcommon.TraceID]journey.Standing
	busy      bool // does not answer in time
}

// Standing waits for the asker's patience to end while it is busy.
func (o *oracle) Standing(ctx context.Context, id pcommon.TraceID) (journey.Standing, error) {
	if o.busy {
		<-ctx.Done()
		return journey.Standing{}, ctx.Err()
	}
	return o.standings[id], nil
}

func (o *oracle) Memory() journey.Memory { return journey.Memory{Ledger: 10, Kept: 20, Dropped: 30} }

func (o *oracle) Shadow() (journey.Shadow, bool) {
	if o.shadow == nil {
		return journey.Shadow{}, false
	}
	return *o.shadow, true
}

func (o *oracle) Ledger() journey.Ledger        { return o }
func (o *oracle) State(time.Time) journey.State { return o.state }
func (o *oracle) Recent(int) []journey.Decision { return nil }
func (o *oracle) Lookup(id pcommon.TraceID) (journey.Decision, bool) {
	d, ok := o.decisions[id]
	return d, ok
}

func traceID(n byte) pcommon.TraceID { return pcommon.TraceID{0: 0xab, 15: n} }

// newStandings has a trace that waits and one that was kept long ago.
func newStandings(name string) map[pcommon.TraceID]journey.Standing {
	now := time.Now()
	return map[pcommon.TraceID]journey.Standing{
		traceID(3): {Waiting: &journey.Waiting{
			Since: now.Add(-time.Minute), LastSpanAt: now, Due: now.Add(time.Minute), DecidedBy: now.Add(time.Hour),
			Journey: name, Outcome: "error", OutcomeReason: name, LogRecords: 2,
			Summary: journey.Summary{
				Path: []string{name}, RootService: name, RootSpan: name, Spans: 3, Bytes: 100, Duration: time.Second,
				StepsReached: []string{name},
			},
			WaitsFor: []journey.Lack{{What: journey.LackDelivery, Name: name, Count: 1, Until: now.Add(time.Minute)}},
		}},
		traceID(4): {Remembered: &journey.Remembered{Kept: true, Journey: name, Probability: 0.1}},
		traceID(5): {Remembered: &journey.Remembered{}},
	}
}

// newOracle knows a kept trace and a dropped one, and of others less.
func newOracle(name string) *oracle {
	decisions := map[pcommon.TraceID]journey.Decision{}
	for n, kept := range map[byte]bool{1: true, 2: false} {
		decisions[traceID(n)] = journey.Decision{
			TraceID: traceID(n), At: time.Now(), Journey: name, Outcome: "error", OutcomeReason: name, Kept: kept,
			Rule: name, Reason: name, Probability: 0.5, LateSpans: 1,
			Summary: journey.Summary{
				Path: []string{name}, RootService: name, RootSpan: name, Spans: 3, Bytes: 100, Duration: time.Second,
				StepsReached: []string{name}, StepsMissing: nil,
			},
		}
	}
	return &oracle{decisions: decisions, standings: newStandings(name), shadow: &journey.Shadow{
		Since: time.Now().Add(-time.Hour), Rules: []string{name}, ShadowRules: []string{name},
		Tallies: []journey.ShadowTally{{Journey: name, Outcome: "error", Rule: name, MustKeep: true, Kept: true, ShadowRule: name, Journeys: 1, Spans: 2, Bytes: 3}},
	}, state: journey.State{
		Traces: 5, UsedBytes: 10, LimitBytes: 100, OldestWait: time.Second, Overload: "calm",
		Generations: []journey.Generation{{Name: "nursery", Traces: 5, Bytes: 10}},
		Budget:      &journey.BudgetState{Unit: "spans", Limit: 10, Rate: 5, Rules: []journey.BudgetRule{{Name: name, Probability: 1}}},
		Downstream:  []journey.Downstream{{Signal: "traces", Refusing: time.Second, Error: name, Retrying: 1}},
	}}
}

func tracePath(n byte) string { return fmt.Sprintf("/api/v1/traces/%s", traceID(n)) }

// value sums a metric over its attributes.
func (h *harness) value(t *testing.T, name string) int64 {
	t.Helper()
	m, err := h.telemetry.GetMetric(name)
	if err != nil {
		return 0 // nothing has been counted yet
	}
	var points []metricdata.DataPoint[int64]
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		points = data.DataPoints
	case metricdata.Gauge[int64]:
		points = data.DataPoints
	}
	var sum int64
	for _, p := range points {
		sum += p.Value
	}
	return sum
}
