package ownmetrics

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// count uses every kind of instrument once, with an attribute of its own.
func count(t *testing.T, m metric.Meter, value int64) {
	t.Helper()
	ctx, own := context.Background(), metric.WithAttributes(attribute.String("own", "yes"))
	intCounter, err := m.Int64Counter("int_counter")
	require.NoError(t, err)
	intCounter.Add(ctx, value, own)
	floatCounter, err := m.Float64Counter("float_counter")
	require.NoError(t, err)
	floatCounter.Add(ctx, float64(value), own)
	intGauge, err := m.Int64Gauge("int_gauge")
	require.NoError(t, err)
	intGauge.Record(ctx, value, own)
	floatGauge, err := m.Float64Gauge("float_gauge")
	require.NoError(t, err)
	floatGauge.Record(ctx, float64(value), own)
	intHistogram, err := m.Int64Histogram("int_histogram")
	require.NoError(t, err)
	intHistogram.Record(ctx, value, own)
	floatHistogram, err := m.Float64Histogram("float_histogram")
	require.NoError(t, err)
	floatHistogram.Record(ctx, float64(value), own)
	intObserved, err := m.Int64ObservableGauge("int_observed")
	require.NoError(t, err)
	floatObserved, err := m.Float64ObservableCounter("float_observed")
	require.NoError(t, err)
	_, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(intObserved, value, own)
		o.ObserveFloat64(floatObserved, float64(value), own)
		return nil
	}, intObserved, floatObserved)
	require.NoError(t, err)
}

func TestTwoOfOneTypeAreToldApart(t *testing.T) {
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
	typ := component.MustNewType("journey")
	want := map[string]float64{"journey": 3, "journey/two": 5}
	for id, value := range map[component.ID]int64{component.NewID(typ): 3, component.NewIDWithName(typ, "two"): 5} {
		settings := Of(telemetry.NewTelemetrySettings(), component.KindProcessor, id)
		count(t, settings.MeterProvider.Meter("scope"), value)
	}
	for _, name := range []string{
		"int_counter", "float_counter", "int_gauge", "float_gauge",
		"int_histogram", "float_histogram", "int_observed", "float_observed",
	} {
		m, err := telemetry.GetMetric(name)
		require.NoError(t, err)
		require.Equal(t, want, byProcessor(t, m.Data), name)
	}
}

// The names that attributes hold come from anybody.
func TestMoreSetsThanAreRememberedHaveTheIdAsWell(t *testing.T) {
	l := &label{id: attribute.String("processor", "journey")}
	for i := range maxSets + 100 {
		set := attribute.NewSet(attribute.Int("i", i))
		for range 2 {
			config := metric.NewAddConfig(l.of(set).add)
			got := config.Attributes()
			require.Equal(t, attribute.NewSet(attribute.Int("i", i), l.id), got)
		}
	}
	require.EqualValues(t, maxSets, l.count.Load())
}

// byProcessor is what was counted for each processor, all with their own attribute.
func byProcessor(t *testing.T, data metricdata.Aggregation) map[string]float64 {
	t.Helper()
	out := make(map[string]float64)
	add := func(attributes attribute.Set, value float64) {
		own, _ := attributes.Value("own")
		require.Equal(t, "yes", own.AsString())
		require.Equal(t, 2, attributes.Len())
		id, _ := attributes.Value("processor")
		out[id.AsString()] += value
	}
	switch data := data.(type) {
	case metricdata.Sum[int64]:
		addPoints(data.DataPoints, add)
	case metricdata.Sum[float64]:
		addPoints(data.DataPoints, add)
	case metricdata.Gauge[int64]:
		addPoints(data.DataPoints, add)
	case metricdata.Gauge[float64]:
		addPoints(data.DataPoints, add)
	case metricdata.Histogram[int64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, float64(p.Sum))
		}
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, p.Sum)
		}
	default:
		t.Fatalf("unknown aggregation %T", data)
	}
	return out
}

func addPoints[N int64 | float64](points []metricdata.DataPoint[N], add func(attribute.Set, float64)) {
	for _, p := range points {
		add(p.Attributes, float64(p.Value))
	}
}
