package stock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/broker"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/catalog"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/event"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/messaging"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/store"
)

const (
	// attempts is how often a checkout is tried before it is dead-lettered.
	attempts = 3
	// attemptHeader counts them: the broker's own x-death is lost when a message
	// is published anew, and it is published anew so that the next attempt is a
	// child of the failed one.
	attemptHeader = "shop-attempt"
	sendTime      = 3 * time.Second
	// requeuePause keeps a message that can be neither handled nor retried from
	// spinning between broker and service.
	requeuePause = 500 * time.Millisecond
)

var errLocked = errors.New("warehouse row is locked")

// Reserve handles one message of the stock queue.
func (s *Service) Reserve(ctx context.Context, d amqp.Delivery) broker.Verdict {
	var order event.CheckoutProcessed
	err := json.Unmarshal(d.Body, &order)
	if err == nil && catalog.Has(order.Items, catalog.Lost) {
		return broker.Accept // the fault that no error tells of
	}
	attempt := attemptOf(d)
	ctx, span := messaging.StartProcess(ctx, s.tracer, s.propagator, broker.StockQueue, d)
	defer span.End()
	span.SetAttributes(attribute.Int("shop.attempt", attempt), attribute.String("shop.order.id", order.OrderID))
	if err != nil {
		return s.giveUp(ctx, span, "checkout not readable", err)
	}
	err = s.reserve(ctx, order, attempt)
	switch {
	case err == nil:
		s.log.InfoContext(ctx, "stock reserved", "order_id", order.OrderID, "items", len(order.Items), "attempt", attempt)
		return broker.Accept
	case attempt >= attempts:
		return s.giveUp(ctx, span, "stock not reserved, message goes to the dead letters", fmt.Errorf("attempt %d of %d: %w", attempt, attempts, err))
	default:
		fail(span, err)
		return s.retry(ctx, d, attempt, err)
	}
}

func (s *Service) reserve(ctx context.Context, order event.CheckoutProcessed, attempt int) error {
	ctx, span := s.tracer.Start(ctx, "reserve items", trace.WithAttributes(attribute.Int("shop.cart.items", len(order.Items))))
	defer span.End()
	lock := store.Call{Operation: "SELECT", Collection: "stock", Text: "SELECT level FROM stock WHERE item = ANY($1) FOR UPDATE NOWAIT"}
	err := s.database.Do(ctx, lock, func() error { return lockFault(order.Items, attempt) })
	if err == nil {
		err = s.change(ctx, order.Items, -1)
	}
	if err != nil {
		fail(span, err)
	}
	return err
}

// retry sends the message to the queue that gives it back after a while.
func (s *Service) retry(ctx context.Context, d amqp.Delivery, attempt int, cause error) broker.Verdict {
	s.log.WarnContext(ctx, "stock not reserved, trying again", "message_id", d.MessageId, "attempt", attempt, "error", cause)
	sending, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	err := s.sender.Send(sending, messaging.Message{
		Key:     broker.StockRetryQueue,
		ID:      d.MessageId,
		Body:    d.Body,
		Headers: amqp.Table{attemptHeader: int32(attempt + 1)}, //nolint:gosec // at most attempts
	})
	if err == nil {
		return broker.Accept
	}
	s.log.ErrorContext(ctx, "retry not sent, giving the message back", "message_id", d.MessageId, "error", err)
	_ = store.Pause(ctx, requeuePause)
	return broker.Requeue
}

// giveUp lets the broker dead-letter the message, or drop it where the queue has
// no dead letters.
func (s *Service) giveUp(ctx context.Context, span trace.Span, what string, err error) broker.Verdict {
	fail(span, err)
	s.log.ErrorContext(ctx, what, "error", err)
	return broker.Reject
}

func fail(span trace.Span, err error) {
	span.RecordError(err)
	span.SetAttributes(semconv.ErrorType(err))
	span.SetStatus(codes.Error, err.Error())
}

// lockFault is the effect of the articles that have one here.
func lockFault(cart []string, attempt int) error {
	if catalog.Has(cart, catalog.DeadLettered) || catalog.Has(cart, catalog.Retried) && attempt < attempts {
		return errLocked
	}
	return nil
}

// attemptOf is 1 for a message without the header or with one that makes no sense.
func attemptOf(d amqp.Delivery) int {
	if n, ok := d.Headers[attemptHeader].(int32); ok && n > 0 && n <= attempts {
		return int(n)
	}
	return 1
}
