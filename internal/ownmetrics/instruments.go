package ownmetrics

import (
	"context"

	"go.opentelemetry.io/otel/metric"
)

type int64Counter struct {
	metric.Int64Counter
	label *label
}

func (c int64Counter) Add(ctx context.Context, n int64, options ...metric.AddOption) {
	c.Int64Counter.Add(ctx, n, c.label.of(metric.NewAddConfig(options).Attributes()).add...)
}

type float64Counter struct {
	metric.Float64Counter
	label *label
}

func (c float64Counter) Add(ctx context.Context, n float64, options ...metric.AddOption) {
	c.Float64Counter.Add(ctx, n, c.label.of(metric.NewAddConfig(options).Attributes()).add...)
}

type int64Gauge struct {
	metric.Int64Gauge
	label *label
}

func (g int64Gauge) Record(ctx context.Context, value int64, options ...metric.RecordOption) {
	g.Int64Gauge.Record(ctx, value, g.label.of(metric.NewRecordConfig(options).Attributes()).record...)
}

type float64Gauge struct {
	metric.Float64Gauge
	label *label
}

func (g float64Gauge) Record(ctx context.Context, value float64, options ...metric.RecordOption) {
	g.Float64Gauge.Record(ctx, value, g.label.of(metric.NewRecordConfig(options).Attributes()).record...)
}

type int64Histogram struct {
	metric.Int64Histogram
	label *label
}

func (h int64Histogram) Record(ctx context.Context, value int64, options ...metric.RecordOption) {
	h.Int64Histogram.Record(ctx, value, h.label.of(metric.NewRecordConfig(options).Attributes()).record...)
}

type float64Histogram struct {
	metric.Float64Histogram
	label *label
}

func (h float64Histogram) Record(ctx context.Context, value float64, options ...metric.RecordOption) {
	h.Float64Histogram.Record(ctx, value, h.label.of(metric.NewRecordConfig(options).Attributes()).record...)
}
