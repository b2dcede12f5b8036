package amqptracereceiver

//go:generate go tool -modfile=../../internal/tools/go.mod mdatagen metadata.yaml

import (
	"context"
	"fmt"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	signals "go.opentelemetry.io/collector/pipeline"
	"go.opentelemetry.io/collector/receiver"

	"github.com/otelcol-journey/otelcol-journey/receiver/amqptracereceiver/internal/metadata"
)

// NewFactory returns the factory of the amqp_trace receiver. Logs and metrics are received in mode otlp only.
func NewFactory() receiver.Factory {
	f := &factory{shared: map[*Config]*sharedReceiver{}}
	return receiver.NewFactory(
		metadata.Type,
		createDefaultConfig,
		receiver.WithTraces(f.createTraces, metadata.TracesStability),
		receiver.WithLogs(f.createLogs, metadata.LogsStability),
		receiver.WithMetrics(f.createMetrics, metadata.MetricsStability),
	)
}

// factory finds the receiver that the pipelines of one receiver id share. The Collector hands the
// factory the same *Config for all signals, and a new one after a reload.
type factory struct {
	mu     sync.Mutex
	shared map[*Config]*sharedReceiver // guarded by mu; until they are shut down
}

func (f *factory) createTraces(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Traces) (receiver.Traces, error) {
	c := cfg.(*Config)
	if !c.OTLP.HasValue() {
		return newTracesReceiver(set, c, next)
	}
	return f.join(set, c, func(o *otlp) { o.traces = next })
}

func (f *factory) createLogs(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
	return f.joinOTLP(set, cfg.(*Config), "logs", func(o *otlp) { o.logs = next })
}

func (f *factory) createMetrics(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
	return f.joinOTLP(set, cfg.(*Config), "metrics", func(o *otlp) { o.metrics = next })
}

func (f *factory) joinOTLP(set receiver.Settings, cfg *Config, signal string, add func(*otlp)) (*sharedReceiver, error) {
	if !cfg.OTLP.HasValue() {
		return nil, fmt.Errorf("receive %s: only mode otlp has any: %w", signal, signals.ErrSignalNotSupported)
	}
	return f.join(set, cfg, add)
}

// join adds a pipeline to the receiver of the configuration, which it makes for the first one.
func (f *factory) join(set receiver.Settings, cfg *Config, add func(*otlp)) (*sharedReceiver, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.shared[cfg]
	if !ok {
		r, err := newTracesReceiver(set, cfg, nil)
		if err != nil {
			return nil, err
		}
		s = &sharedReceiver{tracesReceiver: r, forget: func() { f.forget(cfg) }}
		f.shared[cfg] = s
	}
	add(s.otlp)
	s.pipelines++
	return s, nil
}

func (f *factory) forget(cfg *Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.shared, cfg)
}

// sharedReceiver starts with the last of its pipelines, so that all are there to be served, and stops
// with the first, while all still are.
type sharedReceiver struct {
	*tracesReceiver
	forget    func()
	pipelines int
	started   int // the Collector starts its components one after the other
}

// Start waits for the other pipelines.
func (s *sharedReceiver) Start(ctx context.Context, host component.Host) error {
	if s.started++; s.started < s.pipelines {
		return nil
	}
	return s.tracesReceiver.Start(ctx, host)
}

// Shutdown may be called once for each pipeline.
func (s *sharedReceiver) Shutdown(ctx context.Context) error {
	s.forget()
	return s.tracesReceiver.Shutdown(ctx)
}
