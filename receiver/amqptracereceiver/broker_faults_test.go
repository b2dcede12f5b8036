package amqptracereceiver

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

func durable(cfg *Config, name string) *Config {
	cfg.OwnQueue.Durable, cfg.OwnQueue.Name = true, "otel."+unique(name)
	cfg.OwnQueue.MaxLength = 1_000_000
	cfg.OwnQueue.MaxLengthBytes = 1 << 30
	return cfg
}

// A broker that dies under load takes along what it had in memory, for firehose messages are
// transient. Nothing comes twice under another id, and nothing is lost from when we read again.
func TestBrokerKilledUnderLoad(t *testing.T) {
	b := broker.Get(t)
	if !b.Owned() {
		t.Skip("the broker of AMQP_URL must not be killed")
	}
	spans := &collected{}
	r := startReceiver(t, durable(configFor(t, b.URL), "killed"), spans)
	r.reading(1)
	p := startPublisher(t, b.URL, unique("load"))
	p.more(t, 500)
	require.NoError(t, b.Kill(t.Context()))
	restart(t, b)
	r.reading(2)
	before := len(p.ids())
	p.more(t, 500)
	spans.requireOneEach(t, p, p.finish()[before:])
	assert.NotEmpty(t, r.reconnects())
}

// A connection that the broker closes costs a durable queue nothing.
func TestConnectionClosedByTheBrokerUnderLoad(t *testing.T) {
	b := broker.Get(t)
	if !b.Owned() {
		t.Skip("the connections of the broker of AMQP_URL are not ours to close")
	}
	spans := &collected{}
	cfg := durable(configFor(t, b.URL), "closed")
	r := startReceiver(t, cfg, spans)
	r.reading(1)
	p := startPublisher(t, b.URL, unique("load"))
	p.more(t, 200)
	control(t, b, "close_all_connections", "--global", "maintenance")
	r.reading(2)
	p.more(t, 200)
	spans.requireOneEach(t, p, p.finish())
	assert.Equal(t, map[string]int64{"broker_stopped": 1}, r.reconnects())
	r.stop()
	deleteQueue(t, b, cfg.OwnQueue.Name)
}

// control may be called by a cleanup, too.
func control(t *testing.T, b *stack.Broker, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := b.Control(ctx, args...)
	require.NoError(t, err, string(out))
}

func deleteQueue(t *testing.T, b *stack.Broker, name string) {
	t.Helper()
	app := dialApplication(t, b.URL)
	app.mustSucceed(app.QueueDelete(name, false, false, false))
}

// A broker that loses patience with a delivery closes the channel. The connection, and with it an
// exclusive queue and all that is in it, lives on, and the deliveries come again.
func TestChannelClosedByTheBroker(t *testing.T) {
	b := secureBroker.Get(t)
	control(t, b, "eval", "application:set_env(rabbit, channel_tick_interval, 200).")
	spans := &collected{refuse: errors.New("full")}
	r := startReceiver(t, leastConfig(t), spans)
	r.reading(1)
	p := startPublisher(t, b.URL, unique("load"))
	p.more(t, 50)
	messages := p.finish()
	r.reading(2)
	assert.Contains(t, r.reconnects(), "ack_timeout")
	spans.setRefuse(nil)
	spans.requireOneEach(t, p, messages)
	assert.Zero(t, r.logs.FilterMessage("not reading from the broker").Len(), "the connection lives on")
	assert.Positive(t, r.metric("redelivered"))
}

// Deliveries that go back before the broker loses its patience cost no channel error.
func TestMaxHoldIsShorterThanTheBrokersPatience(t *testing.T) {
	b := secureBroker.Get(t)
	cfg := leastConfig(t)
	cfg.Limits.MaxHold = 700 * time.Millisecond
	spans := &collected{refuse: errors.New("full")}
	r := startReceiver(t, cfg, spans)
	r.reading(1)
	p := startPublisher(t, b.URL, unique("load"))
	p.more(t, 50)
	messages := p.finish()
	r.reading(7) // more than the broker's three seconds
	spans.setRefuse(nil)
	spans.requireOneEach(t, p, messages)
	assert.Empty(t, r.reconnects())
	assert.GreaterOrEqual(t, r.metric("requeued"), int64(6))
}

// A memory alarm stops publishers, not consumers: what is in the queue is read, and a receiver that
// starts meanwhile reads, too.
func TestMemoryAlarm(t *testing.T) {
	b := broker.Get(t)
	if !b.Owned() {
		t.Skip("the broker of AMQP_URL is not ours to alarm")
	}
	spans := &collected{refuse: errors.New("full")}
	cfg := configFor(t, b.URL)
	cfg.OwnQueue.MaxLength = 1_000_000 // of what is published until the alarm
	r := startReceiver(t, cfg, spans)
	r.reading(1)
	p := startPublisher(t, b.URL, unique("load"))
	p.more(t, 100)
	control(t, b, "eval", "rabbit_alarm:set_alarm({{resource_limit, memory, node()}, []}).")
	t.Cleanup(func() { control(t, b, "eval", "rabbit_alarm:clear_alarm({resource_limit, memory, node()}).") })
	blocked := p.ids()
	spans.setRefuse(nil)
	spans.requireOneEach(t, p, blocked)
	startReceiver(t, configFor(t, b.URL), &collected{}).reading(1)
	assert.LessOrEqual(t, len(p.ids()), len(blocked)+1, "the alarm holds the publisher, not us")
	control(t, b, "eval", "rabbit_alarm:clear_alarm({resource_limit, memory, node()}).")
	p.more(t, 100)
	spans.requireOneEach(t, p, p.finish())
	assert.Empty(t, r.reconnects())
}

// With a pipeline that takes nothing for good, applications publish on: the own queue drops its oldest.
func TestStoppedPipelineBlocksNoPublisher(t *testing.T) {
	url := broker.Get(t).URL
	cfg := configFor(t, url)
	cfg.OwnQueue.MaxLength, cfg.Consumer.Prefetch, cfg.Consumer.AckEvery = 500, 200, 100
	next := &stuck{release: make(chan struct{})}
	r := startReceiver(t, cfg, next)
	r.reading(1)
	p := startPublisher(t, url, unique("load"))
	p.more(t, 5000) // ten times what the own queue holds, confirmed one by one
	queue := r.logs.FilterMessage("reading from the broker").All()[0].ContextMap()["queue"].(string)
	t.Logf("slowest confirm of %d: %v; own queue %s", len(p.ids()), p.slowest, queue)
	assert.Less(t, p.slowest, 10*time.Second)
	messages := p.finish()

	close(next.release)
	last := messages[len(messages)-490:] // of 500, some of which may not have been confirmed in the end
	next.requireOneEach(t, p, last)
	next.mu.Lock()
	defer next.mu.Unlock()
	assert.LessOrEqual(t, len(next.spans), 200+500+1, "prefetch and own queue are all that was held; one was the message to notice")
	assert.Empty(t, r.reconnects())
}

// A pipeline that is slow, refuses at times and at times takes what it says it refused: every message
// has a span, and none has two ids.
func TestSlowAndFicklePipeline(t *testing.T) {
	url := broker.Get(t).URL
	cfg := durable(configFor(t, url), "fickle")
	cfg.Limits.MaxHold = 500 * time.Millisecond
	next := &fickle{}
	r := startReceiver(t, cfg, next)
	r.reading(1)
	p := startPublisher(t, url, unique("load"))
	p.more(t, 3000)
	next.requireOneEach(t, p, p.finish())
	assert.Positive(t, r.metric("retries"))
	r.stop()
	deleteQueue(t, broker.Get(t), cfg.OwnQueue.Name)
}

// Two replicas with queues of their own see everything, and agree on every id: a backend that keeps one
// span for each id keeps each once.
func TestTwoReplicasMakeTheSameSpans(t *testing.T) {
	url := broker.Get(t).URL
	one, two := &collected{}, &collected{}
	for _, spans := range []*collected{one, two} {
		cfg := configFor(t, url)
		cfg.OwnQueue.MaxLength = 100_000
		startReceiver(t, cfg, spans).reading(1)
	}
	queue := unique("load")
	p := startPublisher(t, url, queue)
	p.more(t, 300)
	messages := p.finish()
	app := dialApplication(t, url)
	for range messages {
		app.get(queue)
	}
	for _, spans := range []*collected{one, two} {
		spans.requireOneEach(t, p, messages)
		eventually(t, "all deliveries", func() bool { return len(spans.of(p.parent.trace, "deliver "+queue)) == len(messages) })
	}
	for _, operation := range []string{"publish amq.default", "deliver " + queue} {
		assert.Equal(t, one.spanIDs(p.parent, operation), two.spanIDs(p.parent, operation))
	}
}

// Two replicas on one durable queue share its messages; when one goes the other reads on.
func TestTwoReplicasShareADurableQueue(t *testing.T) {
	url := broker.Get(t).URL
	cfg := durable(configFor(t, url), "shared")
	cfg.Consumer.Prefetch, cfg.Consumer.AckEvery = 20, 10
	spans := &collected{}
	one, two := startReceiver(t, cfg, spans), startReceiver(t, cfg, spans)
	one.reading(1)
	two.reading(1)
	p := startPublisher(t, url, unique("load"))
	p.more(t, 500)
	assert.Positive(t, one.metric("spans"))
	assert.Positive(t, two.metric("spans"))
	one.stop()
	p.more(t, 200)
	spans.requireOneEach(t, p, p.finish())
	two.stop()
	deleteQueue(t, broker.Get(t), cfg.OwnQueue.Name)
}

// A receiver that is stopped, or cut off in the middle, and started again under load: nothing is lost
// while the queue holds it, and nothing has two ids.
func TestRestartedUnderLoad(t *testing.T) {
	url := broker.Get(t).URL
	cfg := durable(configFor(t, url), "restarted")
	spans := &collected{}
	r := startReceiver(t, cfg, spans)
	r.reading(1)
	p := startPublisher(t, url, unique("load"))
	for round := range 6 {
		p.more(t, 100)
		if round%2 == 0 {
			cutOff, cancel := context.WithCancel(t.Context())
			cancel()
			_ = r.Shutdown(cutOff) // its time is over before it begins
		}
		r.stop()
		p.more(t, 50) // nobody reads
		r = startReceiver(t, cfg, spans)
		r.reading(1)
	}
	spans.requireOneEach(t, p, p.finish())
	r.stop()
	deleteQueue(t, broker.Get(t), cfg.OwnQueue.Name)
}

// An exclusive queue ends with its connection: what is published until it is there again is lost, and
// that is why there is queue::durable.
func TestWhatEachKindOfQueueKeepsOverAReconnect(t *testing.T) {
	for name, keeps := range map[string]bool{"exclusive": false, "durable": true} {
		t.Run(name, func(t *testing.T) {
			b := broker.Get(t).URL
			px := startProxy(t, b)
			cfg := durable(configFor(t, b), "gap")
			cfg.OwnQueue.Durable = keeps
			cfg.Connection.Endpoints = []string{"amqp://" + px.listener.Addr().String()}
			spans := &collected{}
			r := startReceiver(t, cfg, spans)
			r.reading(1)
			app := dialApplication(t, b)
			queue := app.queue(unique("q"), "", "")
			px.cut()
			eventually(t, "the end", func() bool { return r.metric("reconnects") > 0 })
			missed := newParent()
			app.publish("", queue, missed.message())
			px.restore()
			r.reading(2)
			seen(t, spans, app, queue)
			assert.Equal(t, keeps, len(spans.of(missed.trace, "")) == 1)
			r.stop()
			if keeps {
				deleteQueue(t, broker.Get(t), cfg.OwnQueue.Name)
			}
		})
	}
}

// fickle refuses every third batch for the moment, and every ninth of all after it has taken it.
type fickle struct {
	collected
	mu sync.Mutex
	n  int
}

func (f *fickle) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	f.mu.Lock()
	f.n++
	n := f.n
	f.mu.Unlock()
	sleep(ctx, time.Duration(n%5)*time.Millisecond)
	if n%3 == 0 {
		return errors.New("full")
	}
	err := f.collected.ConsumeTraces(ctx, td)
	if n%9 == 1 {
		return errors.New("gone away after I took it")
	}
	return err
}
