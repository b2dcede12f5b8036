package amqptracereceiver

import (
	amqp "github.com/rabbitmq/amqp091-go"
)

// tap is the source that binds the own queue to the application's exchanges. It sees publishes only,
// and not where they were routed to.
type tap struct {
	cfg   []TapConfig
	vhost string
	dec   *decoder
}

func (*tap) name() string { return modeTap }

// always is false: an exchange may well be idle.
func (*tap) always() bool { return false }

func (t *tap) bindings() []binding {
	var all []binding
	for _, c := range t.cfg {
		switch c.Type {
		case "fanout": // takes any key
			all = append(all, binding{exchange: c.Exchange})
		case "headers": // all of no conditions is always true
			all = append(all, binding{exchange: c.Exchange, args: amqp.Table{"x-match": "all"}})
		default:
			for _, key := range c.BindingKeys {
				all = append(all, binding{exchange: c.Exchange, key: key})
			}
		}
	}
	return all
}

func (t *tap) decode(d *amqp.Delivery, e *event) skipReason {
	e.kind = eventPublish
	if skip := t.dec.context(d.Headers, e); skip != skipNothing {
		return skip
	}
	e.vhost = t.vhost
	t.dec.copyMessage(d, e)
	return t.dec.finish(d.Headers, e)
}

// copyMessage takes over the properties of a message that came as itself, not as a copy in the
// firehose's wrapping.
func (dec *decoder) copyMessage(d *amqp.Delivery, e *event) {
	e.exchange = dec.text(d.Exchange)
	e.routingKey = dec.text(d.RoutingKey)
	e.user = dec.text(d.UserId) // set and checked only if the publisher asks for it
	e.publisher = e.user
	e.messageID = dec.text(d.MessageId)
	e.correlationID = dec.text(d.CorrelationId)
	e.bodyBytes = originalBodyBytes(d.Body)
	if dec.publisherTime {
		e.publisherTime = d.Timestamp
	}
}
