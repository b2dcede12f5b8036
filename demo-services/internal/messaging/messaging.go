// Package messaging writes the spans of sending and processing messages and
// carries the span context in AMQP headers.
package messaging

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// Publisher is what Sender needs of a connection. Publish returns nil once the
// broker has confirmed the message; it must be safe for concurrent use.
type Publisher interface {
	Publish(ctx context.Context, exchange, key string, message amqp.Publishing) error
}

// Sender publishes messages with their spans.
type Sender struct {
	Tracer     trace.Tracer
	Propagator propagation.TextMapPropagator
	Publisher  Publisher
}

// Message is one message to send. Exchange "" is the default exchange, where Key
// is the queue.
type Message struct {
	Exchange string
	Key      string
	ID       string
	Body     []byte
	// Headers are the application's own; the sender adds the span context to a copy.
	Headers amqp.Table
}

// Send publishes the message inside a PRODUCER span, which the message's
// consumers get as their parent, and waits for the broker's confirmation.
func (s Sender) Send(ctx context.Context, m Message) error {
	ctx, span := s.Tracer.Start(ctx, spanDestination(m)+" send",
		trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(
			semconv.MessagingSystemRabbitMQ,
			semconv.MessagingOperationName("send"),
			semconv.MessagingOperationTypeSend,
			semconv.MessagingDestinationName(destination(m.Exchange, m.Key)),
			semconv.MessagingRabbitMQDestinationRoutingKey(m.Key),
			semconv.MessagingMessageID(m.ID),
			semconv.MessagingMessageBodySize(len(m.Body)),
		))
	defer span.End()
	headers := Headers{}
	for name, value := range m.Headers {
		headers[name] = value
	}
	s.Propagator.Inject(ctx, headers)
	err := s.Publisher.Publish(ctx, m.Exchange, m.Key, amqp.Publishing{
		Headers:     amqp.Table(headers),
		ContentType: "application/json",
		MessageId:   m.ID,
		Body:        m.Body,
	})
	if err != nil {
		span.RecordError(err)
		span.SetAttributes(semconv.ErrorType(err))
		span.SetStatus(codes.Error, err.Error())
		return fmt.Errorf("send %s: %w", m.Key, err)
	}
	span.AddEvent("broker.confirmed")
	return nil
}

// StartProcess continues the message's trace with a CONSUMER span. The caller
// ends the span.
func StartProcess(
	ctx context.Context, tracer trace.Tracer, propagator propagation.TextMapPropagator, queue string, d amqp.Delivery,
) (context.Context, trace.Span) {
	ctx = propagator.Extract(ctx, Headers(d.Headers))
	return tracer.Start(ctx, queue+" process",
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(
			semconv.MessagingSystemRabbitMQ,
			semconv.MessagingOperationName("process"),
			semconv.MessagingOperationTypeProcess,
			semconv.MessagingDestinationName(consumedFrom(d, queue)),
			semconv.MessagingRabbitMQDestinationRoutingKey(d.RoutingKey),
			semconv.MessagingRabbitMQMessageDeliveryTag(int(d.DeliveryTag)), //nolint:gosec // counts from 1 per channel
			semconv.MessagingMessageID(d.MessageId),
			semconv.MessagingMessageBodySize(len(d.Body)),
			attribute.Bool("messaging.rabbitmq.message.redelivered", d.Redelivered),
		))
}

// destination follows the semantic conventions: exchange:key, empty parts left
// out, and amq.default if nothing is left.
func destination(exchange, key string) string {
	switch {
	case exchange != "" && key != "":
		return exchange + ":" + key
	case exchange+key != "":
		return exchange + key
	default:
		return "amq.default"
	}
}

// consumedFrom adds the queue, unless it equals the key.
func consumedFrom(d amqp.Delivery, queue string) string {
	name := destination(d.Exchange, d.RoutingKey)
	if d.RoutingKey == queue {
		return name
	}
	return name + ":" + queue
}

// spanDestination has few values: keys stay out of span names, but for the
// default exchange, where the key is a queue.
func spanDestination(m Message) string {
	if m.Exchange == "" {
		return m.Key
	}
	return m.Exchange
}
