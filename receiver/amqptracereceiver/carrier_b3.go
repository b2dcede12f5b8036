package amqptracereceiver

import (
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/otel/trace"
)

// b3Single is Zipkin's format in one header: {trace id}-{span id}[-{sampled}[-{parent span id}]].
// A trace id has 64 or 128 bits.
type b3Single struct{}

const b3Key = "b3"

func (b3Single) name() string { return propagatorB3 }

func (b3Single) extract(headers amqp.Table) (spanContext, bool) {
	value, present := lookup(headers, b3Key)
	if !present {
		return spanContext{}, false
	}
	s := text(value)
	if _, decision := b3Sampled(s); decision && s != "" {
		return spanContext{}, false // only "0", "1" or "d": well-formed, but names no span
	}
	c, ok := parseB3(s)
	if !ok || !c.valid() {
		return spanContext{}, true
	}
	return c, true
}

func parseB3(s string) (c spanContext, ok bool) {
	traceID, rest, found := strings.Cut(s, "-")
	if !found || !decodeB3TraceID(&c.traceID, traceID) {
		return c, false
	}
	spanID, rest, decided := strings.Cut(rest, "-")
	if !decodeHex(c.spanID[:], spanID) {
		return c, false
	}
	if !decided {
		c.deferred = true
		return c, true
	}
	sampled, parent, hasParent := strings.Cut(rest, "-")
	if c.flags, ok = b3Sampled(sampled); !ok || sampled == "" {
		return c, false
	}
	return c, !hasParent || validSpanID(parent)
}

// b3Sampled reads the decision of the single header; none leaves it open.
func b3Sampled(s string) (flags byte, ok bool) {
	switch s {
	case "1", "d": // debug implies sampled
		return byte(trace.FlagsSampled), true
	case "0", "":
		return 0, true
	}
	return 0, false
}

func decodeB3TraceID(id *pcommon.TraceID, s string) bool {
	if len(s) == 16 {
		return decodeHex(id[8:], s)
	}
	return decodeHex(id[:], s)
}

func validSpanID(s string) bool {
	var id pcommon.SpanID
	return decodeHex(id[:], s) && !id.IsEmpty()
}

// b3Multi is Zipkin's older format, of one header for each field.
type b3Multi struct{}

const (
	b3TraceIDKey  = "x-b3-traceid"
	b3SpanIDKey   = "x-b3-spanid"
	b3ParentIDKey = "x-b3-parentspanid"
	b3SampledKey  = "x-b3-sampled"
	b3FlagsKey    = "x-b3-flags"
)

func (b3Multi) name() string { return propagatorB3Multi }

func (b3Multi) extract(headers amqp.Table) (spanContext, bool) {
	traceID, hasTrace := lookup(headers, b3TraceIDKey)
	spanID, hasSpan := lookup(headers, b3SpanIDKey)
	if !hasTrace && !hasSpan {
		return spanContext{}, false // a decision alone names no span
	}
	var c spanContext
	if !decodeB3TraceID(&c.traceID, text(traceID)) || !decodeHex(c.spanID[:], text(spanID)) || !c.valid() {
		return spanContext{}, true
	}
	if parent, has := lookup(headers, b3ParentIDKey); has && !validSpanID(text(parent)) {
		return spanContext{}, true
	}
	if !c.decideB3(headers) {
		return spanContext{}, true
	}
	return c, true
}

// decideB3 reads the two headers that say whether the trace is recorded. "true" and "false" are what
// older libraries send.
func (c *spanContext) decideB3(headers amqp.Table) bool {
	value, has := lookup(headers, b3SampledKey)
	switch sampled := text(value); {
	case sampled == "1" || strings.EqualFold(sampled, "true"):
		c.flags = byte(trace.FlagsSampled)
	case sampled == "0" || strings.EqualFold(sampled, "false"):
	case !has:
		c.deferred = true
	default:
		return false
	}
	if debug, _ := lookup(headers, b3FlagsKey); text(debug) == "1" {
		c.flags, c.deferred = byte(trace.FlagsSampled), false
	}
	return true
}
