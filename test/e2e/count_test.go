package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
)

const (
	// countedMessages is how many are counted in every run of the tests;
	// `make million` sets messagesVariable.
	countedMessages  = 50_000
	messagesVariable = "E2E_MESSAGES"
	// reportVariable is the file that gets the counts, if it is set.
	reportVariable = "E2E_REPORT"
	// refusedEvery makes deliveries differ from messages: so many messages
	// apart, one is given back and delivered a second time.
	refusedEvery = 100
	// unroutableEvery makes one message in so many one that nobody gets.
	unroutableEvery = 1000
	// underWay is how many events may not have come out of the collector yet.
	// With it the receiver's queue of 10,000 messages never drops one, whatever
	// the machine does besides.
	underWay = 6000
)

// countsToo sends everything that amqp_trace makes to the test as well, and
// keeps no journey, so that Jaeger has nothing to store.
const countsToo = `
processors: {journey: {sampling: {rules: [{name: none, keep: 0%}]}, buffer: {recall: 0B}}}
exporters:
  otlp_grpc/count:
    endpoint: "${env:COUNT_OTLP_ENDPOINT}"
    tls: {insecure: true}
    compression: none
    sending_queue: {enabled: false}
service: {pipelines: {traces/count: {receivers: [amqp_trace], exporters: [otlp_grpc/count]}}}`

// The law of the receiver: every publish and every delivery is one span, and
// there is no other.
func TestEveryPublishAndEveryDeliveryIsOneSpan(t *testing.T) {
	t.Parallel()
	p := newParts(t, world.broker.vhost(t))
	seen := p.startCounting(t)
	p.startCollector(t)
	ch := channel(t, p.brokerURL)
	declareCounted(t, ch)
	begun := time.Now()
	c := startCounted(t, p.brokerURL, seen)
	c.publishAll(t, ch, messagesToCount(t))
	c.awaitAll(t)

	took := time.Since(begun)
	publishes, deliveries, doubled := seen.counts()
	t.Logf("%d messages published, %d delivered in %v: %d publish spans, %d deliver spans, %d more than once",
		c.published, c.delivered, took.Round(time.Millisecond), publishes, deliveries, doubled)
	require.Equal(t, c.published, publishes, "publish spans")
	require.Equal(t, c.delivered, deliveries, "deliver spans")
	require.Zero(t, doubled, "nothing was redelivered to the receiver")
	m := p.metrics(t)
	require.Equal(t, publishes, m.sum("otelcol_receiver_amqp_trace_spans_total", "operation=publish"))
	require.Equal(t, deliveries, m.sum("otelcol_receiver_amqp_trace_spans_total", "operation=deliver"))
	require.Zero(t, m.sum("otelcol_receiver_amqp_trace_reconnects_total"))
	settled := p.settled(t, publishes+deliveries)
	require.Equal(t, account{received: publishes + deliveries, dropped: publishes + deliveries}, settled)
	require.Equal(t, c.published, p.metrics(t).sum(journeyMetric("journeys_total")), "each message is a journey here")
	report(t, c, took)
}

func messagesToCount(t *testing.T) int {
	t.Helper()
	text := os.Getenv(messagesVariable)
	if text == "" {
		return countedMessages
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, messagesVariable)
	return n
}

// seenSpans is the backend of the second pipeline: it knows each span by its id.
type seenSpans struct {
	ptraceotlp.UnimplementedGRPCServer

	mu      sync.Mutex // guards what follows
	spans   map[pcommon.SpanID]struct{}
	publish int
	deliver int
	doubled int
	news    chan struct{} // has room for one; filled after each request
}

func (s *seenSpans) Export(_ context.Context, request ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rs := range request.Traces().ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				s.see(span)
			}
		}
	}
	select {
	case s.news <- struct{}{}:
	default:
	}
	return ptraceotlp.NewExportResponse(), nil
}

func (s *seenSpans) see(span ptrace.Span) {
	if _, known := s.spans[span.SpanID()]; known {
		s.doubled++
		return
	}
	s.spans[span.SpanID()] = struct{}{}
	switch {
	case strings.HasPrefix(span.Name(), "publish "):
		s.publish++
	case strings.HasPrefix(span.Name(), "deliver "):
		s.deliver++
	}
}

func (s *seenSpans) counts() (publish, deliver, doubled int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.publish, s.deliver, s.doubled
}

// startCounting starts that backend and adds the pipeline to it.
func (p *parts) startCounting(t *testing.T) *seenSpans {
	t.Helper()
	seen := &seenSpans{spans: map[pcommon.SpanID]struct{}{}, news: make(chan struct{}, 1)}
	listener, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	ptraceotlp.RegisterGRPCServer(server, seen)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() { server.Stop(); serving.Wait() })
	overlay := filepath.Join(p.dir, "count.yaml")
	require.NoError(t, os.WriteFile(overlay, []byte(countsToo), 0o600))
	p.configs = append(p.configs, overlay)
	p.env["COUNT_OTLP_ENDPOINT"] = listener.Addr().String()
	return seen
}

func declareCounted(t *testing.T, ch *amqp.Channel) {
	t.Helper()
	require.NoError(t, ch.ExchangeDeclare("counted", "direct", false, true, false, false, nil))
	_, err := ch.QueueDeclare("counted-queue", false, true, false, false, nil)
	require.NoError(t, err)
	require.NoError(t, ch.QueueBind("counted-queue", "counted", "counted", false, nil))
}

// counted is an application that counts what it does.
type counted struct {
	seen      *seenSpans
	published int // the broker has confirmed
	routed    int

	mu        sync.Mutex // guards delivered, which the consumer writes
	delivered int
}

// startCounted starts the consumer, on a connection of its own.
func startCounted(t *testing.T, brokerURL string, seen *seenSpans) *counted {
	t.Helper()
	c := &counted{seen: seen}
	ch := channel(t, brokerURL)
	require.NoError(t, ch.Qos(500, 0, false))
	deliveries, err := ch.Consume("counted-queue", "counted", false, false, false, false, nil)
	require.NoError(t, err)
	var consuming sync.WaitGroup
	consuming.Go(func() { c.consume(t, deliveries) })
	t.Cleanup(func() {
		_ = ch.Cancel("counted", false)
		consuming.Wait()
	})
	return c
}

func (c *counted) consume(t *testing.T, deliveries <-chan amqp.Delivery) {
	taken := 0
	for d := range deliveries {
		c.mu.Lock()
		c.delivered++
		c.mu.Unlock()
		taken++
		var err error
		if taken%refusedEvery == 0 && !d.Redelivered {
			err = d.Nack(false, true)
		} else {
			err = d.Ack(false)
		}
		if err != nil {
			t.Errorf("settle a delivery: %v", err)
			return
		}
	}
}

// events is how much there is to be seen so far.
func (c *counted) events() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.published + c.delivered
}

func (c *counted) publishAll(t *testing.T, ch *amqp.Channel, messages int) {
	t.Helper()
	var last *amqp.DeferredConfirmation
	for i := range messages {
		c.awaitRoom(t)
		key := "counted"
		if i%unroutableEvery == unroutableEvery-1 {
			key = "nobody"
		} else {
			c.routed++
		}
		var err error
		last, err = ch.PublishWithDeferredConfirmWithContext(t.Context(), "counted", key, false, false, countedMessage(i))
		require.NoError(t, err)
		c.published++
	}
	ctx, cancel := withTimeout(patience)
	defer cancel()
	acked, err := last.WaitContext(ctx)
	require.NoError(t, err)
	require.True(t, acked)
}

// countedMessage has a trace of its own, with the least randomness.
func countedMessage(i int) amqp.Publishing {
	var id pcommon.TraceID
	binary.BigEndian.PutUint64(id[:8], uint64(i)+1)
	id[8] = 1
	return amqp.Publishing{
		Headers:   amqp.Table{"traceparent": fmt.Sprintf("00-%s-%016x-01", id, i+1)},
		MessageId: strconv.Itoa(i), Body: []byte("{}"),
	}
}

// awaitRoom waits while too much is under way.
func (c *counted) awaitRoom(t *testing.T) {
	t.Helper()
	for c.missing() > underWay {
		select {
		case <-c.seen.news:
		case <-time.After(patience):
			t.Fatalf("no span has come for %s; %d events are missing", patience, c.missing())
		}
	}
}

func (c *counted) missing() int {
	publish, deliver, _ := c.seen.counts()
	return c.events() - publish - deliver
}

// awaitAll waits until all is consumed, and seen.
func (c *counted) awaitAll(t *testing.T) {
	t.Helper()
	eventually(t, "all messages are consumed, and every event is seen", func() error {
		if c.events() < c.published+c.routed {
			return errors.New("messages wait in the queue")
		}
		return want("events without a span", 0, c.missing())
	})
}

// report writes the counts down for who asked for them.
func report(t *testing.T, c *counted, took time.Duration) {
	t.Helper()
	path := os.Getenv(reportVariable)
	if path == "" {
		return
	}
	publish, deliver, doubled := c.seen.counts()
	text := fmt.Sprintf(`# Messages counted, end to end

%s, RabbitMQ of this machine (%s), the built collector with otelcol-config.yaml and a second pipeline that counts; %s.

| | the application | spans that came out | more than once |
| --- | --- | --- | --- |
| published | %d | %d | |
| delivered | %d | %d | |
| sum | %d | %d | %d |

One message in %d is unroutable, one in %d is given back once and delivered again. The journey processor has received the same
number of spans, and decided about all of them. Took %s.
`, time.Now().UTC().Format(time.RFC3339), world.broker.broker.Origin, "`make million`",
		c.published, publish, c.delivered, deliver, c.published+c.delivered, publish+deliver, doubled,
		unroutableEvery, refusedEvery, took.Round(time.Second))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}
