package journeyprocessor

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/metadata"
)

// telemetry is the processor's metrics. Any goroutine may use it.
type telemetry struct {
	*metadata.TelemetryBuilder
	spans, logs   signalCounters
	tracesPending atomic.Int64
	remembered    [2]atomic.Int64 // decisions: dropped, kept
	names         nameCap
	series        seriesCap
}

// signalCounters holds the law of one signal:
// received + inherited = kept + dropped + pending + lost + handed over.
type signalCounters struct {
	signal                             string
	pending                            atomic.Int64
	recallable                         atomic.Int64 // of pending, decided to be dropped
	receivedTotal, keptTotal           metric.Int64Counter
	droppedTotal, lostTotal            metric.Int64Counter
	refusedTotal                       metric.Int64Counter
	receivedBytesTotal, keptBytesTotal metric.Int64Counter
	retriesTotal                       metric.Int64Counter
	inheritedTotal, handedOverTotal    metric.Int64Counter
}

func newTelemetry(settings component.TelemetrySettings, maxJourneys int, b *buffer) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(settings)
	if err != nil {
		return nil, err
	}
	t := &telemetry{
		TelemetryBuilder: builder,
		names:            nameCap{max: maxJourneys, seen: make(map[string]struct{})},
		series:           seriesCap{seen: make(map[decisionKey]struct{})},
	}
	t.spans = signalCounters{
		signal:        "traces",
		receivedTotal: builder.ProcessorJourneySpansReceived, keptTotal: builder.ProcessorJourneySpansKept,
		droppedTotal: builder.ProcessorJourneySpansDropped, lostTotal: builder.ProcessorJourneySpansLost,
		refusedTotal:       builder.ProcessorJourneySpansRefused,
		receivedBytesTotal: builder.ProcessorJourneySpanBytesReceived, keptBytesTotal: builder.ProcessorJourneySpanBytesKept,
		retriesTotal:   builder.ProcessorJourneyReleaseRetries,
		inheritedTotal: builder.ProcessorJourneySpansInherited, handedOverTotal: builder.ProcessorJourneySpansHandedOver,
	}
	t.logs = signalCounters{
		signal:        "logs",
		receivedTotal: builder.ProcessorJourneyLogRecordsReceived, keptTotal: builder.ProcessorJourneyLogRecordsKept,
		droppedTotal: builder.ProcessorJourneyLogRecordsDropped, lostTotal: builder.ProcessorJourneyLogRecordsLost,
		refusedTotal:       builder.ProcessorJourneyLogRecordsRefused,
		receivedBytesTotal: builder.ProcessorJourneyLogBytesReceived, keptBytesTotal: builder.ProcessorJourneyLogBytesKept,
		retriesTotal:   builder.ProcessorJourneyReleaseRetries,
		inheritedTotal: builder.ProcessorJourneyLogRecordsInherited, handedOverTotal: builder.ProcessorJourneyLogRecordsHandedOver,
	}
	return t, t.observe(b)
}

// observe registers the gauges.
func (t *telemetry) observe(b *buffer) error {
	for _, gauge := range []struct {
		register func(metric.Int64Callback) error
		value    func() int64
	}{
		{t.RegisterProcessorJourneySpansPendingCallback, t.spans.pending.Load},
		{t.RegisterProcessorJourneyLogRecordsPendingCallback, t.logs.pending.Load},
		{t.RegisterProcessorJourneySpansRecallableCallback, t.spans.recallable.Load},
		{t.RegisterProcessorJourneyLogRecordsRecallableCallback, t.logs.recallable.Load},
		{t.RegisterProcessorJourneyTracesPendingCallback, t.tracesPending.Load},
		{t.RegisterProcessorJourneyBufferBytesCallback, b.used.Load},
		{t.RegisterProcessorJourneyBufferLimitBytesCallback, func() int64 { return b.limit }},
		{t.RegisterProcessorJourneyBufferResidentBytesCallback, b.memory.Resident},
		{t.RegisterProcessorJourneyOverloadLevelCallback, func() int64 { return int64(b.observe()) }},
	} {
		err := gauge.register(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(gauge.value())
			return nil
		})
		if err != nil {
			return err
		}
	}
	kept := metric.WithAttributeSet(attribute.NewSet(attribute.String("decision", decisionWord(true))))
	dropped := metric.WithAttributeSet(attribute.NewSet(attribute.String("decision", decisionWord(false))))
	return t.RegisterProcessorJourneyRememberedDecisionsCallback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(t.remembered[1].Load(), kept)
		o.Observe(t.remembered[0].Load(), dropped)
		return nil
	})
}

// remember adds to what is remembered of decisions by all shards.
func (t *telemetry) remember(kept, dropped int) {
	t.remembered[1].Add(int64(kept))
	t.remembered[0].Add(int64(dropped))
}

// received counts records taken in. They are pending from just before they are
// handed to a shard until one of the three below counts them.
func (c *signalCounters) received(ctx context.Context, n int, bytes int64) {
	c.receivedTotal.Add(ctx, int64(n))
	c.receivedBytesTotal.Add(ctx, bytes)
}

func (c *signalCounters) kept(ctx context.Context, n int, bytes int64) {
	c.pending.Add(int64(-n))
	c.keptTotal.Add(ctx, int64(n))
	c.keptBytesTotal.Add(ctx, bytes)
}

func (c *signalCounters) dropped(ctx context.Context, n int) {
	c.pending.Add(int64(-n))
	c.droppedTotal.Add(ctx, int64(n))
}

func (c *signalCounters) lost(ctx context.Context, n int, reason string) {
	c.pending.Add(int64(-n))
	c.lostTotal.Add(ctx, int64(n), metric.WithAttributes(attribute.String("reason", reason)))
}

// refused counts records that were not taken in, and returns err.
func (c *signalCounters) refused(ctx context.Context, n int, reason string, err error) error {
	c.refusedTotal.Add(ctx, int64(n), metric.WithAttributes(attribute.String("reason", reason)))
	return err
}

// handedOver counts records that the next engine of this id goes on with.
func (c *signalCounters) handedOver(n int) {
	c.pending.Add(int64(-n))
	c.handedOverTotal.Add(context.Background(), int64(n))
}

// lostAfterAll counts records as lost that were counted as handed over.
func (c *signalCounters) lostAfterAll(n int) {
	c.inherited(n)
	c.lost(context.Background(), n, lostShutdown)
}

// inherited counts records that the engine before this one left.
func (c *signalCounters) inherited(n int) {
	c.pending.Add(int64(n))
	c.inheritedTotal.Add(context.Background(), int64(n))
}

func (c *signalCounters) retried(ctx context.Context) { c.retriesTotal.Add(ctx, 1) }

func (t *telemetry) decidedEarly(reason string) {
	t.ProcessorJourneyEarlyDecisions.Add(context.Background(), 1,
		metric.WithAttributes(attribute.String("reason", reason)))
}

func (t *telemetry) upgraded(ctx context.Context, held bool) {
	t.ProcessorJourneyLateUpgrades.Add(ctx, 1, metric.WithAttributes(attribute.Bool("held", held)))
}

func (t *telemetry) late(kept bool, spans int) {
	t.ProcessorJourneyLateSpans.Add(context.Background(), int64(spans),
		metric.WithAttributes(attribute.String("decision", decisionWord(kept))))
}
