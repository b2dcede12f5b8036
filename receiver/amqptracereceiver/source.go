package amqptracereceiver

import (
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// source is where events come from. It is owned by the run loop's goroutine.
type source interface {
	// name is the mode's key in the configuration.
	name() string
	// bindings are what the own queue is to be bound to. The caller must not change them.
	bindings() []binding
	// decode reads d into e, which is zero, as far as needed to decide; unless it answers skipNothing,
	// only e.kind is meaningful. It keeps no reference to d.
	decode(d *amqp.Delivery, e *event) skipReason
	// always is true if silence is suspicious: something should come whenever the broker is used.
	always() bool
}

// binding ties the own queue to an exchange.
type binding struct {
	exchange string
	key      string
	args     amqp.Table
}

func newDecoder(cfg *Config) *decoder {
	return &decoder{
		propagators:   newPropagators(cfg.Propagators, cfg.Limits.MaxHeaderValue),
		maxText:       cfg.Limits.MaxHeaderValue,
		skipUnsampled: cfg.Spans.RespectSampledFlag,
		missing:       cfg.Spans.MissingContext,
		publisherTime: cfg.Spans.PublisherTime,
		trust:         newTrust(cfg.Trust, cfg.Limits),
		headerKeys:    lowerCase(cfg.Attributes.Headers),
		baggageKeys:   cfg.Attributes.Baggage,
		malformed:     map[string]int64{},
	}
}

func lowerCase(keys []string) []string {
	lower := make([]string, len(keys))
	for i, key := range keys {
		lower[i] = strings.ToLower(key)
	}
	return lower
}

// newSource returns the one source of spans that is configured, or the firehose.
func newSource(cfg *Config, dec *decoder) source {
	if len(cfg.Tap) > 0 {
		return &tap{cfg: cfg.Tap, vhost: cfg.Connection.VHost, dec: dec}
	}
	if set := cfg.Queue.Get(); set != nil {
		return &filledQueue{queue: set.Name, vhost: cfg.Connection.VHost, dec: dec}
	}
	firehoseConfig := defaultFirehose()
	if set := cfg.Firehose.Get(); set != nil {
		firehoseConfig = *set
	}
	return &firehose{cfg: firehoseConfig, dec: dec}
}

func ownQueue(name string) bool { return strings.HasPrefix(name, ownQueuePrefix) }
