package amqptracereceiver

import (
	"encoding/hex"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/otel/trace"
)

// spanContext is what a publisher put into a message's headers: the span that published it.
// The zero value is no context.
type spanContext struct {
	traceID pcommon.TraceID
	spanID  pcommon.SpanID
	flags   byte
	// deferred says that the format can leave the decision open, and did: not sampled is not known.
	deferred bool
	// state is the tracestate as it goes on the span; empty if there was none or it was malformed.
	state string
}

func (c spanContext) valid() bool   { return !c.traceID.IsEmpty() && !c.spanID.IsEmpty() }
func (c spanContext) sampled() bool { return c.flags&byte(trace.FlagsSampled) != 0 }

// unsampled is true if it is known that nobody records the trace.
func (c spanContext) unsampled() bool { return !c.sampled() && !c.deferred }

// same is true if both name the same span.
func (c spanContext) same(other spanContext) bool {
	return c.traceID == other.traceID && c.spanID == other.spanID
}

// propagator reads one format of span context from message headers.
type propagator interface {
	// name is the format's name in the configuration and in metrics.
	name() string
	// extract returns the span context, and whether the headers hold the format at all: an invalid
	// context with present true is malformed. It keeps no reference to the headers.
	extract(headers amqp.Table) (c spanContext, present bool)
}

// The formats, by the names that OTEL_PROPAGATORS has for them.
const (
	propagatorTraceContext = "tracecontext"
	propagatorBaggage      = "baggage"
	propagatorB3           = "b3"
	propagatorB3Multi      = "b3multi"
	propagatorJaeger       = "jaeger"
)

// contextPropagators lists the formats that hold a span context.
func contextPropagators() []string {
	return []string{propagatorTraceContext, propagatorB3, propagatorB3Multi, propagatorJaeger}
}

// newPropagators returns the readers of span contexts among the named formats, in their order.
func newPropagators(names []string, maxStateBytes int) []propagator {
	var all []propagator
	for _, name := range names {
		switch name {
		case propagatorTraceContext:
			all = append(all, traceContext{maxStateBytes: maxStateBytes})
		case propagatorB3:
			all = append(all, b3Single{})
		case propagatorB3Multi:
			all = append(all, b3Multi{})
		case propagatorJaeger:
			all = append(all, jaeger{})
		}
	}
	return all
}

const (
	traceparentKey = "traceparent"
	tracestateKey  = "tracestate"
)

// traceContext is W3C Trace Context as it is used over AMQP 0-9-1: the HTTP header texts, as string
// or bytes, under keys in any letter case; also the binary form of the AMQP 1.0 draft.
type traceContext struct {
	// maxStateBytes is the longest tracestate taken over: a cut one would be wrong, so it is left out.
	maxStateBytes int
}

func (traceContext) name() string { return propagatorTraceContext }

func (p traceContext) extract(headers amqp.Table) (spanContext, bool) {
	value, present := lookup(headers, traceparentKey)
	if !present {
		return spanContext{}, false
	}
	var c spanContext
	var ok bool
	switch parent := value.(type) {
	case string:
		c, ok = parseTraceparent(parent)
	case []byte:
		if len(parent) == binaryTraceparentBytes && parent[0] == 0 {
			c, ok = parseBinaryTraceparent(parent)
		} else {
			c, ok = parseTraceparent(string(parent))
		}
	}
	if !ok || !c.valid() {
		return spanContext{}, true
	}
	c.state = p.tracestate(headers)
	return c, true
}

// tracestate returns the list as the OpenTelemetry SDKs would pass it on; a malformed list does not
// make the traceparent invalid (W3C, section 3.3).
func (p traceContext) tracestate(headers amqp.Table) string {
	value, present := lookup(headers, tracestateKey)
	if !present {
		return ""
	}
	raw := text(value)
	if raw == "" || len(raw) > p.maxStateBytes {
		return ""
	}
	state, err := trace.ParseTraceState(raw)
	if err != nil {
		return ""
	}
	return state.String()
}

// lookup finds a header whatever the letter case of its key. The lower-case key wins, then the
// smallest: one message must give the same answer each time it is read.
func lookup(headers amqp.Table, key string) (any, bool) {
	if v, ok := headers[key]; ok {
		return v, true
	}
	smallest, found := "", false
	for k := range headers {
		if len(k) == len(key) && strings.EqualFold(k, key) && (!found || k < smallest) {
			smallest, found = k, true
		}
	}
	return headers[smallest], found
}

// text is the value of a header that may come as string or bytes, "" for any other type.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

// Offsets in "00-<32 hex trace id>-<16 hex span id>-<2 hex flags>".
const (
	traceIDAt        = 3
	spanIDAt         = traceIDAt + 32 + 1
	flagsAt          = spanIDAt + 16 + 1
	traceparentBytes = flagsAt + 2
)

// parseTraceparent gives the same answer as the propagator of the OpenTelemetry Go SDK (a fuzz test
// holds it to that), without its allocations.
func parseTraceparent(s string) (c spanContext, ok bool) {
	if len(s) < traceparentBytes || s[traceIDAt-1] != '-' || s[spanIDAt-1] != '-' || s[flagsAt-1] != '-' {
		return c, false
	}
	// What a later version appends must be set off by a dash.
	if len(s) > traceparentBytes && s[traceparentBytes] != '-' {
		return c, false
	}
	var version, flags [1]byte
	if !decodeHex(version[:], s[:traceIDAt-1]) || version[0] == 0xff ||
		!decodeHex(c.traceID[:], s[traceIDAt:spanIDAt-1]) ||
		!decodeHex(c.spanID[:], s[spanIDAt:flagsAt-1]) ||
		!decodeHex(flags[:], s[flagsAt:traceparentBytes]) {
		return c, false
	}
	// Version 0 has no further fields and no other flags.
	if version[0] == 0 && (len(s) > traceparentBytes+1 || flags[0] > 3) {
		return c, false
	}
	c.flags = flags[0] & byte(trace.FlagsSampled|trace.FlagsRandom)
	return c, true
}

// decodeHex accepts lower case only, as the W3C asks, and two digits for each byte of dst, which has
// at most 16.
func decodeHex(dst []byte, src string) bool {
	if len(src) != hex.EncodedLen(len(dst)) {
		return false
	}
	for i := range len(src) {
		if 'A' <= src[i] && src[i] <= 'F' {
			return false
		}
	}
	var scratch [32]byte
	n := copy(scratch[:], src)
	_, err := hex.Decode(dst, scratch[:n])
	return err == nil
}

// binaryTraceparentBytes is version, then three fields, each after its one-byte number: trace id, span id, flags.
const binaryTraceparentBytes = 1 + (1 + 16) + (1 + 8) + (1 + 1)

func parseBinaryTraceparent(b []byte) (c spanContext, ok bool) {
	if b[1] != 0 || b[18] != 1 || b[27] != 2 {
		return c, false
	}
	copy(c.traceID[:], b[2:18])
	copy(c.spanID[:], b[19:27])
	c.flags = b[28] & byte(trace.FlagsSampled|trace.FlagsRandom)
	return c, true
}
