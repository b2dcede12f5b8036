// Package users knows who the shop's users are. User 999 is known not to exist.
package users

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/catalog"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/store"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry"
)

var errUnknown = errors.New("user does not exist")

// User is a user of the shop.
type User struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Service answers questions about users. It is safe for concurrent use.
type Service struct {
	tracer   trace.Tracer
	log      *slog.Logger
	database *store.Store
	lookups  metric.Int64Counter
}

// New returns the service.
func New(i telemetry.Instruments) (*Service, error) {
	lookups, err := i.Metrics.Meter(telemetry.Scope).Int64Counter("shop.user.lookups",
		metric.WithDescription("Users looked up, by result."), metric.WithUnit("{lookup}"))
	if err != nil {
		return nil, err
	}
	tracer := i.Tracer()
	return &Service{tracer: tracer, log: i.Log, database: store.Postgres(tracer, "users"), lookups: lookups}, nil
}

// Register adds the routes.
func (s *Service) Register(routes gin.IRoutes) {
	routes.GET("/users/:user_id", s.get)
	routes.POST("/users/:user_id/giftcards", s.giftCard)
}

func (s *Service) get(c *gin.Context) {
	user, err := s.find(c.Request.Context(), c.Param("user_id"))
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.log.InfoContext(c.Request.Context(), "user found", "user_id", user.ID)
	c.JSON(http.StatusOK, user)
}

func (s *Service) giftCard(c *gin.Context) {
	var card struct {
		Amount int64 `json:"amount" binding:"gt=0"` // cents
	}
	if err := c.ShouldBindJSON(&card); err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"error": "want an amount above 0"})
		return
	}
	ctx := c.Request.Context()
	user, err := s.find(ctx, c.Param("user_id"))
	if err != nil {
		s.refuse(c, err)
		return
	}
	insert := store.Call{Operation: "INSERT", Collection: "giftcards", Text: "INSERT INTO giftcards (user_id, amount) VALUES ($1, $2)"}
	if err := s.database.Do(ctx, insert, func() error { return nil }); err != nil {
		s.refuse(c, err)
		return
	}
	s.log.InfoContext(ctx, "gift card sold", "user_id", user.ID, "amount", card.Amount)
	c.JSON(http.StatusCreated, gin.H{"user": user, "amount": card.Amount})
}

// find looks a user up. What baggage the caller sent along is written on the span.
func (s *Service) find(ctx context.Context, id string) (User, error) {
	ctx, span := s.tracer.Start(ctx, "find user", trace.WithAttributes(semconv.UserID(id)))
	defer span.End()
	for _, member := range baggage.FromContext(ctx).Members() {
		span.SetAttributes(attribute.String("baggage."+member.Key(), member.Value()))
	}
	query := store.Call{Operation: "SELECT", Collection: "users", Text: "SELECT id, name FROM users WHERE id = $1"}
	var user User
	err := s.database.Do(ctx, query, func() error {
		user = User{ID: id, Name: "User " + id}
		return nil
	})
	if n, notNumber := strconv.Atoi(id); err == nil && (notNumber != nil || n < 1 || n > catalog.LastUser) {
		err = errUnknown // the query found no row, which is no error of the database
	}
	if err != nil {
		span.RecordError(err)
		span.SetAttributes(semconv.ErrorType(err))
		span.SetStatus(codes.Error, err.Error())
	}
	s.lookups.Add(ctx, 1, metric.WithAttributes(attribute.Bool("found", err == nil)))
	return user, err
}

func (s *Service) refuse(c *gin.Context, err error) {
	ctx, id := c.Request.Context(), c.Param("user_id")
	if errors.Is(err, errUnknown) {
		s.log.WarnContext(ctx, "user unknown", "user_id", id)
		c.JSON(http.StatusNotFound, gin.H{"error": errUnknown.Error()})
		return
	}
	s.log.ErrorContext(ctx, "users not to be read", "user_id", id, "error", err)
	c.JSON(http.StatusInternalServerError, gin.H{"error": "users not to be read"})
}
