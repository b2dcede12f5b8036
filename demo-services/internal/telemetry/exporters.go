package telemetry

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
)

// reconnect shortens gRPC's own longest wait of two minutes: a receiver that was
// away for long would otherwise stay unnoticed long after its return.
func reconnect() grpc.DialOption {
	wait := backoff.DefaultConfig
	wait.MaxDelay = 5 * time.Second
	return grpc.WithConnectParams(grpc.ConnectParams{Backoff: wait, MinConnectTimeout: 5 * time.Second})
}

// Waits between two attempts to send one batch. The SDK's own begin with five
// seconds. What ends the attempts is OTEL_EXPORTER_OTLP_TIMEOUT.
const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// spanProcessor returns nil for "none".
func spanProcessor(ctx context.Context, r *env.Reader, exporter string) (sdktrace.SpanProcessor, error) {
	switch exporter {
	case "otlp":
		options := []otlptracegrpc.Option{
			otlptracegrpc.WithDialOption(reconnect()),
			otlptracegrpc.WithTimeout(r.Duration("OTEL_EXPORTER_OTLP_TIMEOUT")),
			otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: true, InitialInterval: firstRetry, MaxInterval: lastRetry}),
		}
		if !r.IsSet("OTEL_EXPORTER_OTLP_ENDPOINT") && !r.IsSet("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
			options = append(options, otlptracegrpc.WithEndpointURL(r.Text("OTEL_EXPORTER_OTLP_ENDPOINT")))
		}
		out, err := otlptracegrpc.New(ctx, options...)
		if err != nil {
			return nil, fmt.Errorf("build the otlp span exporter: %w", err)
		}
		return batchSpans(r, out), nil
	case "console":
		out, err := stdouttrace.New()
		if err != nil {
			return nil, fmt.Errorf("build the console span exporter: %w", err)
		}
		return batchSpans(r, out), nil
	default:
		return nil, nil
	}
}

func batchSpans(r *env.Reader, out sdktrace.SpanExporter) sdktrace.SpanProcessor {
	return sdktrace.NewBatchSpanProcessor(out,
		sdktrace.WithBatchTimeout(r.Duration("OTEL_BSP_SCHEDULE_DELAY")),
		sdktrace.WithExportTimeout(r.Duration("OTEL_BSP_EXPORT_TIMEOUT")),
		sdktrace.WithMaxQueueSize(r.Int("OTEL_BSP_MAX_QUEUE_SIZE")),
		sdktrace.WithMaxExportBatchSize(r.Int("OTEL_BSP_MAX_EXPORT_BATCH_SIZE")))
}

// logProcessor returns nil for "none".
func logProcessor(ctx context.Context, r *env.Reader, exporter string) (sdklog.Processor, error) {
	if exporter != "otlp" {
		return nil, nil
	}
	options := []otlploggrpc.Option{
		otlploggrpc.WithDialOption(reconnect()),
		otlploggrpc.WithTimeout(r.Duration("OTEL_EXPORTER_OTLP_TIMEOUT")),
		otlploggrpc.WithRetry(otlploggrpc.RetryConfig{Enabled: true, InitialInterval: firstRetry, MaxInterval: lastRetry}),
	}
	if !r.IsSet("OTEL_EXPORTER_OTLP_ENDPOINT") && !r.IsSet("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT") {
		options = append(options, otlploggrpc.WithEndpointURL(r.Text("OTEL_EXPORTER_OTLP_ENDPOINT")))
	}
	out, err := otlploggrpc.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("build the otlp log exporter: %w", err)
	}
	return sdklog.NewBatchProcessor(out,
		sdklog.WithExportInterval(r.Duration("OTEL_BLRP_SCHEDULE_DELAY")),
		sdklog.WithExportTimeout(r.Duration("OTEL_BLRP_EXPORT_TIMEOUT")),
		sdklog.WithMaxQueueSize(r.Int("OTEL_BLRP_MAX_QUEUE_SIZE")),
		sdklog.WithExportMaxBatchSize(r.Int("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE"))), nil
}
