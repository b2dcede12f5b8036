package amqptracereceiver

import (
	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/baggage"
)

const baggageKey = "baggage"

// allowedBaggage reads the listed members of the message's baggage, if that is
// not longer than the W3C allows. ok is false if there was something
// malformed; what is well-formed beside it is taken all the same, as the OpenTelemetry SDKs do.
func allowedBaggage(headers amqp.Table, keys []string) (members []taken, ok bool) {
	value, present := lookup(headers, baggageKey)
	if !present {
		return nil, true
	}
	raw := text(value)
	if raw == "" || len(raw) > maxBaggageText {
		return nil, false
	}
	bag, err := baggage.Parse(raw)
	for _, key := range keys {
		if member := bag.Member(key); member.Key() != "" {
			members = append(members, taken{key: attrBaggagePrefix + key, value: member.Value()})
		}
	}
	return members, err == nil
}
