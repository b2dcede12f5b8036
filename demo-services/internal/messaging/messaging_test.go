package messaging_test

import (
	"context"
	"errors"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/messaging"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry/telemetrytest"
)

type post struct {
	err  error
	sent []amqp.Publishing
}

func (p *post) Publish(_ context.Context, _, _ string, m amqp.Publishing) error {
	p.sent = append(p.sent, m)
	return p.err
}

func TestTheConsumerContinuesTheProducersTrace(t *testing.T) {
	i, spans := telemetrytest.New(t)
	var p post
	sender := messaging.Sender{Tracer: i.Tracer(), Propagator: i.Propagator, Publisher: &p}
	own := amqp.Table{"attempt": int32(2)}
	err := sender.Send(t.Context(), messaging.Message{Exchange: "shop", Key: "checkout.processed", ID: "m1", Body: []byte("{}"), Headers: own})
	if err != nil {
		t.Fatal(err)
	}
	sent := p.sent[0]
	if sent.MessageId != "m1" || sent.ContentType != "application/json" || sent.Headers["attempt"] != int32(2) {
		t.Errorf("published %+v", sent)
	}
	if len(own) != 1 {
		t.Errorf("the caller's headers became %v", own)
	}
	delivery := amqp.Delivery{Headers: sent.Headers, MessageId: "m1", Exchange: "shop", RoutingKey: "checkout.processed"}
	_, span := messaging.StartProcess(t.Context(), i.Tracer(), i.Propagator, "stock-queue", delivery)
	span.End()
	producer, consumer := spans.One("shop send"), spans.One("stock-queue process")
	if consumer.Parent.SpanID() != producer.SpanContext.SpanID() || consumer.SpanContext.TraceID() != producer.SpanContext.TraceID() {
		t.Error("the consumer's span is not a child of the producer's")
	}
	if producer.SpanKind != trace.SpanKindProducer || consumer.SpanKind != trace.SpanKindConsumer {
		t.Errorf("kinds %s and %s", producer.SpanKind, consumer.SpanKind)
	}
	if got := telemetrytest.Attribute(producer, "messaging.destination.name"); got != "shop:checkout.processed" {
		t.Errorf("producer's destination %q", got)
	}
	if got := telemetrytest.Attribute(consumer, "messaging.destination.name"); got != "shop:checkout.processed:stock-queue" {
		t.Errorf("consumer's destination %q", got)
	}
}

func TestAMessageNotConfirmedIsAnErrorSpan(t *testing.T) {
	i, spans := telemetrytest.New(t)
	away := errors.New("broker is away")
	sender := messaging.Sender{Tracer: i.Tracer(), Propagator: i.Propagator, Publisher: &post{err: away}}
	if err := sender.Send(t.Context(), messaging.Message{Key: "stock-retry"}); !errors.Is(err, away) {
		t.Errorf("error %v, want the broker's", err)
	}
	if span := spans.One("stock-retry send"); span.Status.Code != codes.Error {
		t.Errorf("status %s, want an error", span.Status.Code)
	}
}

func TestHeadersAreReadWhateverTheirType(t *testing.T) {
	h := messaging.Headers{"a": "text", "b": []byte("bytes"), "c": int32(1), "d": nil}
	for key, want := range map[string]string{"a": "text", "b": "bytes", "c": "", "d": "", "e": ""} {
		if got := h.Get(key); got != want {
			t.Errorf("header %s is %q, want %q", key, got, want)
		}
	}
}

func FuzzAForeignHeaderNeverBreaksProcessing(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=b")
	f.Add("00-00000000000000000000000000000000-0000000000000000-00", "=")
	f.Fuzz(func(t *testing.T, parent, baggage string) {
		i, _ := telemetrytest.New(t)
		d := amqp.Delivery{Headers: amqp.Table{"traceparent": []byte(parent), "baggage": baggage}}
		_, span := messaging.StartProcess(t.Context(), i.Tracer(), i.Propagator, "q", d)
		defer span.End()
		if !span.SpanContext().IsValid() {
			t.Errorf("traceparent %q gives an invalid span", parent)
		}
	})
}
