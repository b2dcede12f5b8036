package plan

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"

	"github.com/otelcol-journey/otelcol-journey/internal/recording"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor"
)

// waiting is how many batches may wait for a side. The other side need not
// wait for it meanwhile, and no more than these are in memory.
const waiting = 4

// side is one configuration: a replay of the processor with it, on a goroutine
// of its own, and its metrics.
type side struct {
	replay  *journeyprocessor.Replay
	metrics *metric.ManualReader
	sent    sink
	in      chan recording.Batch
	done    chan struct{}
}

// start makes a side that begins at the time of the first batch, and runs it
// until stop.
func start(config *journeyprocessor.Config, begin time.Time, logger *zap.Logger, decided func(journeyprocessor.ReplayDecision)) (*side, error) {
	s := &side{metrics: metric.NewManualReader(), in: make(chan recording.Batch, waiting), done: make(chan struct{})}
	settings := componenttest.NewNopTelemetrySettings()
	settings.Logger = logger
	settings.MeterProvider = metric.NewMeterProvider(metric.WithReader(s.metrics))
	var err error
	s.replay, err = journeyprocessor.NewReplay(journeyprocessor.ReplaySettings{
		Config: config, Telemetry: settings, Traces: &s.sent, Logs: &s.sent, Decided: decided, Begin: begin,
	})
	if err != nil {
		return nil, err
	}
	go s.run()
	return s, nil
}

// run replays what comes until in is closed, and then lets time pass until
// everything is decided.
func (s *side) run() {
	defer close(s.done)
	for b := range s.in {
		if b.IsLogs {
			s.replay.ConsumeLogs(b.At, b.Logs)
		} else {
			s.replay.ConsumeTraces(b.At, b.Traces)
		}
	}
	s.replay.Finish()
}

// stop ends a side; all it has counted may be read afterwards.
func (s *side) stop() {
	close(s.in)
	<-s.done
}

// sink is the next component: it takes everything, and counts it as it would
// be sent.
type sink struct{ bytes int64 }

var (
	_ consumer.Traces = (*sink)(nil)
	_ consumer.Logs   = (*sink)(nil)
)

func (*sink) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (s *sink) ConsumeTraces(_ context.Context, td ptrace.Traces) error {
	s.bytes += int64((&ptrace.ProtoMarshaler{}).TracesSize(td))
	return nil
}

func (s *sink) ConsumeLogs(_ context.Context, ld plog.Logs) error {
	s.bytes += int64((&plog.ProtoMarshaler{}).LogsSize(ld))
	return nil
}

// counters are the processor's own metrics, summed over all attributes but
// those asked for.
type counters struct{ all metricdata.ResourceMetrics }

func (s *side) counters() (*counters, error) {
	c := &counters{}
	if err := s.metrics.Collect(context.Background(), &c.all); err != nil {
		return nil, fmt.Errorf("read the processor's metrics: %w", err)
	}
	return c, nil
}

// sum is a counter's value, of the points with the attribute if key is not "".
func (c *counters) sum(name, key, value string) int64 {
	var sum int64
	for _, scope := range c.all.ScopeMetrics {
		for _, m := range scope.Metrics {
			data, ok := m.Data.(metricdata.Sum[int64])
			if !ok || m.Name != "otelcol_processor_journey_"+name {
				continue
			}
			for _, p := range data.DataPoints {
				if is, _ := p.Attributes.Value(attribute.Key(key)); key == "" || is.AsString() == value {
					sum += p.Value
				}
			}
		}
	}
	return sum
}
