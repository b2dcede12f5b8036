package amqptracereceiver

import (
	"math/rand/v2"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// spanIDOf reads the event as a receiver of its own would.
func spanIDOf(t *testing.T, d amqp.Delivery) pcommon.SpanID {
	t.Helper()
	source, c := newTestSource()
	var e event
	if skip := source.decode(&d, &e); skip != skipNothing {
		t.Fatal(skip)
	}
	c.stamp(&e, time.Unix(rand.Int64N(1<<33), 0), d.Redelivered)
	id := (&identity{}).span(&e)
	assert.False(t, id.IsEmpty())
	return id
}

func TestTheSameEventHasTheSameID(t *testing.T) {
	for _, key := range []string{"publish.shop", "deliver.stock-queue"} {
		once := firehoseDelivery(key, traced(nil), nil)
		again := firehoseDelivery(key, traced(nil), nil)
		again.Redelivered = true // to us, after a restart or on another replica
		again.DeliveryTag = 99
		assert.Equal(t, spanIDOf(t, once), spanIDOf(t, again))

		anonymous := func(_, properties amqp.Table) { delete(properties, "message_id") }
		assert.Equal(t, spanIDOf(t, firehoseDelivery(key, traced(nil), anonymous)), spanIDOf(t, firehoseDelivery(key, traced(nil), anonymous)))
	}
}

func TestDifferentEventsHaveDifferentIDs(t *testing.T) {
	set := func(key string, value any) func(trace, properties amqp.Table) {
		return func(trace, _ amqp.Table) { trace[key] = value }
	}
	without := func(more func(trace, properties amqp.Table)) func(trace, properties amqp.Table) {
		return func(trace, properties amqp.Table) {
			delete(properties, "message_id")
			if more != nil {
				more(trace, properties)
			}
		}
	}
	otherParent := "00-" + someTrace + "-00f067aa0ba902b8-01"
	events := map[string]amqp.Delivery{
		"publish":            firehoseDelivery("publish.shop", traced(nil), nil),
		"other exchange":     firehoseDelivery("publish.mall", traced(nil), set("exchange_name", "mall")),
		"deliver":            firehoseDelivery("deliver.shop", traced(nil), nil),
		"other queue":        firehoseDelivery("deliver.mall", traced(nil), nil),
		"redelivered":        firehoseDelivery("deliver.shop", traced(nil), set("redelivered", int32(1))),
		"second redelivery":  firehoseDelivery("deliver.shop", traced(amqp.Table{"x-delivery-count": int64(2)}), set("redelivered", int32(1))),
		"other vhost":        firehoseDelivery("deliver.shop", traced(nil), set("vhost", "eu")),
		"other parent":       firehoseDelivery("deliver.shop", amqp.Table{"traceparent": otherParent}, nil),
		"other message":      firehoseDelivery("deliver.shop", traced(nil), func(_, p amqp.Table) { p["message_id"] = "m-2" }),
		"no id":              firehoseDelivery("deliver.shop", traced(nil), without(nil)),
		"no id, other key":   firehoseDelivery("deliver.shop", traced(nil), without(set("routing_keys", []any{"other"}))),
		"no id, other order": firehoseDelivery("deliver.shop", traced(nil), without(func(_, p amqp.Table) { p["correlation_id"] = "order 8" })),
		"no id, stamped":     firehoseDelivery("deliver.shop", traced(amqp.Table{"timestamp_in_ms": int64(1_700_000_000_000)}), without(nil)),
	}
	seen := map[pcommon.SpanID]string{}
	for name, d := range events {
		id := spanIDOf(t, d)
		assert.NotContains(t, seen, id, "%s and %s", name, seen[id])
		seen[id] = name
	}
}

func TestTapAndFirehoseAgreeOnAPublish(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.Tap = []TapConfig{{Exchange: "shop", Type: "fanout"}}
	tapped := amqp.Delivery{
		Exchange: "shop", RoutingKey: "checkout.processed", MessageId: "m-1", CorrelationId: "order 7", Headers: traced(nil),
	}
	var e event
	assert.Equal(t, skipNothing, newSource(cfg, newDecoder(cfg)).decode(&tapped, &e))
	assert.Equal(t, spanIDOf(t, firehoseDelivery("publish.shop", traced(nil), nil)), (&identity{}).span(&e))
}

// The publish and all its deliveries have one message key, whatever the message looks like.
func TestPublishAndDeliverySharePairingKey(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	word := func() string { return []string{"", "a", "b", "ab"}[r.IntN(4)] }
	for range 1000 {
		routingKey, correlation, id := word(), word(), word()
		change := func(trace, properties amqp.Table) {
			trace["routing_keys"] = []any{routingKey}
			properties["correlation_id"], properties["message_id"] = correlation, id
		}
		source, c := newTestSource()
		publish, deliver := firehoseDelivery("publish.shop", traced(nil), change), firehoseDelivery("deliver.q", traced(nil), change)
		var p, d event
		source.decode(&publish, &p)
		source.decode(&deliver, &d)
		assert.Equal(t, c.ids.message(&p), c.ids.message(&d))
		assert.NotEqual(t, c.ids.span(&p), c.ids.span(&d))
	}
}
