// Package telemetry sets up the OpenTelemetry SDK as the standard OTEL_*
// variables say. Nothing global is set: what a service needs is handed to it.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
)

// Scope is the instrumentation scope of the shop's own spans, metrics and records.
const Scope = "github.com/otelcol-journey/otelcol-journey/demo-services"

// Version of the shop, service.version of its resource.
const Version = "1.0.0"

// Instruments is what a service writes its telemetry with. All fields are set
// and safe for concurrent use.
type Instruments struct {
	Service    string
	Traces     trace.TracerProvider
	Metrics    metric.MeterProvider
	Propagator propagation.TextMapPropagator
	Log        *slog.Logger
	// Scrape serves the metrics to Prometheus; nil if they are not wanted.
	Scrape http.Handler
}

// Tracer returns the shop's own tracer.
func (i Instruments) Tracer() trace.Tracer {
	return i.Traces.Tracer(Scope, trace.WithInstrumentationVersion(Version))
}

// SDK is the part that owns the providers. It has to be the first part of a
// program, so that it is flushed last.
type SDK struct {
	Instruments
	stops []func(context.Context) error
	// flushed is closed when the last of them has returned, which may be after Stop.
	flushed chan struct{}
}

// New builds the SDK for a service. An OTLP receiver that is away is not an
// error: exporters connect in the background and try again.
func New(r *env.Reader) (*SDK, error) {
	otel.SetErrorHandler(newErrorLog())
	ctx := context.Background()
	res, err := resource.New(ctx,
		resource.WithAttributes(semconv.ServiceName(r.Text("OTEL_SERVICE_NAME")), semconv.ServiceVersion(Version)),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describe the resource: %w", err)
	}
	s := &SDK{
		Instruments: Instruments{Service: r.Text("OTEL_SERVICE_NAME"), Propagator: propagator(r)},
		flushed:     make(chan struct{}),
	}
	if err := errors.Join(s.traces(ctx, r, res), s.logs(ctx, r, res), s.metrics(r, res)); err != nil {
		return nil, errors.Join(err, s.Stop(ctx))
	}
	slog.SetDefault(s.Log)
	return s, nil
}

// Start has nothing to do: providers work from the moment they are built.
func (s *SDK) Start(func(error)) error { return nil }

// flushTime bounds the last export. It leaves room for the rest of a stop within
// the ten seconds that Docker and others give.
const flushTime = 5 * time.Second

// Stop flushes what has been collected and closes the exporters. A receiver that
// is away does not make the stop of a service fail, nor hold it up: the SDK's log
// exporter goes on trying when its context has ended, so Stop leaves it to that.
func (s *SDK) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	var flushing sync.WaitGroup
	for _, stop := range s.stops {
		flushing.Go(func() { // side by side: each may need all the time there is
			if err := stop(ctx); err != nil {
				slog.New(stderr()).Warn("telemetry not flushed, the latest is lost", "error", err)
			}
		})
	}
	go func() {
		defer close(s.flushed)
		defer cancel()
		flushing.Wait()
	}()
	select {
	case <-s.flushed:
	case <-ctx.Done():
	}
	return nil
}

func (s *SDK) traces(ctx context.Context, r *env.Reader, res *resource.Resource) error {
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(res)} // the sampler is the SDK's own reading
	for _, name := range r.Words("OTEL_TRACES_EXPORTER") {
		processor, err := spanProcessor(ctx, r, name)
		if err != nil {
			return err
		}
		if processor != nil {
			options = append(options, sdktrace.WithSpanProcessor(processor))
		}
	}
	provider := sdktrace.NewTracerProvider(options...)
	s.Traces = provider
	s.stops = append(s.stops, provider.Shutdown)
	return nil
}

func (s *SDK) logs(ctx context.Context, r *env.Reader, res *resource.Resource) error {
	options := []sdklog.LoggerProviderOption{sdklog.WithResource(res)}
	for _, name := range r.Words("OTEL_LOGS_EXPORTER") {
		processor, err := logProcessor(ctx, r, name)
		if err != nil {
			return err
		}
		if processor != nil {
			options = append(options, sdklog.WithProcessor(processor))
		}
	}
	provider := sdklog.NewLoggerProvider(options...)
	s.Log = slog.New(logHandler(r, provider))
	s.stops = append(s.stops, provider.Shutdown)
	return nil
}

func (s *SDK) metrics(r *env.Reader, res *resource.Resource) error {
	if !r.Has("OTEL_METRICS_EXPORTER") || r.Text("OTEL_METRICS_EXPORTER") == "none" {
		s.Metrics = noop.NewMeterProvider()
		return nil
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	if err != nil {
		return fmt.Errorf("build the prometheus exporter: %w", err)
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(reader))
	s.Metrics = provider
	s.Scrape = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	s.stops = append(s.stops, provider.Shutdown)
	return nil
}

func propagator(r *env.Reader) propagation.TextMapPropagator {
	var all []propagation.TextMapPropagator
	for _, name := range r.Words("OTEL_PROPAGATORS") {
		switch name {
		case "tracecontext":
			all = append(all, propagation.TraceContext{})
		case "baggage":
			all = append(all, propagation.Baggage{})
		}
	}
	return propagation.NewCompositeTextMapPropagator(all...)
}
