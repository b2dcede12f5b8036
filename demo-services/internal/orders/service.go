// Package orders answers what a user has ordered. It asks users who that is, and
// sends along in baggage where the question comes from.
package orders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/store"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry"
)

// callTime bounds one call of users.
const callTime = 3 * time.Second

var errUnknown = errors.New("user does not exist")

// Order is one line of a history.
type Order struct {
	ID          string `json:"id"`
	TotalAmount int64  `json:"total_amount"` // cents
}

// Service answers questions about orders. It is safe for concurrent use.
type Service struct {
	tracer    trace.Tracer
	log       *slog.Logger
	redis     *store.Store
	database  *store.Store
	users     *http.Client
	usersURL  string
	baggage   baggage.Baggage
	histories metric.Int64Counter
}

// New returns the service; environment and version go into the baggage of its calls.
func New(i telemetry.Instruments, usersURL, environment, version string) (*Service, error) {
	sent, err := members(map[string]string{"environment": environment, "version": version})
	if err != nil {
		return nil, err
	}
	histories, err := i.Metrics.Meter(telemetry.Scope).Int64Counter("shop.order.histories",
		metric.WithDescription("Order histories asked for, by result."), metric.WithUnit("{history}"))
	if err != nil {
		return nil, err
	}
	tracer := i.Tracer()
	return &Service{
		tracer: tracer, log: i.Log,
		redis: store.Redis(tracer, "2"), database: store.Postgres(tracer, "orders"),
		users: i.Client("/users/:user_id", callTime), usersURL: usersURL,
		baggage: sent, histories: histories,
	}, nil
}

// members percent-encodes the values as the W3C format wants it.
func members(values map[string]string) (baggage.Baggage, error) {
	var all baggage.Baggage
	for key, value := range values {
		member, err := baggage.NewMemberRaw(key, value)
		if err != nil {
			return all, fmt.Errorf("baggage %s=%q: %w", key, value, err)
		}
		if all, err = all.SetMember(member); err != nil {
			return all, fmt.Errorf("baggage %s=%q: %w", key, value, err)
		}
	}
	return all, nil
}

// Register adds the routes.
func (s *Service) Register(routes gin.IRoutes) {
	routes.GET("/orders/:user_id", s.history)
}

func (s *Service) history(c *gin.Context) {
	id := c.Param("user_id")
	ctx := baggage.ContextWithBaggage(c.Request.Context(), s.baggage)
	trace.SpanFromContext(ctx).SetAttributes(baggageAttributes(ctx)...)
	s.log.InfoContext(ctx, "orders requested", "user_id", id)
	user, err := s.user(ctx, id)
	var orders []Order
	if err == nil {
		orders, err = s.find(ctx, id)
	}
	s.histories.Add(ctx, 1, metric.WithAttributes(attribute.Bool("found", err == nil)))
	switch {
	case errors.Is(err, errUnknown):
		s.log.WarnContext(ctx, "orders of an unknown user", "user_id", id)
		c.JSON(http.StatusNotFound, gin.H{"error": errUnknown.Error()})
	case err != nil:
		s.log.ErrorContext(ctx, "orders not answered", "user_id", id, "error", err)
		c.JSON(http.StatusBadGateway, gin.H{"error": "orders not to be had now"})
	default:
		s.log.InfoContext(ctx, "orders found", "user_id", id, "orders", len(orders))
		c.JSON(http.StatusOK, gin.H{"user": user, "orders": orders})
	}
}

// user asks users, whose answer is passed on as it is.
func (s *Service) user(ctx context.Context, id string) (user json.RawMessage, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.usersURL+"/users/"+url.PathEscape(id), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask for user %q: %w", id, err)
	}
	resp, err := s.users.Do(req)
	if err != nil {
		return nil, err // names method and URL itself
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	switch resp.StatusCode {
	case http.StatusOK:
		return user, json.NewDecoder(resp.Body).Decode(&user)
	case http.StatusNotFound:
		return nil, errUnknown
	default:
		return nil, fmt.Errorf("ask for user %q: status %d", id, resp.StatusCode)
	}
}

// find reads the orders, whose number and amounts follow from the user's id, so
// that the same question always has the same answer.
func (s *Service) find(ctx context.Context, id string) ([]Order, error) {
	ctx, span := s.tracer.Start(ctx, "find orders", trace.WithAttributes(baggageAttributes(ctx)...))
	defer span.End()
	get := store.Call{Operation: "GET", Collection: "orders", Text: "GET orders:?"}
	if err := s.redis.Do(ctx, get, func() error { return nil }); err != nil {
		return nil, err
	}
	var orders []Order
	query := store.Call{Operation: "SELECT", Collection: "orders", Text: "SELECT id, total FROM orders WHERE user_id = $1 ORDER BY at DESC LIMIT 10"}
	err := s.database.Do(ctx, query, func() error {
		for n := range 1 + len(id) {
			orders = append(orders, Order{ID: fmt.Sprintf("%s-%d", id, n), TotalAmount: int64(1000 + 250*n)})
		}
		return nil
	})
	span.SetAttributes(attribute.Int("shop.orders", len(orders)))
	return orders, err
}

func baggageAttributes(ctx context.Context) []attribute.KeyValue {
	var attributes []attribute.KeyValue
	for _, member := range baggage.FromContext(ctx).Members() {
		attributes = append(attributes, attribute.String("baggage."+member.Key(), member.Value()))
	}
	return attributes
}
