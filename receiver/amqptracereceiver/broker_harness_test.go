package amqptracereceiver

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelcol-journey/otelcol-journey/receiver/amqptracereceiver/internal/metadata"
)

// patience bounds every wait for a real broker; a kill and restart takes 5 s alone and much longer
// on a busy machine.
const patience = 90 * time.Second

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, 20*time.Millisecond, what)
}

// configFor points a default configuration at the broker of an AMQP URL, with short intervals.
func configFor(t testing.TB, amqpURL string) *Config {
	t.Helper()
	u, err := url.Parse(amqpURL)
	require.NoError(t, err)
	cfg := createDefaultConfig().(*Config)
	cfg.Connection.Endpoints = []string{u.Scheme + "://" + u.Host}
	if vhost := strings.Trim(u.Path, "/"); vhost != "" {
		cfg.Connection.VHost = vhost
	}
	plain := PlainConfig{Username: "guest", Password: "guest"}
	if u.User != nil {
		password, _ := u.User.Password()
		plain = PlainConfig{Username: u.User.Username(), Password: configPassword(password)}
	}
	cfg.Connection.Auth.Plain = some(plain)
	cfg.Reconnect = BackoffConfig{InitialInterval: 50 * time.Millisecond, MaxInterval: 500 * time.Millisecond}
	cfg.ErrorBackoff = BackoffConfig{InitialInterval: 20 * time.Millisecond, MaxInterval: 200 * time.Millisecond}
	return cfg
}

// running is a receiver under test with what it has logged and measured.
type running struct {
	receiver.Traces
	t      testing.TB
	logs   *observer.ObservedLogs
	tel    *componenttest.Telemetry
	status *statusHost
	closed bool
}

// statusHost keeps the last status the receiver has reported.
type statusHost struct {
	component.Host
	last atomic.Pointer[componentstatus.Event]
	// operator is set if any status said that an operator has to act.
	operator atomic.Bool
}

func (h *statusHost) Report(e *componentstatus.Event) {
	h.last.Store(e)
	if needs, ok := e.Attributes().Get("needs_operator"); ok && needs.Bool() {
		h.operator.Store(true)
	}
}

func (h *statusHost) is(want componentstatus.Status) bool {
	e := h.last.Load()
	return e != nil && e.Status() == want
}

func startReceiver(t testing.TB, cfg *Config, next consumer.Traces) *running {
	t.Helper()
	return startReceiverOver(t, cfg, next, (&net.Dialer{}).DialContext)
}

// startReceiverOver starts a receiver that connects with open.
func startReceiverOver(t testing.TB, cfg *Config, next consumer.Traces, open openSocket) *running {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	tel := componenttest.NewTelemetry()
	set := receivertest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = tel.NewTelemetrySettings()
	set.Logger = zap.New(core)
	r, err := NewFactory().CreateTraces(t.Context(), set, cfg, next)
	require.NoError(t, err)
	single, _ := r.(*tracesReceiver)
	if shared, ok := r.(*sharedReceiver); ok {
		single = shared.tracesReceiver
	}
	single.open = open
	run := &running{Traces: r, t: t, logs: logs, tel: tel, status: &statusHost{Host: componenttest.NewNopHost()}}
	require.NoError(t, r.Start(t.Context(), run.status))
	t.Cleanup(run.stop)
	return run
}

func (r *running) stop() {
	if r.closed {
		return
	}
	r.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(r.t, r.Shutdown(ctx))
	require.NoError(r.t, r.tel.Shutdown(ctx))
	if r.t.Failed() {
		for _, entry := range r.logs.All() {
			r.t.Log(entry.Level, entry.Message, entry.ContextMap())
		}
	}
}

// reading waits until the receiver has subscribed so many times.
func (r *running) reading(times int) {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("subscribe %d times", times), func() bool {
		return r.logs.FilterMessage("reading from the broker").Len() >= times
	})
}

// metric is the sum over all attribute sets of a counter, 0 if it has none yet.
func (r *running) metric(name string) int64 {
	m, err := r.tel.GetMetric("otelcol_receiver_amqp_trace_" + name)
	if err != nil {
		return 0
	}
	return sumOf(m)
}

// reconnects is how often the receiver began again, by reason.
func (r *running) reconnects() map[string]int64 {
	values := map[string]int64{}
	m, err := r.tel.GetMetric("otelcol_receiver_amqp_trace_reconnects")
	if err != nil {
		return values
	}
	for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
		reason, _ := p.Attributes.Value("reason")
		values[reason.AsString()] += p.Value
	}
	return values
}

// collected keeps the spans it accepts. While refuse is set it accepts none.
type collected struct {
	mu     sync.Mutex
	spans  []keptSpan
	refuse error
	calls  int
}

type keptSpan struct {
	ptrace.Span
	resource pcommon.Map
}

func (c *collected) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: true}
}

func (c *collected) ConsumeTraces(_ context.Context, td ptrace.Traces) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.refuse != nil {
		td.ResourceSpans().RemoveIf(func(ptrace.ResourceSpans) bool { return true }) // as a bad neighbour might
		return c.refuse
	}
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				c.spans = append(c.spans, keptSpan{span, rs.Resource().Attributes()})
			}
		}
	}
	return nil
}

func (c *collected) setRefuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = err
}

func (c *collected) attempts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// of returns the spans of one trace with the given name, or all of the trace for "".
func (c *collected) of(trace pcommon.TraceID, name string) []keptSpan {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []keptSpan
	for _, s := range c.spans {
		if s.TraceID() == trace && (name == "" || s.Name() == name) {
			found = append(found, s)
		}
	}
	return found
}

func (s keptSpan) text(key string) string {
	v, ok := s.Attributes().Get(key)
	if !ok {
		return "(absent)"
	}
	return v.AsString()
}

// application is a client of the broker as an application would be.
type application struct {
	*amqp.Channel
	t testing.TB
}

func dialApplication(t testing.TB, amqpURL string) *application {
	t.Helper()
	conn, err := amqp.Dial(amqpURL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Confirm(false))
	return &application{Channel: ch, t: t}
}

// queue declares a queue for the test, bound to the exchange unless that is "".
func (a *application) queue(name, exchange, key string) string {
	a.t.Helper()
	_, err := a.QueueDeclare(name, false, true, false, false, nil)
	require.NoError(a.t, err)
	if exchange != "" {
		require.NoError(a.t, a.QueueBind(name, key, exchange, false, nil))
	}
	return name
}

func (a *application) exchange(name, kind string) string {
	a.t.Helper()
	require.NoError(a.t, a.ExchangeDeclare(name, kind, false, true, false, false, nil))
	return name
}

// publish sends a message and waits until the broker has it.
func (a *application) publish(exchange, key string, message amqp.Publishing) {
	a.t.Helper()
	require.NoError(a.t, a.tryPublish(exchange, key, message))
}

func (a *application) tryPublish(exchange, key string, message amqp.Publishing) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	confirm, err := a.PublishWithDeferredConfirmWithContext(ctx, exchange, key, false, false, message)
	if err != nil {
		return err
	}
	_, err = confirm.WaitContext(ctx)
	return err
}

// get takes one message from the queue, as soon as there is one.
func (a *application) get(queue string) amqp.Delivery {
	a.t.Helper()
	var d amqp.Delivery
	eventually(a.t, "a message in "+queue, func() bool {
		var ok bool
		var err error
		d, ok, err = a.Get(queue, true)
		return err == nil && ok
	})
	return d
}

// parent is a publisher's span context.
type parent struct {
	trace pcommon.TraceID
	span  pcommon.SpanID
}

func newParent() parent {
	var p parent
	_, _ = rand.Read(p.trace[:])
	_, _ = rand.Read(p.span[:])
	return p
}

func (p parent) header() string { return fmt.Sprintf("00-%s-%s-01", p.trace, p.span) }

// message is a message of the parent with an own id.
func (p parent) message() amqp.Publishing {
	return amqp.Publishing{
		Headers:   amqp.Table{"traceparent": p.header()},
		MessageId: rand.Text(),
		Body:      []byte("nobody should see this"),
	}
}

// unique makes names that do not collide between tests and runs.
func unique(name string) string { return name + "-" + rand.Text()[:8] }
