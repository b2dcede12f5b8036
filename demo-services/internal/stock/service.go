// Package stock keeps the numbers of what is in the warehouse. It takes goods
// out for every checkout and puts ordered goods in when they arrive.
package stock

import (
	"context"
	"log/slog"
	"sync"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/catalog"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/messaging"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/store"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry"
)

// initialLevel lasts for days of demo traffic, so that no article is ever sold
// out against the shopper's plan.
const initialLevel = 50_000_000

// Service reserves and restocks. Its methods are safe for concurrent use.
type Service struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	log        *slog.Logger
	sender     messaging.Sender
	database   *store.Store

	mu     sync.Mutex // guards levels, a leaf
	levels map[string]int
}

// New returns the service; publisher must give confirmations.
func New(i telemetry.Instruments, publisher messaging.Publisher) *Service {
	tracer := i.Tracer()
	levels := map[string]int{}
	for article := range catalog.Prices() {
		levels[article] = initialLevel
	}
	return &Service{
		tracer:     tracer,
		propagator: i.Propagator,
		log:        i.Log,
		sender:     messaging.Sender{Tracer: tracer, Propagator: i.Propagator, Publisher: publisher},
		database:   store.Postgres(tracer, "stock"),
		levels:     levels,
	}
}

// Level returns how many pieces of an article there are, 0 for an unknown one.
func (s *Service) Level(article string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.levels[article]
}

// change adds by to the level of every article named, as often as it is named.
func (s *Service) change(ctx context.Context, articles []string, by int) error {
	update := store.Call{Operation: "UPDATE", Collection: "stock", Text: "UPDATE stock SET level = level + $2 WHERE item = ANY($1)"}
	return s.database.Do(ctx, update, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, article := range articles {
			s.levels[article] += by
		}
		return nil
	})
}
