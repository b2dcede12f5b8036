// Package telemetrytest gives tests instruments whose spans can be looked at.
package telemetrytest

import (
	"context"
	"log/slog"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry"
)

// Spans are the spans that have ended.
type Spans struct {
	t        *testing.T
	exporter *tracetest.InMemoryExporter
}

// New returns instruments without any exporter behind them. Spans can be looked
// at as soon as they have ended.
func New(t *testing.T) (telemetry.Instruments, Spans) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	t.Cleanup(func() {
		if err := provider.Shutdown(context.Background()); err != nil {
			t.Errorf("shut the tracer provider down: %v", err)
		}
	})
	return telemetry.Instruments{
		Service:    "test",
		Traces:     provider,
		Metrics:    noop.NewMeterProvider(),
		Propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
		Log:        slog.New(slog.DiscardHandler),
	}, Spans{t: t, exporter: exporter}
}

// All returns every span.
func (s Spans) All() tracetest.SpanStubs { return s.exporter.GetSpans() }

// Named returns the spans of that name, in the order of their ends.
func (s Spans) Named(name string) []tracetest.SpanStub {
	var found []tracetest.SpanStub
	for _, span := range s.All() {
		if span.Name == name {
			found = append(found, span)
		}
	}
	return found
}

// One returns the only span of that name and ends the test if there is another number of them.
func (s Spans) One(name string) tracetest.SpanStub {
	s.t.Helper()
	found := s.Named(name)
	if len(found) != 1 {
		var names []string
		for _, span := range s.All() {
			names = append(names, span.Name)
		}
		s.t.Fatalf("%d spans named %q among %q, want 1", len(found), name, names)
	}
	return found[0]
}

// Attribute returns a span's attribute as text, "" if it has none.
func Attribute(span tracetest.SpanStub, key string) string {
	for _, a := range span.Attributes {
		if a.Key == attribute.Key(key) {
			return a.Value.String()
		}
	}
	return ""
}
