package amqptracereceiver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// seen publishes messages until one of them has become a span: the receiver is back.
func seen(t *testing.T, spans *collected, app *application, queue string) {
	t.Helper()
	eventually(t, "a span of a new message", func() bool {
		p := newParent()
		app.publish("", queue, p.message())
		deadline := time.Now().Add(500 * time.Millisecond)
		for time.Now().Before(deadline) {
			if len(spans.of(p.trace, "")) > 0 {
				return true
			}
			app.mustSucceed(app.QueuePurge(queue, false)) // a round trip to the broker, in place of a pause
		}
		return false
	})
}

func (a *application) mustSucceed(_ int, err error) {
	a.t.Helper()
	require.NoError(a.t, err)
}

func TestBrokerMayBeDownAtStartAndDieLater(t *testing.T) {
	b := broker.Get(t)
	if !b.Owned() {
		t.Skip("the broker of AMQP_URL must not be killed")
	}
	require.NoError(t, b.Kill(t.Context()))
	spans := &collected{}
	r := startReceiver(t, configFor(t, b.URL), spans)
	eventually(t, "a failed attempt", func() bool { return r.logs.FilterMessage("not reading from the broker").Len() > 1 })

	for life := 1; life <= 2; life++ { // the second is for the tests that come after, too
		restart(t, b)
		r.reading(life)
		assert.True(t, r.status.is(componentstatus.StatusOK))
		app := dialApplication(t, b.URL)
		queue := app.queue(unique("q"), "", "")
		p := newParent()
		app.publish("", queue, p.message())
		app.get(queue)
		eventually(t, "publish and deliver span", func() bool { return len(spans.of(p.trace, "")) == 2 })
		assert.EqualValues(t, 1, r.metric("connected"))
		if life == 1 {
			require.NoError(t, b.Kill(t.Context()))
			eventually(t, "disconnected", func() bool {
				return r.metric("connected") == 0 && r.status.is(componentstatus.StatusRecoverableError)
			})
		}
	}
}

func restart(t *testing.T, b *stack.Broker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, b.Restart(ctx))
}

func TestQueueDeletedUnderUs(t *testing.T) {
	url := broker.Get(t).URL
	cfg := configFor(t, url)
	cfg.OwnQueue.Name = "otel." + unique("deleted")
	cfg.OwnQueue.Durable = true
	spans := &collected{}
	r := startReceiver(t, cfg, spans)
	r.reading(1)
	app := dialApplication(t, url)
	app.mustSucceed(app.QueueDelete(cfg.OwnQueue.Name, false, false, false))
	r.reading(2)
	seen(t, spans, app, app.queue(unique("q"), "", ""))
	assert.Equal(t, 1, r.logs.FilterMessage("not reading from the broker").Len())
	r.stop()
	app.mustSucceed(app.QueueDelete(cfg.OwnQueue.Name, false, false, false))
}

// poisons are messages that end the connection of an ordinary client that reads their copies from the firehose.
var poisons = map[string]struct {
	headers func() amqp.Table
	durable bool
	metric  string
}{
	"header block above the frame size": {
		headers: func() amqp.Table { return amqp.Table{"large": strings.Repeat("x", 130_900)} },
		metric:  "oversized_frames",
	},
	"more entries than the client reads": {
		headers: func() amqp.Table {
			many := amqp.Table{}
			for i := range 8500 {
				many[fmt.Sprintf("%x", i)] = nil
			}
			return many
		},
		durable: true, // it would come back for ever
		metric:  "skipped",
	},
}

func TestPoisonMessageIsPassedAndNothingElseIsLost(t *testing.T) {
	for name, poison := range poisons {
		t.Run(name, func(t *testing.T) {
			url := broker.Get(t).URL
			cfg := configFor(t, url)
			cfg.OwnQueue.Durable = poison.durable
			cfg.OwnQueue.Name = "otel." + unique("poison")
			spans := &collected{}
			r := startReceiver(t, cfg, spans)
			r.reading(1)
			app := dialApplication(t, url)
			shop := app.exchange(unique("shop"), "fanout")
			app.queue(unique("q"), shop, "")

			p := newParent()
			for i := range 300 {
				if i == 150 {
					app.publish(shop, "", amqp.Publishing{Headers: poison.headers()})
				}
				app.publish(shop, "", p.message())
			}
			eventually(t, "the spans of all other messages", func() bool { return distinct(spans.of(p.trace, "publish "+shop)) == 300 })
			eventually(t, "count", func() bool { return r.metric(poison.metric) == 1 })
			r.stop()
			if !poison.durable {
				assert.Zero(t, r.logs.FilterMessage("not reading from the broker").Len(), "the connection survives")
				return
			}
			app.mustSucceed(app.QueueDelete(cfg.OwnQueue.Name, false, false, false))
		})
	}
}

// distinct counts span ids: a redelivered event gives the same one again.
func distinct(spans []keptSpan) int {
	ids := map[string]bool{}
	for _, s := range spans {
		ids[s.SpanID().String()] = true
	}
	return len(ids)
}

func TestLargeAndOddHeaders(t *testing.T) {
	url := broker.Get(t).URL
	spans := &collected{}
	r := startReceiver(t, configFor(t, url), spans)
	r.reading(1)
	app := dialApplication(t, url)
	queue := app.queue(unique("q"), "", "")

	p := newParent()
	for _, headers := range []amqp.Table{
		{"traceparent": p.header(), "large": strings.Repeat("x", 100<<10)},
		{"TraceParent": []byte(p.header()), "tracestate": int64(1)},
		{
			"traceparent": p.header(), "x-death": "none", "x-delivery-count": "many", "timestamp_in_ms": "now",
			"decimal": amqp.Decimal{Scale: 1, Value: 2}, "nested": amqp.Table{"deeper": []any{amqp.Table{"n": nil}, int8(1), 1.5}},
			"bytes": []byte{0xff}, "at": time.Unix(1, 0), "not text": "\xff\xfe",
		},
	} {
		message := p.message()
		message.Headers = headers
		message.CorrelationId = "\xff"
		app.publish("", queue, message)
		assert.Equal(t, message.MessageId, app.get(queue).MessageId)
	}
	malformed := newParent()
	message := malformed.message()
	message.Headers["traceparent"] = "00-" + malformed.trace.String() + "-zz"
	app.publish("", queue, message)
	app.get(queue)

	eventually(t, "publish and deliver of all three", func() bool { return len(spans.of(p.trace, "")) == 6 })
	for _, s := range spans.of(p.trace, "") {
		assert.Equal(t, "\uFFFD", s.text("messaging.message.conversation_id"))
	}
	eventually(t, "two events counted as malformed", func() bool { return r.metric("context_errors") == 2 })
	assert.Empty(t, spans.of(malformed.trace, ""))
	assert.Zero(t, r.logs.FilterMessage("not reading from the broker").Len())
}

func TestRefusingPipelineHoldsUpNobody(t *testing.T) {
	url := broker.Get(t).URL
	cfg := configFor(t, url)
	cfg.OwnQueue.MaxLength = 100_000
	spans := &collected{refuse: errors.New("full")}
	r := startReceiver(t, cfg, spans)
	r.reading(1)
	app := dialApplication(t, url)
	queue := app.queue(unique("q"), "", "")

	p := newParent()
	began := time.Now()
	const messages = 3000 // more than prefetch
	for range messages {
		app.publish("", queue, p.message())
	}
	t.Logf("%d confirmed publishes while the pipeline refuses: %v each", messages, time.Since(began)/messages)
	eventually(t, "several attempts", func() bool { return spans.attempts() > 3 })
	assert.Empty(t, spans.of(p.trace, ""))

	spans.setRefuse(nil)
	eventually(t, "every publish span, once", func() bool { return len(spans.of(p.trace, "")) >= messages })
	assert.Len(t, spans.of(p.trace, ""), messages)
	assert.Equal(t, messages, distinct(spans.of(p.trace, "")))
	assert.Positive(t, r.metric("retries"))
}

func TestHeldTooLongGoesBackToTheQueueAndKeepsItsIDs(t *testing.T) {
	url := broker.Get(t).URL
	cfg := configFor(t, url)
	cfg.Limits.MaxHold = 300 * time.Millisecond
	spans := &collected{refuse: errors.New("full")}
	r := startReceiver(t, cfg, spans)
	r.reading(1)
	app := dialApplication(t, url)
	queue := app.queue(unique("q"), "", "")
	p := newParent()
	for range 20 {
		app.publish("", queue, p.message())
	}
	r.reading(3) // gave everything back twice, on one connection
	spans.setRefuse(nil)
	eventually(t, "every publish span", func() bool { return len(spans.of(p.trace, "")) == 20 })
	assert.Equal(t, 20, distinct(spans.of(p.trace, "")))
	assert.Zero(t, r.logs.FilterMessage("not reading from the broker").Len(), "an exclusive queue must not end")
	eventually(t, "counts", func() bool { return r.metric("requeued") >= 2 && r.metric("redelivered") >= 20 })
}

func TestPermanentRefusalIsCountedAndOver(t *testing.T) {
	url := broker.Get(t).URL
	spans := &collected{refuse: consumererror.NewPermanent(errors.New("never"))}
	r := startReceiver(t, configFor(t, url), spans)
	r.reading(1)
	app := dialApplication(t, url)
	queue := app.queue(unique("q"), "", "")
	app.publish("", queue, newParent().message())
	eventually(t, "one span rejected", func() bool { return r.metric("rejected_spans") == 1 })
	spans.setRefuse(nil)
	seen(t, spans, app, queue)
	assert.Zero(t, r.metric("retries"))
	lost := r.logs.FilterMessage("spans are lost").All()
	require.Len(t, lost, 1)
	assert.EqualValues(t, 1, lost[0].ContextMap()["spans"])
	assert.ErrorContains(t, lost[0].Context[0].Interface.(error), "never", "why")
}

// The law: every publish and every delivery gives exactly one span.
func TestEveryEventGivesOneSpan(t *testing.T) {
	url := broker.Get(t).URL
	cfg := configFor(t, url)
	cfg.OwnQueue.MaxLength = 1_000_000
	cfg.OwnQueue.MaxLengthBytes = 1 << 30
	spans := &collected{}
	r := startReceiver(t, cfg, spans)
	r.reading(1)
	app := dialApplication(t, url)
	queue := app.queue(unique("q"), "", "")
	deliveries, err := app.Consume(queue, "", true, false, false, false, nil)
	require.NoError(t, err)

	p := newParent()
	const messages = 20_000
	for range messages {
		require.NoError(t, app.PublishWithContext(t.Context(), "", queue, false, false, p.message()))
	}
	for range messages {
		<-deliveries
	}
	eventually(t, "all spans", func() bool { return r.metric("spans") >= 2*messages })
	publishes, delivers := spans.of(p.trace, "publish amq.default"), spans.of(p.trace, "deliver "+queue)
	assert.Len(t, publishes, messages)
	assert.Len(t, delivers, messages)
	assert.Equal(t, 2*messages, distinct(spans.of(p.trace, "")))
	for _, d := range delivers {
		if d.text("amqp.time_source") != "paired" {
			t.Fatalf("a delivery found no publish: %v", d.Attributes().AsRaw())
		}
	}
	assert.EqualValues(t, 2*messages, r.metric("messages")-r.metric("skipped"))
	assert.Zero(t, r.metric("pending_pairs"), "every pair is complete")
}

func TestShutdownHandsOverWhatIsHere(t *testing.T) {
	url := broker.Get(t).URL
	cfg := configFor(t, url)
	cfg.Consumer.AckInterval = time.Hour // nothing but the shutdown settles
	cfg.OwnQueue.Name, cfg.OwnQueue.Durable = "otel."+unique("shutdown"), true
	spans := &collected{}
	r := startReceiver(t, cfg, spans)
	r.reading(1)
	app := dialApplication(t, url)
	queue := app.queue(unique("q"), "", "")
	p := newParent()
	for range 50 {
		app.publish("", queue, p.message())
	}
	waiting := func() int {
		q, err := app.QueueDeclarePassive(cfg.OwnQueue.Name, true, false, false, false, nil)
		require.NoError(t, err)
		return q.Messages
	}
	eventually(t, "everything is with the receiver", func() bool { return waiting() == 0 })
	r.stop()
	assert.NotEmpty(t, spans.of(p.trace, ""))
	assert.Equal(t, 50, len(spans.of(p.trace, ""))+waiting(), "handed over or still with the broker")
	app.mustSucceed(app.QueueDelete(cfg.OwnQueue.Name, false, false, false))
}

func TestSeveralEndpointsAreTriedInTurn(t *testing.T) {
	url := broker.Get(t).URL
	cfg := configFor(t, url)
	cfg.Connection.Endpoints = append([]string{"amqp://127.0.0.1:1"}, cfg.Connection.Endpoints...)
	r := startReceiver(t, cfg, &collected{})
	r.reading(1)
	assert.Equal(t, 1, r.logs.FilterMessage("not reading from the broker").Len())
}

// A pipeline that does not return must not hold up a shutdown for longer than it is given.
func TestShutdownHonoursItsContext(t *testing.T) {
	url := broker.Get(t).URL
	stuck := make(chan struct{}, 10)
	next, err := consumer.NewTraces(func(ctx context.Context, _ ptrace.Traces) error {
		stuck <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	require.NoError(t, err)
	r := startReceiver(t, configFor(t, url), next)
	r.reading(1)
	app := dialApplication(t, url)
	app.publish("", app.queue(unique("q"), "", ""), newParent().message())
	<-stuck
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, r.Shutdown(ctx), context.DeadlineExceeded)
	require.NoError(t, r.Shutdown(t.Context()), "a second call finds it ended")
}

func TestMissingRightsAreRetriedSlowly(t *testing.T) {
	url := broker.Get(t).URL
	cfg := configFor(t, url)
	cfg.Tap = []TapConfig{{Exchange: unique("no such exchange"), Type: "fanout"}}
	cfg.Reconnect = BackoffConfig{InitialInterval: time.Millisecond, MaxInterval: time.Hour}
	r := startReceiver(t, cfg, &collected{})
	eventually(t, "two refusals", func() bool { return r.logs.FilterMessage("not reading from the broker").Len() == 2 })
	entry := r.logs.FilterMessage("not reading from the broker").All()[1]
	assert.Greater(t, entry.ContextMap()["again_in"], 20*time.Minute)
	assert.Contains(t, entry.ContextMap()["error"], "no such exchange")
}
