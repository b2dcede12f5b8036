package messaging

import (
	"maps"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Headers is a propagation.TextMapCarrier over the headers of one message.
type Headers amqp.Table

// Get returns "" for a header that is absent or not text. Clients in other
// languages send text as bytes as well.
func (h Headers) Get(key string) string {
	switch value := h[key].(type) {
	case string:
		return value
	case []byte:
		return string(value)
	default:
		return ""
	}
}

// Set must not be called on the headers of a delivery that is shared.
func (h Headers) Set(key, value string) { h[key] = value }

// Keys returns the names of all headers, sorted.
func (h Headers) Keys() []string { return slices.Sorted(maps.Keys(h)) }
