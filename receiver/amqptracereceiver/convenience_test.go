package amqptracereceiver

import (
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func some[T any](value T) configoptional.Optional[T] { return configoptional.Some(value) }

func configPassword(s string) configopaque.String { return configopaque.String(s) }

// sumOf adds up an integer metric over its attribute sets.
func sumOf(m metricdata.Metrics) (sum int64) {
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			sum += p.Value
		}
	case metricdata.Gauge[int64]:
		for _, p := range data.DataPoints {
			sum += p.Value
		}
	}
	return sum
}
