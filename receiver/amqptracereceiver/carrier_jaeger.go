package amqptracereceiver

import (
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/trace"
)

// jaeger is the format of Jaeger's own clients: {trace id}:{span id}:{parent span id}:{flags}. Ids may
// come without their leading zeros; the parent is deprecated and not looked at.
type jaeger struct{}

const jaegerKey = "uber-trace-id"

func (jaeger) name() string { return propagatorJaeger }

func (jaeger) extract(headers amqp.Table) (spanContext, bool) {
	value, present := lookup(headers, jaegerKey)
	if !present {
		return spanContext{}, false
	}
	c, ok := parseJaeger(text(value))
	if !ok || !c.valid() {
		return spanContext{}, true
	}
	return c, true
}

func parseJaeger(s string) (c spanContext, ok bool) {
	traceID, rest, _ := strings.Cut(s, ":")
	spanID, rest, _ := strings.Cut(rest, ":")
	_, flags, found := strings.Cut(rest, ":")
	if !found || !decodePadded(c.traceID[:], traceID) || !decodePadded(c.spanID[:], spanID) || len(flags) > 2 {
		return c, false
	}
	bits, err := strconv.ParseUint(flags, 16, 8)
	c.flags = byte(bits) & byte(trace.FlagsSampled)
	return c, err == nil
}

// decodePadded is decodeHex for digits whose leading zeros were left out.
func decodePadded(dst []byte, src string) bool {
	if len(src) > 2*len(dst) {
		return false
	}
	var digits [32]byte
	padded := digits[:2*len(dst)]
	zeros := len(padded) - len(src)
	for i := range zeros {
		padded[i] = '0'
	}
	copy(padded[zeros:], src)
	return decodeHex(dst, string(padded))
}
