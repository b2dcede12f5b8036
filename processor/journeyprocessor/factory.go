package journeyprocessor

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/processor"

	"github.com/otelcol-journey/otelcol-journey/internal/ownmetrics"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/metadata"
)

// NewFactory makes the factory of the journey processor.
func NewFactory() processor.Factory {
	f := &factory{engines: make(map[*Config]*engine)}
	return processor.NewFactory(
		metadata.Type,
		func() component.Config { return createDefaultConfig() },
		processor.WithTraces(f.createTraces, metadata.TracesStability),
		processor.WithLogs(f.createLogs, metadata.LogsStability),
	)
}

// factory finds the engine that the pipelines of one processor id share. The
// Collector hands the factory the same *Config for all of them, and a new one
// after a reload.
type factory struct {
	mu      sync.Mutex
	engines map[*Config]*engine // guarded by mu; until they are shut down
}

func (f *factory) createTraces(
	_ context.Context, settings processor.Settings, config component.Config, next consumer.Traces,
) (processor.Traces, error) {
	p, err := f.pipeline(settings, config)
	if err != nil {
		return nil, err
	}
	return p, p.setTraces(next)
}

func (f *factory) createLogs(
	_ context.Context, settings processor.Settings, config component.Config, next consumer.Logs,
) (processor.Logs, error) {
	p, err := f.pipeline(settings, config)
	if err != nil {
		return nil, err
	}
	return p, p.setLogs(next)
}

// pipeline is an engine as one pipeline sees it.
type pipeline struct {
	*engine
	forget func()
}

// Shutdown also lets go of the engine, so that the same configuration can be
// used for a new one.
func (p pipeline) Shutdown(ctx context.Context) error {
	p.forget()
	return p.engine.Shutdown(ctx)
}

func (f *factory) pipeline(settings processor.Settings, config component.Config) (pipeline, error) {
	c := config.(*Config)
	f.mu.Lock()
	defer f.mu.Unlock()
	e, ok := f.engines[c]
	if !ok {
		var err error
		telemetry := ownmetrics.Of(settings.TelemetrySettings, component.KindProcessor, settings.ID)
		if e, err = newEngine(settings.ID, telemetry, c); err != nil {
			return pipeline{}, err
		}
		f.engines[c] = e
	}
	return pipeline{engine: e, forget: func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.engines[c] == e {
			delete(f.engines, c)
		}
	}}, nil
}
