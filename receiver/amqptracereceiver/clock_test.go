package amqptracereceiver

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stamped reads the events in order, one second apart, and returns the last.
func stamped(t *testing.T, c *clock, deliveries ...amqp.Delivery) event {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	source := newSource(cfg, newDecoder(cfg))
	var e event
	for i, d := range deliveries {
		e = event{}
		require.Equal(t, skipNothing, source.decode(&d, &e))
		c.stamp(&e, noon.Add(time.Duration(i)*time.Second), d.Redelivered)
	}
	return e
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newTestClock(maxPending int) *clock {
	return &clock{pairs: newPairs(LimitsConfig{MaxPending: maxPending, PendingTTL: time.Minute})}
}

func again(d amqp.Delivery) amqp.Delivery {
	d.Redelivered = true
	return d
}

func TestTimeInQueueComesFromTheBestSource(t *testing.T) {
	atBroker := func(at time.Time) amqp.Table { return traced(amqp.Table{"timestamp_in_ms": at.UnixMilli()}) }
	redelivered := func(trace, _ amqp.Table) { trace["redelivered"] = int32(1) }
	publish, deliver := firehoseDelivery("publish.shop", traced(nil), nil), firehoseDelivery("deliver.stock-queue", traced(nil), nil)
	second := firehoseDelivery("deliver.mailer-queue", traced(nil), nil)
	for name, c := range map[string]struct {
		events  []amqp.Delivery
		source  string
		inQueue time.Duration // -1: unknown
		clamped int64
		pending int
	}{
		"publish":               {events: []amqp.Delivery{publish}, source: timeFromReceiver, inQueue: -1, pending: 1},
		"paired":                {events: []amqp.Delivery{publish, deliver}, source: timeFromPair, inQueue: time.Second, pending: 1},
		"paired twice":          {events: []amqp.Delivery{publish, deliver, second}, source: timeFromPair, inQueue: 2 * time.Second},
		"one delivery too many": {events: []amqp.Delivery{publish, deliver, second, deliver}, source: timeFromReceiver, inQueue: -1},
		"no publish seen":       {events: []amqp.Delivery{deliver}, source: timeFromReceiver, inQueue: -1},
		"publish seen again":    {events: []amqp.Delivery{publish, again(publish), deliver, second}, source: timeFromPair, inQueue: 3 * time.Second},
		"two alike":             {events: []amqp.Delivery{publish, publish, deliver}, source: timeFromReceiver, inQueue: -1, pending: 1},
		"redelivery keeps the pair": {
			events: []amqp.Delivery{publish, deliver, firehoseDelivery("deliver.stock-queue", traced(nil), redelivered)},
			source: timeFromPair, inQueue: 2 * time.Second, pending: 1,
		},
		"unroutable is not waited for": {
			events: []amqp.Delivery{firehoseDelivery("publish.shop", traced(nil), func(trace, _ amqp.Table) { trace["routed_queues"] = []any{} })},
			source: timeFromReceiver, inQueue: -1,
		},
		"broker": {
			events: []amqp.Delivery{firehoseDelivery("deliver.q", atBroker(noon.Add(-5*time.Second)), nil)}, source: timeFromBroker, inQueue: 5 * time.Second,
		},
		"broker's clock is ahead": {
			events: []amqp.Delivery{firehoseDelivery("deliver.q", atBroker(noon.Add(time.Second)), nil)}, source: timeFromBroker, clamped: 1,
		},
		"publish stamped by the broker needs no pair": {
			events: []amqp.Delivery{firehoseDelivery("publish.shop", atBroker(noon), nil)}, source: timeFromBroker, inQueue: -1,
		},
		"after a dead letter": {
			events: []amqp.Delivery{firehoseDelivery("deliver.q", traced(amqp.Table{
				"timestamp_in_ms": noon.UnixMilli(), "x-death": []any{amqp.Table{"queue": "q0", "count": int64(1)}},
			}), nil)}, source: timeFromReceiver, inQueue: -1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newTestClock(10)
			last := stamped(t, clock, c.events...)
			assert.Equal(t, c.source, last.timeSource)
			assert.Equal(t, c.inQueue >= 0, last.inQueue)
			assert.Equal(t, max(c.inQueue, 0), last.end.Sub(last.start))
			assert.Equal(t, c.clamped, clock.clamped)
			assert.Equal(t, c.pending, clock.pairs.len())
		})
	}
}

func TestPairingTableIsBounded(t *testing.T) {
	p := newPairs(LimitsConfig{MaxPending: 3, PendingTTL: time.Minute})
	for i := range byte(5) {
		p.put(messageKey{i}, noon, 1, false)
	}
	assert.Equal(t, 3, p.len())
	assert.EqualValues(t, 2, p.evicted)
	_, ok := p.take(messageKey{1}, false)
	assert.False(t, ok, "the oldest went")
	_, ok = p.take(messageKey{2}, false)
	assert.True(t, ok)

	p.put(messageKey{9}, noon.Add(time.Minute), 1, false)
	assert.Equal(t, 1, p.len(), "the others were too old")
	assert.Equal(t, p.len(), p.oldest.Len())
}
