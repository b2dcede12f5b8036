package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Journeys through the broker that other samplers tear or misjudge. With this
// overlay every wait but quiet is longer than a test's patience: what is decided
// at all was not decided because some time was up. So each of them waits for
// what it needs, and for no longer.
const onlyQuietEnds = `processors: {journey: {completion: {quiet: 3s, missing_wait: 10m, message_wait: 15m, max_wait: 30m}}}`

// startPatient is start with that overlay.
func startPatient(t *testing.T) *parts {
	t.Helper()
	p := newParts(t, world.broker.vhost(t))
	overlay := filepath.Join(p.dir, "patient.yaml")
	require.NoError(t, os.WriteFile(overlay, []byte(onlyQuietEnds), 0o600))
	p.configs = append(p.configs, overlay)
	p.startCollector(t)
	return p
}

// awaitQuiet lets a journey that lacks nothing begin and end, which is longer
// than quiet: what had come before it and lacked nothing would be decided, too.
// It returns how many spans that was.
func (p *parts) awaitQuiet(t *testing.T) int {
	t.Helper()
	other := failedOrderHistory()
	sent := p.send(t, other)
	p.stored(t, other)
	return sent
}

// requireWaits says that the one journey under way is still undecided.
func (p *parts) requireWaits(t *testing.T, sent *trace) {
	t.Helper()
	require.Equal(t, 1, p.metrics(t).sum(journeyMetric("traces_pending")), "journeys that wait")
	p.requireNotStored(t, sent)
}

// requireRoot checks what the root says of the journey, and that it was decided once.
func (p *parts) requireRoot(t *testing.T, stored storedTrace, sent *trace, outcome, rule, reason string, complete bool) {
	t.Helper()
	tags := stored[sent.spans[0].id.String()].tags
	require.Equal(t, outcome, tags["journey.outcome"], "reason: %v", tags["journey.sampling.reason"])
	require.Equal(t, rule, tags["journey.sampling.rule"])
	require.Contains(t, tags["journey.sampling.reason"], reason)
	require.Equal(t, complete, tags["journey.complete"])
	for _, span := range stored {
		require.Equal(t, "checkout", span.tags["journey.name"], "span %q", span.name)
	}
}

// sentOrder is a slow checkout up to its message, which it publishes.
func (p *parts) sentOrder(t *testing.T, ch *amqp.Channel, key string) *trace {
	t.Helper()
	order := startedCheckout()
	order.spans[0].lasting(1500 * time.Millisecond)
	publish(t, ch, "shop", key, contextOf(order, order.last()))
	p.send(t, order)
	return order
}

// process adds and sends the span of a consumer that is instrumented.
func (p *parts) process(t *testing.T, order *trace, failed bool) {
	t.Helper()
	one := &trace{id: order.id, spans: []*span{order.add("stock", "stock-queue process", ptrace.SpanKindConsumer, order.spans[3])}}
	one.last().failed = failed
	p.send(t, one)
}

func TestCheckoutWaitsForTheUninstrumentedMailerAndNoLonger(t *testing.T) {
	t.Parallel()
	p := startPatient(t)
	ch := channel(t, p.brokerURL)
	declareShop(t, ch)

	order := p.sentOrder(t, ch, "checkout.processed")
	consume(t, ch, "stock-queue", order)
	p.process(t, order, false)
	others := p.awaitQuiet(t)
	p.requireWaits(t, order) // the message to the mailer
	p.requireShownWaiting(t, order)
	consume(t, ch, "mailer-queue", order)

	stored := p.stored(t, order)
	p.settled(t, others+len(order.spans)+3)
	require.Len(t, stored, len(order.spans)+3, "a publish, two deliveries: %v", stored.names())
	p.requireRoot(t, stored, order, "ok", "slow", "", true)
	require.Len(t, stored.ofBroker("deliver mailer-queue"), 1)
	require.NotContains(t, stored.services(), "mailer")
}

// requireShownWaiting asks the API and the page about a checkout that waits for
// its message to the mailer: the order's spans, the broker's publish and the
// delivery to stock have come.
func (p *parts) requireShownWaiting(t *testing.T, order *trace) {
	t.Helper()
	var w struct {
		Status, Journey, Outcome string
		Spans                    int
		Since                    time.Time
		Due                      time.Time
		DecidedBy                time.Time `json:"decided_by"`
		LastSpanAt               time.Time `json:"last_span_at"`
		StepsMissing             []string  `json:"steps_missing"`
		Path                     []string
		WaitsFor                 []struct {
			What, Name string
			Count      int
			Until      time.Time
		} `json:"waits_for"`
	}
	require.NoError(t, p.api("/api/v1/traces/"+order.id.String(), &w))
	require.Equal(t, []string{"waiting", "checkout", "ok"}, []string{w.Status, w.Journey, w.Outcome})
	require.Equal(t, len(order.spans)+2, w.Spans)
	require.ElementsMatch(t, []string{"gateway", "checkout", "rabbitmq", "stock"}, w.Path)
	require.Empty(t, w.StepsMissing)
	require.Len(t, w.WaitsFor, 1, "%+v", w.WaitsFor)
	require.Equal(t, []any{"delivery", "mailer-queue", 1}, []any{w.WaitsFor[0].What, w.WaitsFor[0].Name, w.WaitsFor[0].Count})
	require.Equal(t, 15*time.Minute, w.Due.Sub(w.LastSpanAt), "message_wait")
	require.Equal(t, w.Due, w.WaitsFor[0].Until)
	require.Equal(t, 30*time.Minute, w.DecidedBy.Sub(w.Since), "max_wait")
	tab := world.browser.get(t).OpenPage(t, desk, "http://"+p.env["JOURNEYS_ENDPOINT"]+"/#/trace?id="+order.id.String())
	tab.Await("what it waits for", "document.querySelector('#waits [data-what=delivery]')?.innerText.includes('mailer-queue')")
	requireLooks(tab, "shop-waiting")
}

func TestCheckoutWithAnUnroutableMessageWaitsForNobody(t *testing.T) {
	t.Parallel()
	p := startPatient(t)
	ch := channel(t, p.brokerURL)
	declareShop(t, ch)

	order := p.sentOrder(t, ch, "checkout.misspelt")

	stored := p.stored(t, order) // although stock's step is missing, and will be
	p.settled(t, len(order.spans)+1)
	require.Len(t, stored, len(order.spans)+1, "spans: %v", stored.names())
	p.requireRoot(t, stored, order, "incomplete", "incomplete", "unroutable", false)
}

// The consumer comes back after a while; what it missed is in its queue. Before it was away it had taken a second
// message and not acknowledged it: that one is delivered twice.
func TestCheckoutWaitsForAConsumerThatWasAway(t *testing.T) {
	t.Parallel()
	p := startPatient(t)
	ch := channel(t, p.brokerURL)
	declareShop(t, ch)

	taken := p.sentOrder(t, ch, "checkout.processed")
	consume(t, ch, "mailer-queue", taken)
	crash(t, p.brokerURL, "stock-queue")
	missed := p.sentOrder(t, ch, "checkout.processed")
	consume(t, ch, "mailer-queue", missed)
	others := p.awaitQuiet(t)
	require.Equal(t, 2, p.metrics(t).sum(journeyMetric("traces_pending")), "journeys that wait")

	for _, order := range []*trace{taken, missed} {
		consume(t, ch, "stock-queue", order)
		p.process(t, order, false)
	}
	for order, deliveries := range map[*trace]int{taken: 2, missed: 1} {
		stored := p.stored(t, order)
		require.Len(t, stored.ofBroker("deliver stock-queue"), deliveries, "spans: %v", stored.names())
		require.Len(t, stored, len(order.spans)+2+deliveries, "spans: %v", stored.names())
		p.requireRoot(t, stored, order, "ok", "slow", "", true)
	}
	p.settled(t, others+len(taken.spans)+len(missed.spans)+4+3)
}

// crash takes a message as a consumer that ends before it acknowledges.
func crash(t *testing.T, brokerURL, queue string) {
	t.Helper()
	conn, err := amqp.Dial(brokerURL)
	require.NoError(t, err)
	ch, err := conn.Channel()
	require.NoError(t, err)
	_, ok, err := ch.Get(queue, false)
	require.NoError(t, err)
	require.True(t, ok, "a message in %s", queue)
	require.NoError(t, conn.Close())
}

const retries = 3

// declareRetries makes a queue that gives a message up after three retries, to
// a dead-letter queue.
func declareRetries(t *testing.T, ch *amqp.Channel) {
	t.Helper()
	require.NoError(t, ch.ExchangeDeclare("shop", "topic", true, false, false, false, nil))
	_, err := ch.QueueDeclare("stock-dead-letters", true, false, false, false, nil)
	require.NoError(t, err)
	_, err = ch.QueueDeclare("stock-queue", true, false, false, false, amqp.Table{
		"x-queue-type": "quorum", "x-delivery-limit": int32(retries),
		"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "stock-dead-letters",
	})
	require.NoError(t, err)
	require.NoError(t, ch.QueueBind("stock-queue", "checkout.processed", "shop", false, nil))
	if world.broker.isForeign() {
		t.Cleanup(func() {
			for _, queue := range []string{"stock-queue", "stock-dead-letters"} {
				_, err := ch.QueueDelete(queue, false, false, false)
				require.NoError(t, err)
			}
			require.NoError(t, ch.ExchangeDelete("shop", false, false))
		})
	}
}

// awaitAndRefuse takes a message from the stock queue as soon as it is there, and gives it back.
func awaitAndRefuse(t *testing.T, ch *amqp.Channel) {
	t.Helper()
	eventually(t, "a message in the stock queue", func() error {
		message, ok, err := ch.Get("stock-queue", false)
		require.NoError(t, err)
		if !ok {
			return errors.New("it is empty")
		}
		require.NoError(t, message.Nack(false, true))
		return nil
	})
}

// The consumer is instrumented and fails each time. The first failure decides
// the journey; what comes of it much later, to the dead letter, joins it.
func TestRetriesAndALateDeadLetterJoinTheirJourney(t *testing.T) {
	t.Parallel()
	p := startPatient(t)
	ch := channel(t, p.brokerURL)
	declareRetries(t, ch)

	order := p.sentOrder(t, ch, "checkout.processed")
	awaitAndRefuse(t, ch)
	p.process(t, order, true)
	stored := p.stored(t, order)
	p.requireRoot(t, stored, order, "error", "failed", `"stock-queue process" of "stock" failed`, true)

	for range retries {
		awaitAndRefuse(t, ch)
		p.process(t, order, true)
	}
	consume(t, ch, "stock-dead-letters", order) // by nobody who is instrumented
	sent := len(order.spans) + 1 + (1 + retries) + 1
	require.Equal(t, account{received: sent, kept: sent}, p.settled(t, sent))
	p.requireAttempts(t, order, sent)
	require.Equal(t, 1, p.metrics(t).sum(journeyMetric("journeys_total")), "decided once")
}

// requireAttempts waits for all spans of an order that was retried and dead-lettered.
func (p *parts) requireAttempts(t *testing.T, order *trace, spans int) storedTrace {
	t.Helper()
	var stored storedTrace
	eventually(t, "all spans are in Jaeger", func() error {
		stored = p.stored(t, order)
		return want("spans", spans, len(stored))
	})
	attempts := map[float64]bool{}
	for _, delivery := range stored.ofBroker("deliver stock-queue") {
		attempts[delivery.tags["amqp.delivery.attempt"].(float64)] = delivery.tags["amqp.redelivered"].(bool)
	}
	require.Equal(t, map[float64]bool{0: false, 1: true, 2: true, 3: true}, attempts, "attempt and whether it was a redelivery")
	dead := stored.ofBroker("deliver stock-dead-letters")
	require.Len(t, dead, 1, "spans: %v", stored.names())
	require.JSONEq(t, `["stock-queue"]`, text(dead[0].tags["amqp.dead_letter.queues"]))
	return stored
}

// Nobody who is instrumented takes part, and nothing has failed when the journey
// is decided: no rule keeps it. The dead letter brings it back, whole.
func TestALateDeadLetterBringsADroppedJourneyBack(t *testing.T) {
	t.Parallel()
	p := startPatient(t)
	ch := channel(t, p.brokerURL)
	declareRetries(t, ch)

	order := checkout() // ordinary, with the least randomness
	publish(t, ch, "shop", "checkout.processed", contextOf(order, order.spans[3]))
	awaitAndRefuse(t, ch)
	p.send(t, order)
	eventually(t, "the journey is dropped", func() error {
		return want("dropped", 1, p.metrics(t).sum(journeyMetric("journeys_total"), "decision=dropped"))
	})
	p.requireNotStored(t, order)

	for range retries {
		awaitAndRefuse(t, ch)
	}
	consume(t, ch, "stock-dead-letters", order)
	sent := len(order.spans) + 1 + (1 + retries) + 1
	stored := p.requireAttempts(t, order, sent)
	p.requireRoot(t, stored, order, "incomplete", "incomplete", `dead-lettered from "stock-queue" to "stock-dead-letters"`, true)
	require.Equal(t, account{received: sent, kept: sent}, p.settled(t, sent))
}
