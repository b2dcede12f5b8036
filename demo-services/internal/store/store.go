// Package store holds what the shop's databases and caches would. The contents
// are real and in memory; each call takes as long as a call over a network would
// and writes the CLIENT span that an instrumented driver would.
package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// Store is one database or cache as its clients see it.
type Store struct {
	tracer    trace.Tracer
	system    attribute.KeyValue
	namespace string
	host      string
	port      int
	// least and most bound the time of an ordinary call.
	least, most time.Duration
}

// Postgres is a relational database.
func Postgres(tracer trace.Tracer, database string) *Store {
	return &Store{
		tracer: tracer, system: semconv.DBSystemNamePostgreSQL, namespace: database,
		host: "postgres", port: 5432, least: time.Millisecond, most: 5 * time.Millisecond,
	}
}

// Redis is a cache.
func Redis(tracer trace.Tracer, database string) *Store {
	return &Store{
		tracer: tracer, system: semconv.DBSystemNameRedis, namespace: database,
		host: "redis", port: 6379, least: 200 * time.Microsecond, most: time.Millisecond,
	}
}

// Call is one statement.
type Call struct {
	Operation  string // SELECT, HGET
	Collection string // table or key space
	Text       string // the statement with its values left out
	// Delay is added to the ordinary time, for a lock or a cold page.
	Delay time.Duration
}

// Do runs the call's work inside its span. An error of the work is the span's error.
func (s *Store) Do(ctx context.Context, c Call, work func() error) error {
	ctx, span := s.tracer.Start(ctx, c.Operation+" "+c.Collection,
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			s.system,
			semconv.DBNamespace(s.namespace),
			semconv.DBOperationName(c.Operation),
			semconv.DBCollectionName(c.Collection),
			semconv.DBQueryText(c.Text),
			semconv.ServerAddress(s.host),
			semconv.ServerPort(s.port),
		))
	defer span.End()
	err := Pause(ctx, s.least+rand.N(s.most-s.least)+c.Delay)
	if err == nil {
		err = work()
	}
	if err != nil {
		span.SetAttributes(semconv.ErrorType(err))
		span.SetStatus(codes.Error, err.Error())
		return fmt.Errorf("%s %s: %w", c.Operation, c.Collection, err)
	}
	return nil
}

// Pause waits like a call over a network: no longer than its context.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
