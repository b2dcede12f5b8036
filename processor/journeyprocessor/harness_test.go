package journeyprocessor

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"math/rand/v2"
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
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"go.yaml.in/yaml/v3"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
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
	require.Zero(h.t, s.buffer.used.Load(), "bytes accounted for")
	require.Empty(h.t, s.headers.byKey, "headers in use")
}

// inBubble runs f in fake time with a processor that is stopped at the end.
func inBubble(t *testing.T, config string, f func(*testing.T, *harness)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := start(t, config)
		f(t, h)
		h.stop()
	})
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
	spans   []ptrace.Span
	tenants []string // of each span's batch
	records []plog.LogRecord
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

// choose makes the sink refuse some batches.
func (s *sink) choose(choice func(ptrace.Traces) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.choice = choice
}

func (*sink) Capabilities() consumer.Capabilities { return consumer.Capabilities{MutatesData: true} }

func (s *sink) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offers++
	if err := errors.Join(ctx.Err(), s.refusal); err != nil {
		td.ResourceSpans().RemoveIf(func(ptrace.ResourceSpans) bool { return true }) // it is the sink's now
		return s.refusal
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

func (s *sink) ConsumeLogs(_ context.Context, ld plog.Logs) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal != nil {
		return s.refusal
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

// span is a span as a test writes it.
type span struct {
	Trace      string            `yaml:"trace"`
	ID         uint64            `yaml:"id"`
	Parent     uint64            `yaml:"parent"`
	Service    string            `yaml:"service"`
	Name       string            `yaml:"span"`
	Kind       string            `yaml:"kind"`
	Error      string            `yaml:"error"`
	At         time.Duration     `yaml:"at"` // of its start, after the epoch of the test
	Took       time.Duration     `yaml:"took"`
	State      string            `yaml:"tracestate"`
	Attributes map[string]string `yaml:"attributes"`
	Published  *[]string         `yaml:"published_to"` // makes it a span of amqp_trace
	Delivered  string            `yaml:"delivered_from"`
	DeadFrom   []string          `yaml:"dead_lettered_from"` // the latest first
	DeadOf     string            `yaml:"dead_lettered_because"`
	Message    string            `yaml:"message_id"`
}

// traceID makes a trace id of a name. Traces named unlucky… have the lowest
// randomness and are dropped by every probability below 100 %, all others the
// highest and are kept by all above 0 %.
func traceID(name string) pcommon.TraceID {
	hash := fnv.New64a()
	hash.Write([]byte(name))
	var id pcommon.TraceID
	binary.BigEndian.PutUint64(id[:8], hash.Sum64()|1)
	if !strings.HasPrefix(name, "unlucky") {
		for i := 9; i < 16; i++ {
			id[i] = 0xff
		}
	}
	return id
}

func spanID(n uint64) pcommon.SpanID {
	var id pcommon.SpanID
	binary.BigEndian.PutUint64(id[:], n)
	return id
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// batch puts each span in a resource of its own, as if from several services.
func batch(spans []span) ptrace.Traces {
	td := ptrace.NewTraces()
	for _, s := range spans {
		rs := td.ResourceSpans().AppendEmpty()
		ss := rs.ScopeSpans().AppendEmpty()
		service := s.Service
		if s.Published != nil || s.Delivered != "" {
			service = "rabbitmq"
			ss.Scope().SetName(facts.BrokerScope)
		}
		if service == "" {
			service = "gateway"
		}
		rs.Resource().Attributes().PutStr(serviceName, service)
		s.fill(ss.Spans().AppendEmpty())
	}
	return td
}

func (s span) fill(out ptrace.Span) {
	out.SetTraceID(traceID(s.Trace))
	out.SetSpanID(spanID(s.ID))
	out.SetParentSpanID(spanID(s.Parent))
	out.SetName(s.Name)
	out.SetKind(kinds[s.Kind])
	out.SetStartTimestamp(pcommon.NewTimestampFromTime(epoch.Add(s.At)))
	out.SetEndTimestamp(pcommon.NewTimestampFromTime(epoch.Add(s.At + s.Took)))
	out.TraceState().FromRaw(s.State)
	if s.Error != "" {
		out.Status().SetCode(ptrace.StatusCodeError)
		out.Status().SetMessage(s.Error)
	}
	for k, v := range s.Attributes {
		out.Attributes().PutStr(k, v)
	}
	if s.Message != "" {
		out.Attributes().PutStr("messaging.message.id", s.Message)
	}
	if s.Published != nil {
		putStringsAlways(out.Attributes(), "amqp.routed_queues", *s.Published)
		if len(*s.Published) == 0 {
			out.Status().SetCode(ptrace.StatusCodeError)
			out.Attributes().PutStr("error.type", "unroutable")
		}
	}
	if s.Delivered != "" {
		out.Attributes().PutStr("amqp.queue", s.Delivered)
		putStrings(out.Attributes(), "amqp.dead_letter.queues", s.DeadFrom)
		if len(s.DeadFrom) > 0 {
			out.Attributes().PutInt("amqp.delivery.attempt", 1)
		}
		if s.DeadOf != "" {
			death := out.Events().AppendEmpty()
			death.SetName("dead_letter")
			death.Attributes().PutStr("amqp.dead_letter.queue", s.DeadFrom[0])
			death.Attributes().PutStr("amqp.dead_letter.reason", s.DeadOf)
		}
	}
}

func putStringsAlways(attributes pcommon.Map, key string, values []string) {
	list := attributes.PutEmptySlice(key)
	for _, v := range values {
		list.AppendEmpty().SetStr(v)
	}
}

// record is a log record as a test writes it.
type record struct {
	Trace    string `yaml:"trace"`
	Severity string `yaml:"severity"`
	Body     string `yaml:"body"`
}

func logBatch(records []record) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr(serviceName, "gateway")
	sl := rl.ScopeLogs().AppendEmpty()
	for _, r := range records {
		out := sl.LogRecords().AppendEmpty()
		if r.Trace != "" {
			out.SetTraceID(traceID(r.Trace))
		}
		out.SetSeverityNumber(severities[r.Severity])
		out.Body().SetStr(r.Body)
	}
	return ld
}

// heavyRandom is heavy with a payload that does not compress.
func heavyRandom(trace string, id uint64) span {
	s := heavy(trace, id)
	payload := make([]byte, 600)
	for i := range payload {
		payload[i] = byte(' ' + rand.IntN(95))
	}
	s.Attributes["payload"] = string(payload)
	return s
}
