package amqptracereceiver

import (
	"encoding/binary"
	"maps"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
)

// firehoseDelivery is a message of amq.rabbitmq.trace as RabbitMQ 3.10 sends it, headers being those
// of the original message; change may edit the trace headers and the original properties.
func firehoseDelivery(routingKey string, headers amqp.Table, change func(trace, properties amqp.Table)) amqp.Delivery {
	properties := amqp.Table{
		"content_type": "application/json", "delivery_mode": int32(2), "message_id": "m-1",
		"correlation_id": "order 7", "timestamp": int32(-134012961),
	}
	if headers != nil {
		properties["headers"] = headers
	}
	trace := amqp.Table{
		"exchange_name": "shop", "routing_keys": []any{"checkout.processed", "copy", "blind copy"}, "properties": properties,
		"node": "rabbit@mq-1", "vhost": "/", "user": "checkout", "connection": "127.0.0.1:37306 -> 127.0.0.1:5672", "channel": int32(1),
	}
	if strings.HasPrefix(routingKey, "publish.") {
		trace["routed_queues"] = []any{"stock-queue", "mailer-queue", "otel.amqp_trace.XYZ"}
	} else {
		trace["redelivered"] = int32(0)
	}
	if change != nil {
		change(trace, properties)
	}
	return amqp.Delivery{
		Exchange: traceExchange, RoutingKey: routingKey, Headers: trace,
		Body: binary.BigEndian.AppendUint64(nil, 256), // as wire leaves it
	}
}

func newTestSource() (source, *clock) {
	cfg := createDefaultConfig().(*Config)
	return newSource(cfg, newDecoder(cfg)), &clock{pairs: newPairs(cfg.Limits)}
}

// traced is headers with a span context and more.
func traced(more amqp.Table) amqp.Table {
	headers := amqp.Table{"traceparent": someParent}
	maps.Copy(headers, more)
	return headers
}

func TestFirehoseMessagesAreDecoded(t *testing.T) {
	deathEntry := amqp.Table{
		"count": int64(2), "exchange": "shop", "queue": "stock-queue", "reason": "rejected",
		"routing-keys": []any{"checkout.processed"}, "time": time.Unix(1_700_000_000, 0),
	}
	common := event{
		node: "rabbit@mq-1", vhost: "/", exchange: "shop", routingKey: "checkout.processed", user: "checkout",
		connection: "127.0.0.1:37306 -> 127.0.0.1:5672", messageID: "m-1", correlationID: "order 7", bodyBytes: 256,
	}
	publish := func(change func(*event)) event {
		e := common
		e.kind, e.routed, e.routedKnown = eventPublish, []string{"stock-queue", "mailer-queue"}, true
		change(&e)
		return e
	}
	deliver := func(change func(*event)) event {
		e := common
		e.kind, e.queue = eventDeliver, "stock-queue"
		change(&e)
		return e
	}
	same := func(*event) {}
	died := []death{{queue: "stock-queue", exchange: "shop", reason: "rejected", count: 2, at: time.Unix(1_700_000_000, 0)}}
	for name, c := range map[string]struct {
		key     string
		headers amqp.Table
		change  func(trace, properties amqp.Table)
		want    event
		skip    skipReason
	}{
		"publish": {key: "publish.shop", headers: traced(nil), want: publish(same)},
		"publish to the default exchange": {
			key: "publish.", headers: traced(nil),
			change: func(trace, _ amqp.Table) { trace["exchange_name"] = "" },
			want:   publish(func(e *event) { e.exchange = "" }),
		},
		"unroutable": {
			key: "publish.shop", headers: traced(nil),
			change: func(trace, _ amqp.Table) { trace["routed_queues"] = []any{} },
			want:   publish(func(e *event) { e.routed = nil }),
		},
		"routed to nobody but us": {
			key: "publish.shop", headers: traced(nil),
			change: func(trace, _ amqp.Table) { trace["routed_queues"] = []any{"otel.tap"} },
			want:   publish(func(e *event) { e.routed = nil }),
		},
		"stamped by the broker": {
			key: "publish.shop", headers: traced(amqp.Table{"timestamp_in_ms": int64(1_700_000_000_123)}),
			want: publish(func(e *event) { e.brokerTime = time.UnixMilli(1_700_000_000_123) }),
		},
		"a stamp that is none": {
			key: "publish.shop", headers: traced(amqp.Table{"timestamp_in_ms": int64(1_700_000_000)}), want: publish(same),
		},
		"deliver": {key: "deliver.stock-queue", headers: traced(nil), want: deliver(same)},
		"queue with dots": {
			key: "deliver.stock.queue.eu", headers: traced(nil), want: deliver(func(e *event) { e.queue = "stock.queue.eu" }),
		},
		"redelivered": {
			key: "deliver.stock-queue", headers: traced(nil),
			change: func(trace, _ amqp.Table) { trace["redelivered"] = int32(1) },
			want:   deliver(func(e *event) { e.redelivered, e.attempt = true, 1 }),
		},
		"quorum queue counts deliveries": {
			key: "deliver.stock-queue", headers: traced(amqp.Table{"x-delivery-count": int64(3)}),
			change: func(trace, _ amqp.Table) { trace["redelivered"] = int32(1) },
			want:   deliver(func(e *event) { e.redelivered, e.attempt = true, 3 }),
		},
		"after dead letters": {
			key: "deliver.stock-queue", headers: traced(amqp.Table{"x-death": []any{deathEntry, "odd"}}),
			want: deliver(func(e *event) { e.deaths, e.attempt = died, 2 }),
		},
		"own queue":       {key: "deliver.otel.amqp_trace.XYZ", headers: traced(nil), want: event{kind: eventDeliver}, skip: skipOwnQueue},
		"no headers":      {key: "publish.shop", want: event{kind: eventPublish}, skip: skipNoContext},
		"no context":      {key: "publish.shop", headers: amqp.Table{"other": 1}, want: event{kind: eventPublish}, skip: skipNoContext},
		"not a trace key": {key: "something", headers: traced(nil), skip: skipMalformed},
		"no properties": {
			key: "publish.shop", change: func(trace, _ amqp.Table) { delete(trace, "properties") }, skip: skipMalformed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := firehoseDelivery(c.key, c.headers, c.change)
			source, _ := newTestSource()
			var e event
			assert.Equal(t, c.skip, source.decode(&d, &e))
			if c.skip == skipNothing {
				assert.Equal(t, someTrace, e.context.traceID.String())
			}
			e.context = spanContext{}
			assert.Equal(t, c.want, e)
		})
	}
}

func TestUnsampledContextIsSkippedUnlessWanted(t *testing.T) {
	unsampled := amqp.Table{"traceparent": someParent[:len(someParent)-2] + "00"}
	for respect, want := range map[bool]skipReason{true: skipUnsampled, false: skipNothing} {
		cfg := createDefaultConfig().(*Config)
		cfg.Spans.RespectSampledFlag = respect
		d := firehoseDelivery("publish.shop", unsampled, nil)
		assert.Equal(t, want, newSource(cfg, newDecoder(cfg)).decode(&d, &event{}))
	}
}

func TestMalformedContextIsCountedByPropagator(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	dec := newDecoder(cfg)
	d := firehoseDelivery("publish.shop", amqp.Table{"traceparent": "00-short"}, nil)
	assert.Equal(t, skipNoContext, newSource(cfg, dec).decode(&d, &event{}))
	assert.Equal(t, map[string]int64{"tracecontext": 1}, dec.malformed)
}

func TestTextOfStrangersIsBoundedAndValid(t *testing.T) {
	dec := &decoder{maxText: 5}
	assert.Equal(t, "abcde", dec.text("abcdef"))
	assert.Equal(t, "abcd", dec.text("abcdé"), "no half characters")
	assert.Equal(t, "a\uFFFD", dec.text([]byte{'a', 0xff}))
	assert.Empty(t, dec.text(int64(5)))
}

func TestEveryIntegerTypeOfATable(t *testing.T) {
	for _, value := range []any{int64(7), int32(7), int16(7), int8(7), uint32(7), uint16(7), byte(7)} {
		n, ok := integer(value)
		assert.True(t, ok, "%T", value)
		assert.EqualValues(t, 7, n)
	}
	_, ok := integer("7")
	assert.False(t, ok)
}
