package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// traffic sends journeys until it is stopped.
type traffic struct {
	journey func() *trace // makes one
	stop    context.CancelFunc
	sender  sync.WaitGroup

	// Written by the sender, read by others once it has ended.
	accepted []*trace // the collector said yes
	refused  int      // it did not, or could not be reached
}

// sendInterval gives 100 journeys, 300 spans, a second.
const sendInterval = 10 * time.Millisecond

// startTraffic sends journeys that all have to be kept.
func (p *parts) startTraffic(t *testing.T) *traffic {
	t.Helper()
	return p.startTrafficOf(t, failedOrderHistory)
}

func (p *parts) startTrafficOf(t *testing.T, journey func() *trace) *traffic {
	t.Helper()
	ctx, stop := context.WithCancel(background())
	tr := &traffic{journey: journey, stop: stop}
	tr.sender.Go(func() {
		ticker := time.NewTicker(sendInterval)
		defer ticker.Stop()
		for ctx.Err() == nil {
			<-ticker.C
			tr.sendOne(p)
		}
	})
	t.Cleanup(func() { tr.end() })
	return tr
}

// sendOne sends a whole journey in one request, so that it is taken or not.
func (tr *traffic) sendOne(p *parts) {
	journey := tr.journey()
	ctx, cancel := withTimeout(patience)
	defer cancel()
	request := ptraceotlp.NewExportRequestFromTraces(together(journey))
	if _, err := p.spans.Export(ctx, request); err != nil {
		tr.refused++
		return
	}
	tr.accepted = append(tr.accepted, journey)
}

// end stops sending and returns what the collector had accepted.
func (tr *traffic) end() []*trace {
	tr.stop()
	tr.sender.Wait()
	return tr.accepted
}

func TestNothingIsLostWhenJaegerIsKilledUnderTraffic(t *testing.T) {
	t.Parallel()
	p := start(t)
	tr := p.startTraffic(t)
	eventually(t, "Jaeger stores spans", func() error {
		if p.storedByJaeger(t) == 0 {
			return fmt.Errorf("none, %+v", p.metrics(t).spans())
		}
		return nil
	})
	require.NoError(t, p.jaeger.Kill())
	eventually(t, "the processor retries what Jaeger does not take", func() error {
		if m := p.metrics(t); m.sum(journeyMetric("release_retries_total")) < 2 {
			return fmt.Errorf("%+v", m.spans())
		}
		return nil
	})
	p.restartJaeger(t)
	eventually(t, "the new Jaeger stores spans", func() error {
		if p.storedByJaeger(t) == 0 {
			return fmt.Errorf("none, %+v", p.metrics(t).spans())
		}
		return nil
	})

	accepted := tr.end()
	require.Zero(t, tr.refused, "requests the collector refused")
	sent := sum(accepted...)
	require.Equal(t, account{received: sent, kept: sent}, p.settled(t, sent))
	for _, journey := range accepted {
		p.stored(t, journey)
	}
}

// restartJaeger starts it on the data and the ports it had.
func (p *parts) restartJaeger(t *testing.T) {
	t.Helper()
	p.jaeger = startJaeger(t, p.jaegerSpec)
}

func TestReceiverAndJourneysSurviveABrokerCrash(t *testing.T) {
	t.Parallel()
	broker := ownBroker(t)
	p := startOn(t, broker.URL)
	ch := channel(t, broker.URL)
	declareShop(t, ch)
	inQueue := p.orderWithMessageInQueue(t, ch)

	ctx, cancel := withTimeout(startTimeout)
	defer cancel()
	require.NoError(t, broker.Sync(ctx))
	require.NoError(t, broker.Kill(ctx))
	eventually(t, "the receiver notices", func() error {
		return want("connected", 0, p.metrics(t).sum("otelcol_receiver_amqp_trace_connected"))
	})
	whileDown := failedOrderHistory()
	p.send(t, whileDown)
	p.stored(t, whileDown)
	require.NoError(t, broker.Restart(ctx))
	p.awaitReceiver(t)
	require.Positive(t, p.metrics(t).sum("otelcol_receiver_amqp_trace_reconnects_total"))

	ch = channel(t, broker.URL)
	consume(t, ch, "mailer-queue", inQueue)
	t.Run("messages published later are seen", func(t *testing.T) {
		p.requireSeesMessages(t, ch)
	})
	t.Run("a message that lay in its queue is delivered and ends the wait", func(t *testing.T) {
		stored := p.stored(t, inQueue)
		require.NotEmpty(t, stored.ofBroker("deliver mailer-queue"), "spans: %v", stored.names())
		require.Equal(t, "ok", stored[inQueue.spans[0].id.String()].tags["journey.outcome"])
	})
	p.metrics(t).spans().requireLaw(t)
}

// orderWithMessageInQueue sends a journey whose message to the mailer lies in
// its queue, on the broker's disk.
func (p *parts) orderWithMessageInQueue(t *testing.T, ch *amqp.Channel) *trace {
	t.Helper()
	order := slowCheckout()
	publish(t, ch, "shop", "checkout.processed", contextOf(order, order.spans[3]))
	consume(t, ch, "stock-queue", order)
	p.send(t, order)
	eventually(t, "publish and delivery are seen", func() error {
		return want("spans pending", len(order.spans)+2, p.metrics(t).spans().pending)
	})
	return order
}

// requireSeesMessages sends a journey over RabbitMQ and waits until it is in
// Jaeger with both hops.
func (p *parts) requireSeesMessages(t *testing.T, ch *amqp.Channel) {
	t.Helper()
	order := slowCheckout()
	publish(t, ch, "shop", "checkout.processed", contextOf(order, order.spans[3]))
	for _, queue := range []string{"stock-queue", "mailer-queue"} {
		consume(t, ch, queue, order)
	}
	p.send(t, order)
	stored := p.stored(t, order)
	require.Len(t, stored, len(order.spans)+3, "spans: %v", stored.names())
	require.Len(t, stored.ofBroker("deliver mailer-queue"), 1)
	require.Equal(t, "ok", stored[order.spans[0].id.String()].tags["journey.outcome"])
}

// ownBroker is one that may be killed.
func ownBroker(t *testing.T) *stack.Broker {
	t.Helper()
	ctx, cancel := withTimeout(startTimeout)
	defer cancel()
	broker, err := stack.StartBroker(ctx, stack.BrokerSpec{Dir: filepath.Join(directory(t), "rabbitmq")})
	require.NoError(t, err)
	if !broker.Owned() {
		t.Skip("the broker of AMQP_URL is not ours to kill")
	}
	t.Cleanup(func() {
		ctx, cancel := withTimeout(stopTimeout)
		defer cancel()
		require.NoError(t, broker.Stop(ctx))
	})
	return broker
}

func TestSigtermDecidesAndFlushesWhatWasAccepted(t *testing.T) {
	t.Parallel()
	p := start(t)
	ch := channel(t, p.brokerURL)
	declareShop(t, ch)
	// It would wait for its message for a quarter of an hour.
	waiting := checkout()
	waiting.spans[2].failed = true
	publish(t, ch, "shop", "checkout.processed", contextOf(waiting, waiting.spans[3]))
	p.send(t, waiting)
	tr := p.startTraffic(t)
	eventually(t, "spans are kept while others wait", func() error {
		if a := p.metrics(t).spans(); a.kept == 0 || a.pending == 0 {
			return fmt.Errorf("%+v", a)
		}
		return nil
	})

	began := time.Now()
	p.stopCollector(t)
	t.Logf("stopped within %s", time.Since(began).Round(time.Millisecond))
	accepted := tr.end()
	require.NotEmpty(t, accepted)
	for _, journey := range append(accepted, waiting) {
		p.stored(t, journey)
	}
	root := p.stored(t, waiting)[waiting.spans[0].id.String()].tags
	require.Contains(t, root["journey.sampling.reason"], "decided early: shutdown")
}
