// Package ownmetrics gives every metric that a component counts about itself the
// id of that component. Two processors of one type in one collector would else
// add up their counters and overwrite each other's gauges.
//
// The collector does this only behind its gate telemetry.newPipelineTelemetry,
// and then with scope labels that a Prometheus reader leaves out by default.
package ownmetrics

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Of returns the settings with a MeterProvider that adds one attribute to
// everything counted: the component's kind (processor, receiver), as the
// collector's own metrics call it, with its id. Everything else is unchanged.
// A component may use it from any goroutine, like the provider it wraps.
func Of(settings component.TelemetrySettings, kind component.Kind, id component.ID) component.TelemetrySettings {
	settings.MeterProvider = provider{
		MeterProvider: settings.MeterProvider,
		label:         &label{id: attribute.String(attributeOf[kind], id.String())},
	}
	return settings
}

// attributeOf names a kind as receiverhelper, processorhelper and exporterhelper do.
var attributeOf = map[component.Kind]string{
	component.KindReceiver:  "receiver",
	component.KindProcessor: "processor",
	component.KindExporter:  "exporter",
	component.KindConnector: "connector",
	component.KindExtension: "extension",
}

type provider struct {
	metric.MeterProvider
	label *label
}

func (p provider) Meter(name string, options ...metric.MeterOption) metric.Meter {
	return meter{Meter: p.MeterProvider.Meter(name, options...), label: p.label}
}

// meter wraps the instruments that components here use. The asynchronous ones
// stay as they are, because the SDK wants its own back; what is observed with
// them gets the label in RegisterCallback.
type meter struct {
	metric.Meter
	label *label
}

func (m meter) Int64Counter(name string, options ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	c, err := m.Meter.Int64Counter(name, options...)
	return int64Counter{c, m.label}, err
}

func (m meter) Float64Counter(name string, options ...metric.Float64CounterOption) (metric.Float64Counter, error) {
	c, err := m.Meter.Float64Counter(name, options...)
	return float64Counter{c, m.label}, err
}

func (m meter) Int64Gauge(name string, options ...metric.Int64GaugeOption) (metric.Int64Gauge, error) {
	g, err := m.Meter.Int64Gauge(name, options...)
	return int64Gauge{g, m.label}, err
}

func (m meter) Float64Gauge(name string, options ...metric.Float64GaugeOption) (metric.Float64Gauge, error) {
	g, err := m.Meter.Float64Gauge(name, options...)
	return float64Gauge{g, m.label}, err
}

func (m meter) Int64Histogram(name string, options ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	h, err := m.Meter.Int64Histogram(name, options...)
	return int64Histogram{h, m.label}, err
}

func (m meter) Float64Histogram(name string, options ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	h, err := m.Meter.Float64Histogram(name, options...)
	return float64Histogram{h, m.label}, err
}

func (m meter) RegisterCallback(call metric.Callback, instruments ...metric.Observable) (metric.Registration, error) {
	return m.Meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		return call(ctx, observer{o, m.label})
	}, instruments...)
}

type observer struct {
	metric.Observer
	label *label
}

func (o observer) ObserveInt64(instrument metric.Int64Observable, value int64, options ...metric.ObserveOption) {
	o.Observer.ObserveInt64(instrument, value, o.label.of(metric.NewObserveConfig(options).Attributes()).observe...)
}

func (o observer) ObserveFloat64(instrument metric.Float64Observable, value float64, options ...metric.ObserveOption) {
	o.Observer.ObserveFloat64(instrument, value, o.label.of(metric.NewObserveConfig(options).Attributes()).observe...)
}
