package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// fromQueues receives OTLP from RabbitMQ, and sends it to the test besides; spans go to the journey processor, too.
const fromQueues = `
receivers:
  amqp_trace/otlp:
    connection:
      endpoints: ["${env:AMQP_ENDPOINT}"]
      vhost: "${env:AMQP_VHOST}"
      auth: {plain: {username: "${env:AMQP_USERNAME}", password: "${env:AMQP_PASSWORD}"}}
    otlp:
      declare: {dead_letter_exchange: otlp-rejected}
      max_body_bytes: 100000
exporters:
  otlp_grpc/sink:
    endpoint: "${env:SINK_ENDPOINT}"
    tls: {insecure: true}
    compression: none
    sending_queue: {enabled: false}
service:
  pipelines:
    traces: {receivers: [otlp, amqp_trace/otlp]}
    traces/queue: {receivers: [amqp_trace/otlp], exporters: [otlp_grpc/sink]}
    logs/queue: {receivers: [amqp_trace/otlp], exporters: [otlp_grpc/sink]}
    metrics/queue: {receivers: [amqp_trace/otlp], exporters: [otlp_grpc/sink]}`

const (
	rejectedQueue = "otlp-rejected"
	// otlpPrefetch is the receiver's default: so many payloads of a queue may be unsettled.
	otlpPrefetch = 10
)

var otlpQueues = []string{"otlp_spans", "otlp_logs", "otlp_metrics"}

// startFromQueues starts the collector on queues of OTLP, and the exchange and queue for what it rejects.
func startFromQueues(t *testing.T) (*parts, *amqp.Channel, *arrivals) {
	t.Helper()
	p := newParts(t, world.broker.vhost(t))
	ch := channel(t, p.brokerURL)
	require.NoError(t, ch.ExchangeDeclare(rejectedQueue, "fanout", true, false, false, false, nil))
	_, err := ch.QueueDeclare(rejectedQueue, true, false, false, false, nil)
	require.NoError(t, err)
	require.NoError(t, ch.QueueBind(rejectedQueue, "", rejectedQueue, false, nil))
	if world.broker.isForeign() {
		t.Cleanup(func() { removeOTLPQueues(t, ch) })
	}
	sink, address := startSink(t)
	overlay := filepath.Join(p.dir, "queues.yaml")
	require.NoError(t, os.WriteFile(overlay, []byte(fromQueues), 0o600))
	p.configs = append(p.configs, overlay)
	p.env["SINK_ENDPOINT"] = address
	p.startCollector(t)
	return p, ch, sink
}

// removeOTLPQueues leaves a broker of AMQP_URL as it was.
func removeOTLPQueues(t *testing.T, ch *amqp.Channel) {
	t.Helper()
	for _, queue := range append([]string{rejectedQueue}, otlpQueues...) {
		_, err := ch.QueueDelete(queue, false, false, false)
		require.NoError(t, err)
	}
	require.NoError(t, ch.ExchangeDelete(rejectedQueue, false, false))
}

// put publishes to a queue and returns when the broker has confirmed it.
func put(ch *amqp.Channel, queue string, message amqp.Publishing) error {
	ctx, cancel := withTimeout(patience)
	defer cancel()
	confirmation, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, false, false, message)
	if err != nil {
		return err
	}
	if acked, err := confirmation.WaitContext(ctx); err != nil || !acked {
		return fmt.Errorf("publish to %s: confirmed: %t, %w", queue, acked, err)
	}
	return nil
}

// requireEmpty wants nothing to be left in a queue. It is for when the collector
// has stopped: until then a message may be with it.
func requireEmpty(t *testing.T, ch *amqp.Channel, queues ...string) {
	t.Helper()
	for _, name := range queues {
		queue, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		require.NoError(t, err)
		require.Zero(t, queue.Messages, "messages in %s", name)
	}
}

func TestTelemetryFromQueuesArrivesAsItWas(t *testing.T) {
	t.Parallel()
	p, ch, sink := startFromQueues(t)
	expected := map[string]int{}
	sent, err := payloads(1)
	require.NoError(t, err)
	for _, one := range sent {
		require.NoError(t, put(ch, one.queue, one.message))
		expected[one.proto]++
	}
	require.Len(t, expected, len(otlpQueues)*len(encodings), "they are all different")
	eventually(t, "all payloads have arrived", func() error { return want("number", len(expected), len(sink.all())) })
	require.Equal(t, expected, sink.all(), "each once, and unchanged")
	for _, signal := range []string{"traces", "logs", "metrics"} {
		eventually(t, "they are counted", func() error {
			return want(signal, len(encodings), p.metrics(t).sum("otelcol_receiver_amqp_trace_payloads_total", "signal="+signal))
		})
	}
	p.stopCollector(t)
	requireEmpty(t, ch, append([]string{rejectedQueue}, otlpQueues...)...)
}

func TestJourneyThatCameThroughAQueueIsKeptWhole(t *testing.T) {
	t.Parallel()
	p, ch, _ := startFromQueues(t)
	failed, fine := failedOrderHistory(), orderHistory(leastRandomness)
	for _, batch := range byService(failed, fine) { // each service publishes its own
		made, err := spansOf(batch)
		require.NoError(t, err)
		require.NoError(t, put(ch, "otlp_spans", amqp.Publishing{Body: made.proto}))
	}
	tags := p.stored(t, failed)[failed.spans[0].id.String()].tags
	require.Equal(t, "error", tags["journey.outcome"])
	require.Equal(t, "order history", tags["journey.name"])
	p.settled(t, sum(failed, fine))
	p.requireNotStored(t, fine)
}

func TestPoisonInAQueueOfTelemetryIsDeadLetteredAndCounted(t *testing.T) {
	t.Parallel()
	p, ch, sink := startFromQueues(t)
	good, err := spansNamed("good")
	require.NoError(t, err)
	wrong, err := logsNamed("logs in the queue of spans")
	require.NoError(t, err)
	poison := map[string]struct {
		cause   string
		message amqp.Publishing
	}{
		"no OTLP":       {"malformed", amqp.Publishing{Body: []byte(`{"resourceSpans": [`)}},
		"no gzip":       {"malformed", amqp.Publishing{Body: good.proto[:20], ContentEncoding: "gzip"}},
		"unknown":       {"content_encoding", amqp.Publishing{Body: good.proto, ContentEncoding: "br"}},
		"too large":     {"too_large", amqp.Publishing{Body: []byte(strings.Repeat(" ", 300_000))}},
		"another thing": {"empty", amqp.Publishing{Body: wrong.json}},
	}
	expected, causes := map[string]string{}, map[string]int{}
	for name, p := range poison {
		p.message.MessageId = name
		require.NoError(t, put(ch, "otlp_spans", p.message))
		expected[name] = string(p.message.Body)
		causes[p.cause]++
	}
	require.NoError(t, put(ch, "otlp_spans", amqp.Publishing{Body: good.proto}))
	eventually(t, "what came behind the poison", func() error { return want("number", 1, len(sink.all())) })
	require.Contains(t, sink.all(), string(good.proto))

	for cause, number := range causes {
		require.Equal(t, number, p.metrics(t).sum("otelcol_receiver_amqp_trace_rejected_payloads_total", "signal=traces", "cause="+cause), cause)
	}
	found := map[string]string{}
	eventually(t, "all poison is in the dead-letter queue", func() error {
		for message, ok, err := ch.Get(rejectedQueue, true); ok; message, ok, err = ch.Get(rejectedQueue, true) {
			require.NoError(t, err)
			found[message.MessageId] = string(message.Body)
			require.Equal(t, "rejected", message.Headers["x-first-death-reason"])
			require.Equal(t, "otlp_spans", message.Headers["x-first-death-queue"])
		}
		return want("number", len(expected), len(found))
	})
	require.Equal(t, expected, found, "as it was published")
	require.Zero(t, p.metrics(t).sum("otelcol_receiver_amqp_trace_reconnects_total"))
}

// putting publishes payloads without pause.
type putting struct {
	stop context.CancelFunc
	wg   sync.WaitGroup
	n    atomic.Int64

	// Written by the publisher, read by others once it has ended.
	confirmed []string
	err       error
}

func startPutting(t *testing.T, ch *amqp.Channel) *putting {
	t.Helper()
	ctx, stop := context.WithCancel(background())
	p := &putting{stop: stop}
	p.wg.Go(func() {
		ticker := time.NewTicker(sendInterval)
		defer ticker.Stop()
		for number := 0; ctx.Err() == nil && p.err == nil; number++ {
			<-ticker.C
			p.err = p.round(ch, number)
		}
	})
	t.Cleanup(func() { p.end() })
	return p
}

// round publishes one of each.
func (p *putting) round(ch *amqp.Channel, number int) error {
	all, err := payloads(number)
	if err != nil {
		return err
	}
	for _, one := range all {
		if err := put(ch, one.queue, one.message); err != nil {
			return err
		}
		p.confirmed = append(p.confirmed, one.proto)
		p.n.Add(1)
	}
	return nil
}

// more waits for further payloads.
func (p *putting) more(t *testing.T) {
	t.Helper()
	before := p.n.Load()
	eventually(t, "further payloads are published", func() error {
		if done := p.n.Load() - before; done < 200 {
			return fmt.Errorf("%d", done)
		}
		return nil
	})
}

func (p *putting) end() {
	p.stop()
	p.wg.Wait()
}

func TestNoTelemetryIsLostInQueuesWhenTheCollectorEnds(t *testing.T) {
	t.Parallel()
	p, ch, sink := startFromQueues(t)
	publisher := startPutting(t, ch)
	publisher.more(t)
	p.stopCollector(t)
	publisher.more(t) // nobody reads
	p.startCollector(t)
	publisher.more(t)
	require.NoError(t, p.collector.Kill())
	publisher.more(t)
	p.startCollector(t)
	publisher.more(t)
	publisher.end()
	require.NoError(t, publisher.err)

	eventually(t, "all that was published has arrived", func() error {
		return want("number", len(publisher.confirmed), len(sink.all()))
	})
	arrived, again := sink.all(), 0
	for _, one := range publisher.confirmed {
		require.Contains(t, arrived, one)
		again += arrived[one] - 1
	}
	t.Logf("%d payloads published, %d came again", len(publisher.confirmed), again)
	require.LessOrEqual(t, again, 2*otlpPrefetch*len(otlpQueues), "only what was unsettled at one of two ends comes again")
	p.stopCollector(t)
	requireEmpty(t, ch, append([]string{rejectedQueue}, otlpQueues...)...)
}
