package journeyprocessor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"go.yaml.in/yaml/v3"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/metadata"
)

// harness is a running processor between a caller and a sink, in a bubble of
// fake time.
type harness struct {
	t         *testing.T
	telemetry *componenttest.Telemetry
	sink      *sink
	traces    processor.Traces
	logs      processor.Logs

	settings   processor.Settings
	logged     *observer.ObservedLogs
	extensions map[component.ID]component.Component
}

// load reads the configuration of the processor from YAML, on top of the
// defaults, and validates it as the Collector does.
func load(text string) (*Config, error) {
	var raw map[string]any
	if err := yaml.Unmarshal([]byte(text), &raw); err != nil {
		return nil, err
	}
	config := createDefaultConfig()
	if err := confmap.NewFromStringMap(raw).Unmarshal(config); err != nil {
		return nil, err
	}
	return config, confmap.Validate(config)
}

// What is freed is overwritten in all tests, so that a use after it shows.
func init() { poisonFreed = true }

func start(t *testing.T, config string) *harness {
	t.Helper()
	h := &harness{t: t, telemetry: componenttest.NewTelemetry(), sink: &sink{}}
	settings := processortest.NewNopSettings(metadata.Type)
	settings.TelemetrySettings = h.telemetry.NewTelemetrySettings()
	core, logged := observer.New(zap.InfoLevel)
	settings.Logger = zap.New(core)
	h.settings, h.logged = settings, logged
	h.extensions = map[component.ID]component.Component{shelfID: newShelf()}
	h.begin(config)
	return h
}

// begin creates and starts the processor with a configuration, as the
// Collector does at a start and at a reload.
func (h *harness) begin(config string) {
	h.t.Helper()
	c, err := load(config)
	require.NoError(h.t, err)
	factory := NewFactory()
	h.traces, err = factory.CreateTraces(h.t.Context(), h.settings, c, h.sink)
	require.NoError(h.t, err)
	h.logs, err = factory.CreateLogs(h.t.Context(), h.settings, c, h.sink)
	require.NoError(h.t, err)
	require.NoError(h.t, h.traces.Start(h.t.Context(), h))
	require.NoError(h.t, h.logs.Start(h.t.Context(), h))
}

// GetExtensions makes the harness the processor's host.
func (h *harness) GetExtensions() map[component.ID]component.Component { return h.extensions }

// reload stops the processor as a reload does and starts it with another
// configuration.
func (h *harness) reload(config string) {
	h.t.Helper()
	h.traces.(pipeline).isReload = func() bool { return true }
	h.end()
	h.begin(config)
	synctest.Wait()
}

// end stops the processor, which must give back all memory.
func (h *harness) end() {
	h.t.Helper()
	require.NoError(h.t, h.traces.Shutdown(context.Background()))
	require.NoError(h.t, h.logs.Shutdown(context.Background()))
	h.holdsNothing()
}

func (h *harness) stop() {
	h.t.Helper()
	h.end()
	h.holdsTheLaw()
	require.Zero(h.t, h.value("processor_journey_spans_pending"))
}

// holdsNothing checks that all memory has been given back, once.
func (h *harness) holdsNothing() {
	h.t.Helper()
	s := &h.traces.(pipeline).store
	require.Zero(h.t, s.memory().Blocks(), "blocks that nobody has freed")
	require.Zero(h.t, s.bundles.inUse(), "bundles that nobody has freed")
	require.Zero(h.t, s.buffer.used.Load(), "bytes accounted for")
	require.Empty(h.t, s.headers.byKey, "headers in use")
}

// inBubble runs f in fake time with a processor that is stopped at the end.
func inBubble(t *testing.T, config string, f func(*testing.T, *harness)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := start(t, config)
		defer h.abandonFailed()
		f(t, h)
		h.stop()
	})
}

// abandonFailed ends the goroutines of a test that failed half-way, which would
// hide the failure otherwise.
func (h *harness) abandonFailed() {
	if h.t.Failed() {
		_ = h.traces.Shutdown(context.Background()) // the test has failed already
	}
}

// wait lets fake time pass and everything settle.
func (h *harness) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (h *harness) send(spans ...span) {
	h.t.Helper()
	require.NoError(h.t, h.traces.ConsumeTraces(h.t.Context(), batch(spans)))
	synctest.Wait()
}

func (h *harness) sendLogs(records ...record) {
	h.t.Helper()
	require.NoError(h.t, h.logs.ConsumeLogs(h.t.Context(), logBatch(records)))
	synctest.Wait()
}

// offerLogs sends records that may be refused, and are not sent again.
func (h *harness) offerLogs(records ...record) {
	_ = h.logs.ConsumeLogs(h.t.Context(), logBatch(records)) // may be full
	synctest.Wait()
}

// ledger is the processor's answer to what was decided.
func (h *harness) ledger() journey.Ledger {
	return h.traces.(interface{ Decisions() journey.Ledger }).Decisions()
}

// value sums a metric over its attributes; gauges are read anew.
func (h *harness) value(name string, attributes ...string) int64 {
	h.t.Helper()
	m, err := h.telemetry.GetMetric("otelcol_" + name)
	if err != nil {
		return 0 // an instrument that has counted nothing yet
	}
	var points []metricdata.DataPoint[int64]
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		points = data.DataPoints
	case metricdata.Gauge[int64]:
		points = data.DataPoints
	case metricdata.Histogram[float64]: // how often something was recorded
		for _, p := range data.DataPoints {
			points = append(points, metricdata.DataPoint[int64]{Attributes: p.Attributes, Value: int64(p.Count)})
		}
	}
	var sum int64
	for _, p := range points {
		if hasAttributes(p, attributes) {
			sum += p.Value
		}
	}
	return sum
}

func hasAttributes(p metricdata.DataPoint[int64], pairs []string) bool {
	for pair := range slices.Chunk(pairs, 2) {
		found := false
		for _, kv := range p.Attributes.ToSlice() {
			found = found || string(kv.Key) == pair[0] && kv.Value.AsString() == pair[1]
		}
		if !found {
			return false
		}
	}
	return true
}

// holdsTheLaw checks received + inherited = kept + dropped + pending + lost +
// handed over, and that the sink has what was counted as kept.
func (h *harness) holdsTheLaw() {
	h.t.Helper()
	for _, what := range []string{"spans", "log_records"} {
		prefix := "processor_journey_" + what + "_"
		require.Equal(h.t, h.value(prefix+"received")+h.value(prefix+"inherited"), h.value(prefix+"kept")+
			h.value(prefix+"dropped")+h.value(prefix+"pending")+h.value(prefix+"lost")+h.value(prefix+"handed_over"), what)
	}
	h.sink.mu.Lock()
	defer h.sink.mu.Unlock()
	require.Equal(h.t, int64(len(h.sink.spans)), h.value("processor_journey_spans_kept"))
	require.Equal(h.t, int64(len(h.sink.records)), h.value("processor_journey_log_records_kept"))
}

// sink takes what leaves, or refuses it with the error it is given.
type sink struct {
	mu      sync.Mutex
	refusal error
	choice  func(ptrace.Traces) error
	offers  int
	// chooseLogs sees the log records that it takes; set before anything is sent.
	chooseLogs func(plog.Logs)
	delay      time.Duration // of each call; set before anything is sent
	spans      []ptrace.Span
	tenants    []string // of each span's batch
	records    []plog.LogRecord
}

// withTenant is the context of a batch that came with a tenant's header.
func withTenant(ctx context.Context, tenant string) context.Context {
	return client.NewContext(ctx, client.Info{Metadata: client.NewMetadata(map[string][]string{"X-Tenant": {tenant}})})
}

var errBusy = errors.New("busy")

func (s *sink) refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = err
}

// locked calls f while nothing arrives.
func (s *sink) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// choose makes the sink refuse some batches.
func (s *sink) choose(choice func(ptrace.Traces) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.choice = choice
}

func (*sink) Capabilities() consumer.Capabilities { return consumer.Capabilities{MutatesData: true} }

func (s *sink) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	time.Sleep(s.delay)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offers++
	if err := errors.Join(ctx.Err(), s.refusal); err != nil {
		td.ResourceSpans().RemoveIf(func(ptrace.ResourceSpans) bool { return true }) // it is the sink's now
		return err
	}
	if s.choice != nil {
		if err := s.choice(td); err != nil {
			return err
		}
	}
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				s.spans = append(s.spans, span)
				s.tenants = append(s.tenants, strings.Join(client.FromContext(ctx).Metadata.Get("x-tenant"), ","))
			}
		}
	}
	return nil
}

func (s *sink) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	time.Sleep(s.delay)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(ctx.Err(), s.refusal); err != nil {
		return err
	}
	if s.chooseLogs != nil {
		s.chooseLogs(ld)
	}
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, r := range sl.LogRecords().All() {
				s.records = append(s.records, r)
			}
		}
	}
	return nil
}

// all returns the spans that have arrived.
func (s *sink) all() []ptrace.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.spans)
}

// bodies returns those of the log records that have arrived.
func (s *sink) bodies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var bodies []string
	for _, r := range s.records {
		bodies = append(bodies, r.Body().Str())
	}
	return bodies
}

// of returns the spans of a trace that have arrived.
func (s *sink) of(trace string) []ptrace.Span {
	var found []ptrace.Span
	for _, span := range s.all() {
		if span.TraceID() == traceID(trace) {
			found = append(found, span)
		}
	}
	return found
}

// tenantsOf are the different ones that a trace's spans have left with.
func (s *sink) tenantsOf(trace string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []string
	for i, span := range s.spans {
		if span.TraceID() == traceID(trace) && !slices.Contains(found, s.tenants[i]) {
			found = append(found, s.tenants[i])
		}
	}
	return found
}
