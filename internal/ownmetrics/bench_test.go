package ownmetrics

import (
	"context"
	"testing"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// What does the id cost where it matters, at one histogram record for each journey?
// Its set of attributes is made once, as the journey processor does.
func BenchmarkRecord(b *testing.B) {
	telemetry := componenttest.NewTelemetry()
	b.Cleanup(func() { _ = telemetry.Shutdown(context.Background()) })
	plain := telemetry.NewTelemetrySettings()
	id := component.MustNewID("journey")
	for name, settings := range map[string]component.TelemetrySettings{"plain": plain, "with_id": Of(plain, component.KindProcessor, id)} {
		b.Run(name, func(b *testing.B) {
			h, err := settings.MeterProvider.Meter("scope").Float64Histogram(name)
			if err != nil {
				b.Fatal(err)
			}
			options := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
				attribute.String("journey", "checkout"), attribute.String("outcome", "ok"), attribute.String("rule", "the rest")))}
			b.ReportAllocs()
			for b.Loop() {
				h.Record(context.Background(), 0.25, options...)
			}
		})
	}
}
