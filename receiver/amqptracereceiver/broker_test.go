package amqptracereceiver

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

func TestPublishAndDeliveriesBecomeSpans(t *testing.T) {
	url := broker.Get(t).URL
	spans := &collected{}
	startReceiver(t, configFor(t, url), spans).reading(1)
	app := dialApplication(t, url)
	shop := app.exchange(unique("shop"), "topic")
	stock, mail := app.queue(unique("stock"), shop, "order.*"), app.queue(unique("mail"), shop, "#")

	p := newParent()
	message := p.message()
	message.CorrelationId = "order 7"
	app.publish(shop, "order.new", message)
	app.get(stock)
	app.get(mail)
	eventually(t, "one publish span and two deliver spans", func() bool { return len(spans.of(p.trace, "")) == 3 })

	publish := spans.of(p.trace, "publish "+shop)[0]
	assert.Equal(t, p.span, publish.ParentSpanID())
	assert.Equal(t, ptrace.SpanKindInternal, publish.Kind())
	routed, _ := publish.Attributes().Get("amqp.routed_queues")
	assert.ElementsMatch(t, []any{stock, mail}, routed.Slice().AsRaw())
	assert.Equal(t, shop+":order.new", publish.text("messaging.destination.name"))
	assert.Equal(t, "order 7", publish.text("messaging.message.conversation_id"))
	assert.Equal(t, message.MessageId, publish.text("messaging.message.id"))
	assert.Equal(t, "guest", publish.text("amqp.user"))
	assert.Contains(t, publish.text("amqp.connection"), " -> ")
	assert.Equal(t, "receiver", publish.text("amqp.time_source"))
	assert.Equal(t, ptrace.StatusCodeUnset, publish.Status().Code())
	service, _ := publish.resource.Get("service.name")
	assert.Equal(t, "rabbitmq", service.Str())
	vhost, _ := publish.resource.Get("amqp.vhost")
	assert.Equal(t, "/", vhost.Str())

	for _, queue := range []string{stock, mail} {
		deliver := spans.of(p.trace, "deliver "+queue)[0]
		assert.Equal(t, p.span, deliver.ParentSpanID(), "publish and deliver are siblings")
		assert.Equal(t, queue, deliver.text("amqp.queue"))
		assert.Equal(t, "paired", deliver.text("amqp.time_source"))
		assert.Equal(t, "0", deliver.text("amqp.delivery.attempt"))
		inQueue, ok := deliver.Attributes().Get("amqp.time_in_queue_ms")
		require.True(t, ok)
		assert.GreaterOrEqual(t, inQueue.Double(), 0.0)
		assert.Equal(t, publish.StartTimestamp(), deliver.StartTimestamp())
	}
}

func TestUnroutableMessageIsAnError(t *testing.T) {
	url := broker.Get(t).URL
	spans := &collected{}
	startReceiver(t, configFor(t, url), spans).reading(1)
	app := dialApplication(t, url)
	shop := app.exchange(unique("shop"), "topic")
	app.queue(unique("other"), shop, "nothing")

	p := newParent()
	app.publish(shop, "nobody.listens", p.message())
	eventually(t, "the publish span", func() bool { return len(spans.of(p.trace, "")) == 1 })

	publish := spans.of(p.trace, "")[0]
	assert.Equal(t, ptrace.StatusCodeError, publish.Status().Code())
	assert.Equal(t, "unroutable", publish.text("error.type"))
	assert.Equal(t, "[]", publish.text("amqp.routed_queues"))
}

func TestRedeliveryAndDeadLetterShow(t *testing.T) {
	url := broker.Get(t).URL
	spans := &collected{}
	startReceiver(t, configFor(t, url), spans).reading(1)
	app := dialApplication(t, url)
	dead := app.queue(unique("dead"), "", "")
	work := unique("work")
	_, err := app.QueueDeclare(work, false, true, false, false, amqp.Table{
		"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead,
	})
	require.NoError(t, err)

	p := newParent()
	app.publish("", work, p.message())
	first, ok, err := app.Get(work, false)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, first.Nack(false, true))
	second, ok, err := app.Get(work, false)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, second.Reject(false))
	app.get(dead)
	eventually(t, "publish, two deliveries, and one after the dead letter", func() bool { return len(spans.of(p.trace, "")) == 4 })

	deliveries := spans.of(p.trace, "deliver "+work)
	require.Len(t, deliveries, 2)
	assert.Equal(t, "0", deliveries[0].text("amqp.delivery.attempt"))
	assert.Equal(t, "false", deliveries[0].text("amqp.redelivered"))
	assert.Equal(t, "1", deliveries[1].text("amqp.delivery.attempt"))
	assert.Equal(t, "true", deliveries[1].text("amqp.redelivered"))
	assert.NotEqual(t, deliveries[0].SpanID(), deliveries[1].SpanID())

	last := spans.of(p.trace, "deliver "+dead)[0]
	assert.Equal(t, `["`+work+`"]`, last.text("amqp.dead_letter.queues"))
	require.Equal(t, 1, last.Events().Len())
	reason, _ := last.Events().At(0).Attributes().Get("amqp.dead_letter.reason")
	assert.Equal(t, "rejected", reason.Str())
	assert.Equal(t, "(absent)", last.text("amqp.time_in_queue_ms"), "nobody knows when it came into this queue")
}

func TestTapSeesPublishesOnly(t *testing.T) {
	url := broker.Get(t).URL
	app := dialApplication(t, url)
	exchanges := map[string]string{}
	for _, kind := range []string{"topic", "direct", "fanout", "headers"} {
		exchanges[kind] = app.exchange(unique(kind), kind)
		app.queue(unique("q"), exchanges[kind], "key") // keeps the exchange, and takes the message as usual
	}
	cfg := configFor(t, url)
	cfg.Tap = []TapConfig{
		{Exchange: exchanges["topic"], Type: "topic", BindingKeys: []string{"key"}},
		{Exchange: exchanges["direct"], Type: "direct", BindingKeys: []string{"key"}},
		{Exchange: exchanges["fanout"], Type: "fanout"},
		{Exchange: exchanges["headers"], Type: "headers"},
	}
	spans := &collected{}
	startReceiver(t, cfg, spans).reading(1)

	p := newParent()
	for _, exchange := range exchanges {
		app.publish(exchange, "key", p.message())
	}
	eventually(t, "one publish span for each exchange", func() bool { return len(spans.of(p.trace, "")) == 4 })
	for _, exchange := range exchanges {
		found := spans.of(p.trace, "publish "+exchange)
		require.Len(t, found, 1)
		assert.Equal(t, "(absent)", found[0].text("amqp.routed_queues"), "a tap cannot know")
		assert.Equal(t, ptrace.StatusCodeUnset, found[0].Status().Code())
	}
}

func TestDeliveryIsStampedByTheBroker(t *testing.T) {
	url := broker.Get(t).URL
	spans := &collected{}
	startReceiver(t, configFor(t, url), spans).reading(1)
	app := dialApplication(t, url)
	queue := app.queue(unique("q"), "", "")

	p := newParent()
	message := p.message()
	// RabbitMQ writes this header itself from 3.12 on, if told to; older ones leave it to the sender.
	message.Headers["timestamp_in_ms"] = time.Now().Add(-time.Minute).UnixMilli()
	app.publish("", queue, message)
	app.get(queue)
	eventually(t, "the deliver span", func() bool { return len(spans.of(p.trace, "deliver "+queue)) == 1 })

	deliver := spans.of(p.trace, "deliver "+queue)[0]
	assert.Equal(t, "broker", deliver.text("amqp.time_source"))
	inQueue, _ := deliver.Attributes().Get("amqp.time_in_queue_ms")
	assert.InDelta(t, time.Minute.Milliseconds(), inQueue.Double(), 30_000)
}
