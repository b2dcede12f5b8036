package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// channel opens a channel in publisher-confirm mode at the broker.
func channel(t *testing.T, brokerURL string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(brokerURL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() }) // a test may have killed its broker
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Confirm(false))
	return ch
}

// declareShop makes the exchange and the two queues of a checkout.
func declareShop(t *testing.T, ch *amqp.Channel) {
	t.Helper()
	require.NoError(t, ch.ExchangeDeclare("shop", "topic", true, false, false, false, nil))
	for _, queue := range []string{"stock-queue", "mailer-queue"} {
		_, err := ch.QueueDeclare(queue, true, false, false, false, nil)
		require.NoError(t, err)
		require.NoError(t, ch.QueueBind(queue, "checkout.processed", "shop", false, nil))
	}
	if world.broker.isForeign() {
		t.Cleanup(func() { removeShop(t, ch) })
	}
}

// removeShop leaves a broker of AMQP_URL as it was.
func removeShop(t *testing.T, ch *amqp.Channel) {
	t.Helper()
	for _, queue := range []string{"stock-queue", "mailer-queue"} {
		_, err := ch.QueueDelete(queue, false, false, false)
		require.NoError(t, err)
	}
	require.NoError(t, ch.ExchangeDelete("shop", false, false))
}

// publish returns when the broker has confirmed the message.
func publish(t *testing.T, ch *amqp.Channel, exchange, key string, headers amqp.Table) {
	t.Helper()
	ctx, cancel := withTimeout(patience)
	defer cancel()
	confirmation, err := ch.PublishWithDeferredConfirmWithContext(ctx, exchange, key, false, false,
		amqp.Publishing{Headers: headers, DeliveryMode: amqp.Persistent, ContentType: "application/json", Body: []byte(`{"total": 42}`)})
	require.NoError(t, err)
	acked, err := confirmation.WaitContext(ctx)
	require.NoError(t, err)
	require.True(t, acked, "the broker's confirmation")
}

// consume takes this journey's message from a queue and acknowledges it, as a
// service without any instrumentation would. So it does with all before it.
func consume(t *testing.T, ch *amqp.Channel, queue string, sent *trace) {
	t.Helper()
	eventually(t, "the message in "+queue, func() error {
		message, ok, err := ch.Get(queue, false)
		require.NoError(t, err)
		if !ok {
			return fmt.Errorf("%s is empty", queue)
		}
		require.NoError(t, message.Ack(false))
		if parent, _ := message.Headers["traceparent"].(string); !strings.Contains(parent, sent.id.String()) {
			return fmt.Errorf("a message of %s", parent)
		}
		return nil
	})
}

// contextOf is what an instrumented publisher writes into a message's headers.
func contextOf(t *trace, s *span) amqp.Table { return amqp.Table{"traceparent": t.traceparent(s)} }

func TestJourneyWaitsForItsMessageAndShowsTheHopToAnUninstrumentedService(t *testing.T) {
	t.Parallel()
	p := start(t)
	ch := channel(t, p.brokerURL)
	declareShop(t, ch)

	order := slowCheckout()
	publish(t, ch, "shop", "checkout.processed", contextOf(order, order.spans[3]))
	published := time.Now()
	consume(t, ch, "stock-queue", order)
	p.send(t, order)

	// The message to the mailer is still in its queue. A journey that began
	// later and waits the full missing_wait is decided before it.
	other := startedCheckout()
	p.send(t, other)
	p.stored(t, other)
	require.Equal(t, 1, p.metrics(t).sum("otelcol_processor_journey_traces_pending"), "journeys that wait")
	p.requireNotStored(t, order)

	consume(t, ch, "mailer-queue", order)
	inQueue := time.Since(published)
	stored := p.stored(t, order)
	p.settled(t, len(order.spans)+len(other.spans)+3)
	require.Len(t, stored, len(order.spans)+3, "one publish, two deliveries: %v", stored.names())
	root := stored[order.spans[0].id.String()].tags
	require.Equal(t, "ok", root["journey.outcome"], "reason: %v", root["journey.sampling.reason"])
	require.Equal(t, "slow", root["journey.sampling.rule"])
	require.Equal(t, true, root["journey.complete"])
	require.JSONEq(t, `["checkout","gateway","rabbitmq","stock"]`, sorted(text(root["journey.path"])))
	requireHop(t, stored, inQueue)
	require.Equal(t, p.metrics(t).spans().kept, p.storedByJaeger(t))
}

// clockSlack is how far the times of publish and delivery as the collector saw
// them may be from ours: how late its copies of the messages can come.
const clockSlack = 2 * time.Second

func requireHop(t *testing.T, stored storedTrace, inQueue time.Duration) {
	t.Helper()
	publishes := stored.ofBroker("publish shop")
	require.Len(t, publishes, 1)
	require.JSONEq(t, `["mailer-queue","stock-queue"]`, sorted(text(publishes[0].tags["amqp.routed_queues"])))
	require.Equal(t, "checkout", publishes[0].tags["journey.name"])

	deliveries := stored.ofBroker("deliver mailer-queue")
	require.Len(t, deliveries, 1)
	tags := deliveries[0].tags
	require.Equal(t, "mailer-queue", tags["amqp.queue"])
	require.Equal(t, false, tags["amqp.redelivered"])
	require.InDelta(t, 0, tags["amqp.delivery.attempt"], 0)
	require.InDelta(t, float64(inQueue.Milliseconds()), tags["amqp.time_in_queue_ms"], float64(clockSlack.Milliseconds()),
		"time in mailer-queue, from %v", tags["amqp.time_source"])
	require.Len(t, stored.ofBroker("deliver stock-queue"), 1)
}

func TestUnroutableMessageMakesTheJourneyIncomplete(t *testing.T) {
	t.Parallel()
	p := start(t)
	ch := channel(t, p.brokerURL)
	declareShop(t, ch)

	lost := newTrace(leastRandomness)
	root := lost.add("gateway", "GET /api/orders", ptrace.SpanKindServer, nil)
	sender := lost.add("orders", "send orders.viewed", ptrace.SpanKindProducer, root)
	publish(t, ch, "shop", "orders.viewed", contextOf(lost, sender))
	p.send(t, lost)

	stored := p.stored(t, lost)
	tags := stored[root.id.String()].tags
	require.Equal(t, "incomplete", tags["journey.outcome"])
	require.Equal(t, "incomplete", tags["journey.sampling.rule"])
	require.Contains(t, tags["journey.sampling.reason"], "unroutable")
	published := stored.ofBroker("publish shop")
	require.Len(t, published, 1, "spans: %v", stored.names())
	require.Equal(t, "unroutable", published[0].tags["error.type"])
	require.Equal(t, true, published[0].tags["error"])
	p.settled(t, len(lost.spans)+1)
}

func TestRetriedMessageShowsEachAttempt(t *testing.T) {
	t.Parallel()
	p := start(t)
	ch := channel(t, p.brokerURL)
	declareShop(t, ch)

	order := slowCheckout()
	publish(t, ch, "shop", "checkout.processed", contextOf(order, order.spans[3]))
	consume(t, ch, "mailer-queue", order)
	refuseOne(t, ch, "stock-queue")
	consume(t, ch, "stock-queue", order)
	p.send(t, order)

	stored := p.stored(t, order)
	attempts := map[float64]bool{}
	for _, delivery := range stored.ofBroker("deliver stock-queue") {
		attempts[delivery.tags["amqp.delivery.attempt"].(float64)] = delivery.tags["amqp.redelivered"].(bool)
	}
	require.Equal(t, map[float64]bool{0: false, 1: true}, attempts, "attempt and whether it was a redelivery")
	p.settled(t, len(order.spans)+4)
}

// refuseOne takes a message and gives it back.
func refuseOne(t *testing.T, ch *amqp.Channel, queue string) {
	t.Helper()
	message, ok, err := ch.Get(queue, false)
	require.NoError(t, err)
	require.True(t, ok, "a message in %s", queue)
	require.NoError(t, message.Nack(false, true))
}
