// Package checkout charges for carts and announces them to the shop.
package checkout

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/broker"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/catalog"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/checkoutpb"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/event"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/messaging"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/store"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry"
)

// confirmTime is how long a checkout waits for the broker to confirm.
const confirmTime = 3 * time.Second

// unboundKey is a key of the shop's exchange that no queue is bound with.
const unboundKey = "checkout.misspelt"

var errDeclined = errors.New("payment declined")

// Service is the gRPC service. It is safe for concurrent use.
type Service struct {
	checkoutpb.UnimplementedCheckoutServiceServer

	tracer trace.Tracer
	log    *slog.Logger
	prices *priceList
	orders *store.Store
	sender messaging.Sender
}

// New returns the service; publisher must give confirmations.
func New(i telemetry.Instruments, publisher messaging.Publisher) *Service {
	tracer := i.Tracer()
	database := store.Postgres(tracer, "checkout")
	return &Service{
		tracer: tracer,
		log:    i.Log,
		prices: newPriceList(tracer, store.Redis(tracer, "0"), database),
		orders: database,
		sender: messaging.Sender{Tracer: tracer, Propagator: i.Propagator, Publisher: publisher},
	}
}

// DoCheckout prices, charges, stores and announces one cart, in this order.
func (s *Service) DoCheckout(ctx context.Context, req *checkoutpb.DoCheckoutRequest) (*checkoutpb.DoCheckoutResponse, error) {
	items := req.GetItemsID()
	if len(items) == 0 {
		return nil, status.Error(codes.InvalidArgument, "itemsID must not be empty")
	}
	total, err := s.prices.total(ctx, items)
	if err != nil {
		return nil, s.refuse(ctx, codes.InvalidArgument, err)
	}
	s.log.InfoContext(ctx, "cart priced", "items", len(items), "total_amount", total)
	if err := s.charge(ctx, items, total); err != nil {
		return nil, s.refuse(ctx, codes.FailedPrecondition, err)
	}
	s.log.InfoContext(ctx, "card charged", "total_amount", total)
	order := event.CheckoutProcessed{OrderID: rand.Text(), Items: items, TotalAmount: total}
	if err := s.insert(ctx); err != nil {
		return nil, s.refuse(ctx, codes.Unavailable, err)
	}
	if err := s.announce(ctx, order); err != nil {
		return nil, s.refuse(ctx, codes.Unavailable, err)
	}
	s.log.InfoContext(ctx, "order announced", "order_id", order.OrderID)
	resp := &checkoutpb.DoCheckoutResponse{TotalAmount: total}
	trace.SpanFromContext(ctx).AddEvent("checkout.response", trace.WithAttributes(
		attribute.Int64("shop.total_amount", resp.GetTotalAmount()),
		attribute.String("shop.order.id", order.OrderID),
	))
	return resp, nil
}

// refuse logs why a checkout ends and turns it into the caller's error.
func (s *Service) refuse(ctx context.Context, code codes.Code, err error) error {
	s.log.ErrorContext(ctx, "checkout refused", "code", code.String(), "error", err)
	return status.Error(code, err.Error())
}

// charge asks the payment provider, which is outside the shop and not traced.
func (s *Service) charge(ctx context.Context, items []string, total int64) error {
	ctx, span := s.tracer.Start(ctx, "POST /v1/charges", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		semconv.HTTPRequestMethodPost,
		semconv.ServerAddress("payments.example"),
		semconv.ServerPort(443),
		attribute.Int64("shop.total_amount", total),
	))
	defer span.End()
	err := store.Pause(ctx, 3*time.Millisecond)
	if err == nil && catalog.Has(items, catalog.Declined) {
		err = errDeclined
		span.SetAttributes(semconv.HTTPResponseStatusCode(402))
	}
	if err != nil {
		span.RecordError(err)
		span.SetAttributes(semconv.ErrorType(err))
		span.SetStatus(otelcodes.Error, err.Error())
		return fmt.Errorf("charge %d cents: %w", total, err)
	}
	span.SetAttributes(semconv.HTTPResponseStatusCode(201))
	return nil
}

// insert stores the order. Nobody reads it back: what the shop knows of an order
// is its event.
func (s *Service) insert(ctx context.Context) error {
	insert := store.Call{Operation: "INSERT", Collection: "orders", Text: "INSERT INTO orders (id, items, total) VALUES ($1, $2, $3)"}
	return s.orders.Do(ctx, insert, func() error { return nil })
}

// announce publishes the event and waits for the broker's confirmation.
func (s *Service) announce(ctx context.Context, order event.CheckoutProcessed) error {
	body, err := json.Marshal(order)
	if err != nil {
		return fmt.Errorf("encode order %s: %w", order.OrderID, err)
	}
	key := broker.CheckoutProcessed
	if catalog.Has(order.Items, catalog.Unroutable) {
		key = unboundKey
	}
	ctx, cancel := context.WithTimeout(ctx, confirmTime)
	defer cancel()
	return s.sender.Send(ctx, messaging.Message{Exchange: broker.Exchange, Key: key, ID: order.OrderID, Body: body})
}
