package amqptracereceiver

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
)

// otlp is the mode that receives telemetry itself. Up to three pipelines use it, one for each signal;
// their queues are read over one connection.
type otlp struct {
	cfg OTLPConfig
	obs *receiverhelper.ObsReport

	// Set before Start; nil for a signal without a pipeline.
	traces  consumer.Traces
	logs    consumer.Logs
	metrics consumer.Metrics

	formats formats // complete after Start
}

// signal is one kind of telemetry with its queue and its pipeline.
type signal struct {
	name, queue string
	// decode reads a body, and says how many spans, log records or data points it holds. It may be called
	// several times for one body: a pipeline may change what it is given, even if it then refuses it.
	decode func(f format, body []byte) (batch, error)
	begin  func(context.Context) context.Context
	end    func(ctx context.Context, format string, items int, err error)
}

// batch is a decoded body on its way into the pipeline, which owns it from then on.
type batch struct {
	items    int
	handOver func(context.Context) error
}

// signals lists what has a pipeline.
func (o *otlp) signals() (all []signal) {
	if o.traces != nil {
		all = append(all, signal{name: "traces", queue: o.cfg.Queues.Traces, decode: o.decodeTraces, begin: o.obs.StartTracesOp, end: o.obs.EndTracesOp})
	}
	if o.logs != nil {
		all = append(all, signal{name: "logs", queue: o.cfg.Queues.Logs, decode: o.decodeLogs, begin: o.obs.StartLogsOp, end: o.obs.EndLogsOp})
	}
	if o.metrics != nil {
		all = append(all, signal{name: "metrics", queue: o.cfg.Queues.Metrics, decode: o.decodeMetrics, begin: o.obs.StartMetricsOp, end: o.obs.EndMetricsOp})
	}
	return all
}

// start finds the encoding extension if one is set, and checks that it can read every signal in use.
func (o *otlp) start(host component.Host) error {
	id, err := o.cfg.extension()
	if err != nil || id == nil {
		return err
	}
	extension, found := host.GetExtensions()[*id]
	if !found {
		return fmt.Errorf("find encoding extension %q: it is not among the service's extensions", id)
	}
	o.formats.extension = newFormat(id.String(), extension)
	for _, s := range o.signals() {
		if !o.formats.extension.reads(s.name) {
			return fmt.Errorf("use encoding extension %q: it cannot read %s", id, s.name)
		}
	}
	return nil
}

func (o *otlp) decodeTraces(f format, body []byte) (batch, error) {
	td, err := f.traces.UnmarshalTraces(body)
	if err != nil {
		return batch{}, err
	}
	return batch{td.SpanCount(), func(ctx context.Context) error { return o.traces.ConsumeTraces(ctx, td) }}, nil
}

func (o *otlp) decodeLogs(f format, body []byte) (batch, error) {
	ld, err := f.logs.UnmarshalLogs(body)
	if err != nil {
		return batch{}, err
	}
	return batch{ld.LogRecordCount(), func(ctx context.Context) error { return o.logs.ConsumeLogs(ctx, ld) }}, nil
}

func (o *otlp) decodeMetrics(f format, body []byte) (batch, error) {
	md, err := f.metrics.UnmarshalMetrics(body)
	if err != nil {
		return batch{}, err
	}
	return batch{md.DataPointCount(), func(ctx context.Context) error { return o.metrics.ConsumeMetrics(ctx, md) }}, nil
}
