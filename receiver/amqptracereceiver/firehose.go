package amqptracereceiver

import (
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// traceExchange is where RabbitMQ publishes a copy of every message it takes in or hands out, with
// routing key publish.{exchange} or deliver.{queue}, while tracing of the vhost is on.
const traceExchange = "amq.rabbitmq.trace"

// firehose is the source that reads the broker's own trace exchange.
type firehose struct {
	cfg FirehoseConfig
	dec *decoder
}

func (*firehose) name() string { return modeFirehose }
func (*firehose) always() bool { return true }

func (f *firehose) bindings() []binding {
	var all []binding
	if f.cfg.wants(eventPublish) {
		for _, exchange := range f.cfg.Exchanges {
			if exchange == defaultExchangeName {
				exchange = ""
			}
			all = append(all, binding{exchange: traceExchange, key: eventPublish + "." + exchange})
		}
	}
	if f.cfg.wants(eventDeliver) {
		for _, queue := range f.cfg.Queues {
			all = append(all, binding{exchange: traceExchange, key: eventDeliver + "." + queue})
		}
	}
	return all
}

func (f *firehose) decode(d *amqp.Delivery, e *event) skipReason {
	kind, name, _ := strings.Cut(d.RoutingKey, ".")
	properties, ok := d.Headers["properties"].(amqp.Table)
	if kind != eventPublish && kind != eventDeliver || !ok {
		return skipMalformed
	}
	e.kind = kind
	if kind == eventDeliver && ownQueue(name) {
		return skipOwnQueue
	}
	headers, _ := properties["headers"].(amqp.Table)
	if skip := f.dec.context(headers, e); skip != skipNothing {
		return skip
	}
	f.copyMessage(d, properties, e)
	if kind == eventPublish {
		e.routed, e.routedKnown = f.routed(d.Headers["routed_queues"])
	} else {
		e.queue = f.dec.text(name)
		redelivered, _ := integer(d.Headers["redelivered"])
		e.redelivered = redelivered != 0
	}
	return f.dec.finish(headers, e)
}

// copyMessage takes over who and what; of the routing keys only the first, because the others may be
// blind copies (BCC).
func (f *firehose) copyMessage(d *amqp.Delivery, properties amqp.Table, e *event) {
	e.node = f.dec.text(d.Headers["node"])
	e.vhost = f.dec.text(d.Headers["vhost"])
	e.exchange = f.dec.text(d.Headers["exchange_name"])
	e.routingKey = f.dec.first(d.Headers["routing_keys"])
	e.user = f.dec.text(d.Headers["user"])
	e.connection = f.dec.text(d.Headers["connection"])
	if f.dec.names != nil {
		e.client = f.dec.names.of(e.connection)
	}
	if f.dec.trust != nil {
		e.publisher = f.publisher(properties, e)
	}
	e.messageID = f.dec.text(properties["message_id"])
	e.correlationID = f.dec.text(properties["correlation_id"])
	e.bodyBytes = originalBodyBytes(d.Body)
	if seconds, ok := integer(properties["timestamp"]); ok && f.dec.publisherTime {
		e.publisherTime = time.Unix(seconds, 0)
	}
}

// publisher is the user who published the message: a delivery names the consumer's, but the broker has
// checked the property, if the publisher has set it.
func (f *firehose) publisher(properties amqp.Table, e *event) string {
	if e.kind == eventPublish {
		return e.user
	}
	return f.dec.text(properties["user_id"])
}

// routed leaves our own queues out: that a message reached only them means that it reached nobody.
func (f *firehose) routed(value any) (queues []string, known bool) {
	list, known := value.([]any)
	for _, v := range list {
		if q := f.dec.text(v); q != "" && !ownQueue(q) {
			queues = append(queues, q)
		}
	}
	return queues, known
}
