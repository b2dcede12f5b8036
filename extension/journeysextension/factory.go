package journeysextension

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/metadata"
)

// NewFactory makes the factory of the journeys extension.
func NewFactory() extension.Factory { return NewFactoryAt(time.Now) }

// NewFactoryAt makes a factory of extensions for which it is the time that now
// returns, any number of goroutines at once: a day of history can be looked at
// in a moment.
func NewFactoryAt(now func() time.Time) extension.Factory {
	create := func(_ context.Context, settings extension.Settings, config component.Config) (extension.Extension, error) {
		return newExtension(settings, config.(*Config), now)
	}
	return extension.NewFactory(metadata.Type, createDefaultConfig, create, metadata.ExtensionStability)
}
