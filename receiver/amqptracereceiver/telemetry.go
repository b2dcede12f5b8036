package amqptracereceiver

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelcol-journey/otelcol-journey/receiver/amqptracereceiver/internal/metadata"
)

// telemetry adds up what a batch did, so that the metrics cost something once for each batch and
// not once for each message. It is owned by the run loop's goroutine.
type telemetry struct {
	*metadata.TelemetryBuilder

	messages    map[string]int64 // by event
	spans       map[string]int64 // by event
	skipped     map[skipReason]int64
	redelivered int64
	rejected    int64

	// last is when a message was last taken from the broker, in Unix nanoseconds; read when metrics
	// are collected.
	last atomic.Int64
}

// newTelemetry begins with now as the time of the last message.
func newTelemetry(builder *metadata.TelemetryBuilder, now time.Time) (*telemetry, error) {
	t := &telemetry{
		TelemetryBuilder: builder,
		messages:         map[string]int64{},
		spans:            map[string]int64{},
		skipped:          map[skipReason]int64{},
	}
	t.heard(now)
	return t, builder.RegisterReceiverAmqpTraceSecondsSinceLastEventCallback(func(_ context.Context, o metric.Float64Observer) error {
		o.Observe(time.Since(time.Unix(0, t.last.Load())).Seconds())
		return nil
	})
}

func (t *telemetry) heard(now time.Time) { t.last.Store(now.UnixNano()) }

// eventUnknown stands for a message that is none of ours.
const eventUnknown = "unknown"

func (t *telemetry) took(kind string, skip skipReason, redelivered bool) {
	if kind == "" {
		kind = eventUnknown
	}
	t.messages[kind]++
	if skip != skipNothing {
		t.skipped[skip]++
	}
	if redelivered {
		t.redelivered++
	}
}

func (t *telemetry) built(events []event, b *spanBuilder) {
	for i := range events {
		t.spans[events[i].kind]++
		t.spans[operationDeadLetter] += int64(b.deathCount(&events[i]))
	}
}

// report passes on what has been added up, after a batch of so many deliveries was settled.
func (p *pipeline) report(settled int) {
	ctx, t := context.Background(), p.telemetry
	addAll(ctx, t.ReceiverAmqpTraceMessages, "event", t.messages)
	addAll(ctx, t.ReceiverAmqpTraceSpans, "operation", t.spans)
	addAll(ctx, t.ReceiverAmqpTraceSkipped, "reason", t.skipped)
	addAll(ctx, t.ReceiverAmqpTraceContextErrors, "propagator", p.decoder.malformed)
	if p.decoder.trust != nil {
		add(ctx, t.ReceiverAmqpTraceDistrustedContexts, &p.decoder.trust.distrusted)
	}
	add(ctx, t.ReceiverAmqpTraceRedelivered, &t.redelivered)
	add(ctx, t.ReceiverAmqpTraceRejectedSpans, &t.rejected)
	add(ctx, t.ReceiverAmqpTraceClampedDurations, &p.clock.clamped)
	add(ctx, t.ReceiverAmqpTracePendingEvicted, &p.clock.pairs.evicted)
	t.ReceiverAmqpTracePendingPairs.Record(ctx, int64(p.clock.pairs.len()))
	t.ReceiverAmqpTraceAckBatchSize.Record(ctx, int64(settled))
}

// add moves the sum into the counter.
func add(ctx context.Context, counter metric.Int64Counter, sum *int64) {
	if *sum != 0 {
		counter.Add(ctx, *sum)
		*sum = 0
	}
}

func addAll[K ~string](ctx context.Context, counter metric.Int64Counter, label string, sums map[K]int64) {
	for value, sum := range sums {
		if sum != 0 {
			counter.Add(ctx, sum, metric.WithAttributes(attribute.String(label, string(value))))
			sums[value] = 0
		}
	}
}

func (t *telemetry) reconnect(ctx context.Context, reason string) {
	t.ReceiverAmqpTraceReconnects.Add(ctx, 1, metric.WithAttributes(attribute.String("reason", reason)))
}
