package amqptracereceiver

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func queueConfig(t testing.TB, url, queue string, force bool) *Config {
	t.Helper()
	cfg := configFor(t, url)
	cfg.Queue = some(QueueConfig{Name: queue, Force: force})
	return cfg
}

// shared declares a queue that, unlike an application's exclusive one, other connections can read.
func (a *application) shared(name string, arguments amqp.Table) string {
	a.t.Helper()
	_, err := a.QueueDeclare(name, true, false, false, false, arguments)
	require.NoError(a.t, err)
	a.t.Cleanup(func() { _, _ = a.QueueDelete(name, false, false, false) })
	return name
}

func TestFilledQueueTellsOfPublishesAndDeadLetters(t *testing.T) {
	url := broker.Get(t).URL
	app := dialApplication(t, url)
	shop := app.exchange(unique("shop"), "topic")
	copies := app.shared(unique("copies"), nil)
	require.NoError(t, app.QueueBind(copies, "#", shop, false, nil))
	work := app.shared(unique("work"), amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": copies})

	spans := &collected{}
	r := startReceiver(t, queueConfig(t, url, copies, false), spans)
	r.reading(1)
	p := newParent()
	app.publish(shop, "order.new", p.message())
	eventually(t, "the publish span", func() bool { return len(spans.of(p.trace, "publish "+shop)) == 1 })
	publish := spans.of(p.trace, "")[0]
	assert.Equal(t, "(absent)", publish.text("amqp.routed_queues"))

	dead := newParent()
	app.publish("", work, dead.message())
	d, ok, err := app.Get(work, false)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, d.Reject(false))
	eventually(t, "the deliver span", func() bool { return len(spans.of(dead.trace, "deliver "+copies)) == 1 })
	deliver := spans.of(dead.trace, "")[0]
	assert.Equal(t, `["`+work+`"]`, deliver.text("amqp.dead_letter.queues"))
	assert.Equal(t, "1", deliver.text("amqp.delivery.attempt"))
	r.stop()
	assert.Zero(t, app.waiting(copies), "acknowledged")
}

// A queue mode, a tap and the firehose that see one publish give one span.
func TestFilledQueueAndFirehoseAgreeOnAPublish(t *testing.T) {
	cfg, err := load(t, "queue: {name: copies}")
	require.NoError(t, err)
	copied := amqp.Delivery{
		Exchange: "shop", RoutingKey: "checkout.processed", MessageId: "m-1", CorrelationId: "order 7", Headers: traced(nil), Redelivered: true,
	}
	var e event
	require.Equal(t, skipNothing, newSource(cfg, newDecoder(cfg)).decode(&copied, &e))
	assert.Equal(t, spanIDOf(t, published()), (&identity{}).span(&e))
}

func TestQueueOfOthersIsRefusedUnlessForced(t *testing.T) {
	url := broker.Get(t).URL
	app := dialApplication(t, url)
	queue := app.shared(unique("work"), nil)
	consumed, err := app.Consume(queue, "application", true, false, false, false, nil)
	require.NoError(t, err)

	cfg := queueConfig(t, url, queue, false)
	cfg.Reconnect.MaxInterval = time.Hour
	refused := startReceiver(t, cfg, &collected{})
	eventually(t, "a refusal", func() bool { return refused.metric("reconnects") >= 2 })
	entry := refused.logs.FilterMessage("not reading from the broker").All()[0]
	assert.Contains(t, entry.ContextMap()["error"], queue)
	assert.Contains(t, entry.ContextMap()["error"], "1 consumers")
	p := newParent()
	app.publish("", queue, p.message())
	assert.Equal(t, p.header(), (<-consumed).Headers["traceparent"], "nothing was taken from the application")

	spans := &collected{}
	startReceiver(t, queueConfig(t, url, queue, true), spans).reading(1)
	for range 10 {
		app.publish("", queue, p.message())
	}
	eventually(t, "a share of the messages", func() bool { return len(spans.of(p.trace, "")) == 5 })
}

func TestMissingQueueIsNamed(t *testing.T) {
	r := startReceiver(t, queueConfig(t, broker.Get(t).URL, "no.such.queue", false), &collected{})
	eventually(t, "a refusal", func() bool { return r.metric("reconnects") >= 1 })
	assert.Contains(t, r.logs.FilterMessage("not reading from the broker").All()[0].ContextMap()["error"], "no.such.queue")
}

func TestQueueIsLeftWhenOthersComeToReadIt(t *testing.T) {
	url := broker.Get(t).URL
	app := dialApplication(t, url)
	queue := app.shared(unique("work"), nil)
	cfg := queueConfig(t, url, queue, false)
	s, err := dial(t.Context(), &cfg.Connection, mustEndpoint(t, cfg))
	require.NoError(t, err)
	defer s.close()
	require.NoError(t, s.claim(*cfg.Queue.Get()))
	r := newTestReceiver(t, &collected{})
	defer func() { require.NoError(t, r.Shutdown(t.Context())) }()
	r.cfg = cfg
	g := (&epoch{tracesReceiver: r}).gauge(s, queue)
	g.start(time.Millisecond)
	defer g.close()
	for range 2 {
		assert.Empty(t, g.crowded)
		_, err = app.Consume(queue, "", true, false, false, false, nil)
		require.NoError(t, err)
	}
	require.ErrorIs(t, <-g.crowded, errShared)
	assert.True(t, needsOperator(errShared), "not hammered at")

	cfg.Queue.Get().Force = true
	assert.Nil(t, (&epoch{tracesReceiver: r}).gauge(s, queue).crowded)
}
