package amqptracereceiver

import (
	"context"
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const (
	someTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	someSpan   = "00f067aa0ba902b7"
	someParent = "00-" + someTrace + "-" + someSpan + "-01"
)

func TestTraceContextIsReadFromHeaders(t *testing.T) {
	binaryParent, _ := hex.DecodeString("0000" + someTrace + "01" + someSpan + "0201")
	for name, c := range map[string]struct {
		headers amqp.Table
		state   string
		present bool
		valid   bool
	}{
		"nothing":                  {headers: nil},
		"another header":           {headers: amqp.Table{"traceparen": someParent}},
		"string":                   {headers: amqp.Table{"traceparent": someParent}, present: true, valid: true},
		"bytes":                    {headers: amqp.Table{"traceparent": []byte(someParent)}, present: true, valid: true},
		"binary":                   {headers: amqp.Table{"traceparent": binaryParent}, present: true, valid: true},
		"any case":                 {headers: amqp.Table{"TraceParent": someParent}, present: true, valid: true},
		"lower case wins":          {headers: amqp.Table{"Traceparent": "bad", "TRACEPARENT": "bad", "traceparent": someParent}, present: true, valid: true},
		"smallest key wins":        {headers: amqp.Table{"TRACEPARENT": someParent, "Traceparent": "bad", "traceparenT": "bad"}, present: true, valid: true},
		"with state":               {headers: amqp.Table{"traceparent": someParent, "TraceState": []byte("ot=th:8, a=b")}, state: "ot=th:8,a=b", present: true, valid: true},
		"malformed state":          {headers: amqp.Table{"traceparent": someParent, "tracestate": "=="}, present: true, valid: true},
		"state of another type":    {headers: amqp.Table{"traceparent": someParent, "tracestate": int64(1)}, present: true, valid: true},
		"state beyond the limit":   {headers: amqp.Table{"traceparent": someParent, "tracestate": "a=" + strings.Repeat("b", 256)}, present: true, valid: true},
		"null":                     {headers: amqp.Table{"traceparent": nil}, present: true},
		"number":                   {headers: amqp.Table{"traceparent": int64(7)}, present: true},
		"empty":                    {headers: amqp.Table{"traceparent": ""}, present: true},
		"cut off":                  {headers: amqp.Table{"traceparent": someParent[:54]}, present: true},
		"upper case hex":           {headers: amqp.Table{"traceparent": strings.ToUpper(someParent)}, present: true},
		"no trace id":              {headers: amqp.Table{"traceparent": "00-" + strings.Repeat("0", 32) + "-" + someSpan + "-01"}, present: true},
		"no span id":               {headers: amqp.Table{"traceparent": "00-" + someTrace + "-" + strings.Repeat("0", 16) + "-01"}, present: true},
		"version ff":               {headers: amqp.Table{"traceparent": "ff" + someParent[2:]}, present: true},
		"version 0 with more":      {headers: amqp.Table{"traceparent": someParent + "-more"}, present: true},
		"later version with more":  {headers: amqp.Table{"traceparent": "cc" + someParent[2:] + "-more"}, present: true, valid: true},
		"later version, run on":    {headers: amqp.Table{"traceparent": "cc" + someParent[2:] + "more"}, present: true},
		"binary of another layout": {headers: amqp.Table{"traceparent": append([]byte{0, 9}, binaryParent[2:]...)}, present: true},
	} {
		t.Run(name, func(t *testing.T) {
			found, present := traceContext{maxStateBytes: 256}.extract(c.headers)
			assert.Equal(t, c.present, present)
			assert.Equal(t, c.valid, found.valid())
			assert.Equal(t, c.state, found.state)
			if c.valid {
				assert.Equal(t, someTrace, found.traceID.String())
				assert.Equal(t, someSpan, found.spanID.String())
				assert.True(t, found.sampled())
			} else {
				assert.Zero(t, found)
			}
		})
	}
}

// For text headers the answer is the one of OpenTelemetry's own propagator, whatever the text.
func FuzzTraceContextAgreesWithTheSDK(f *testing.F) {
	for _, seed := range []string{
		someParent, "", "00", "cc-" + someParent[3:] + "-x", someParent + "-", "00-" + someTrace + "-" + someSpan + "-04",
		"ff" + someParent[2:], "00-" + someTrace + "-" + someSpan + "-03", "01-" + someTrace + "-" + someSpan + "-ff-",
	} {
		f.Add(seed, "ot=th:8")
		f.Add(seed, "a=b,,c=d , ")
	}
	f.Fuzz(func(t *testing.T, traceparent, tracestate string) {
		found, _ := traceContext{maxStateBytes: 4096}.extract(amqp.Table{"traceparent": traceparent, "tracestate": tracestate})
		carrier := propagation.MapCarrier{"traceparent": traceparent, "tracestate": tracestate}
		want := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
		if found.valid() != want.IsValid() {
			t.Fatalf("%q: valid is %v, the SDK says %v", traceparent, found.valid(), want.IsValid())
		}
		if !want.IsValid() {
			return
		}
		if trace.TraceID(found.traceID) != want.TraceID() || trace.SpanID(found.spanID) != want.SpanID() ||
			trace.TraceFlags(found.flags) != want.TraceFlags() || len(tracestate) <= 4096 && found.state != want.TraceState().String() {
			t.Fatalf("%q, %q: %v, the SDK says %v", traceparent, tracestate, found, want)
		}
	})
}

// everything is a configuration in which every header matters.
const everything = `
propagators: [tracecontext, b3, b3multi, jaeger, baggage]
spans: {missing_context: new_trace, dead_letter: span, publisher_time: true, respect_sampled_flag: false}
attributes: {headers: [any], baggage: [any], body_size: true}
trust: {users: [checkout]}`

// Whatever stands in the headers: ids are valid, texts are UTF-8 and bounded, no span ends before it
// starts, and the same message gives the same spans.
func FuzzHeadersNeverGiveAnInvalidSpan(f *testing.F) {
	f.Add("traceparent", someParent, []byte(someParent), int64(3), uint8(0))
	f.Add("TRACEPARENT", "", make([]byte, binaryTraceparentBytes), int64(-1), uint8(3))
	f.Add("b3", someTrace+"-"+someSpan, []byte("x"), int64(1), uint8(8))
	f.Add("baggage", "any=%ff", []byte("\xff"), int64(1), uint8(16))
	f.Add("any", "\xff", []byte("\xff"), int64(1<<40), uint8(17))
	f.Fuzz(func(t *testing.T, key, str string, raw []byte, number int64, pick uint8) {
		value := []any{str, raw, number, nil, amqp.Table{key: str}, []any{str}, true, 1.5}[pick%8]
		headers := amqp.Table{
			key: value, "x-death": []any{value, amqp.Table{"queue": value, "count": value, "time": value}},
			"x-delivery-count": value, "timestamp_in_ms": value,
		}
		if pick&8 != 0 {
			headers["uber-trace-id"] = someTrace + ":" + someSpan + ":0:1"
		}
		if pick&16 != 0 {
			headers["ANY"], headers["BAGGAGE"] = value, value
		}
		routingKey := []string{"deliver.q", "publish.x"}[pick>>5&1]
		yaml := []string{"{}", everything}[pick>>6&1]
		d := firehoseDelivery(routingKey, headers, func(trace, properties amqp.Table) {
			properties["message_id"], properties["correlation_id"], properties["timestamp"], properties["user_id"] = value, value, value, value
			trace["routing_keys"], trace["exchange_name"], trace["redelivered"] = value, value, value
		})
		spans, again := spansOf(t, yaml, d), spansOf(t, yaml, d)
		if len(spans) != len(again) {
			t.Fatalf("%d spans, then %d", len(spans), len(again))
		}
		for i, span := range spans {
			if span.TraceID() != again[i].TraceID() || span.SpanID() != again[i].SpanID() {
				t.Fatal("other ids the second time")
			}
			checkSpan(t, span)
		}
	})
}

func checkSpan(t *testing.T, span ptrace.Span) {
	t.Helper()
	if span.TraceID().IsEmpty() || span.SpanID().IsEmpty() || span.EndTimestamp() < span.StartTimestamp() {
		t.Fatalf("%s of %s from %v to %v", span.SpanID(), span.TraceID(), span.StartTimestamp(), span.EndTimestamp())
	}
	for _, link := range span.Links().All() {
		if link.TraceID().IsEmpty() || link.SpanID().IsEmpty() {
			t.Fatal("a link to nothing")
		}
	}
	checkText(t, span.Name())
	for key, value := range span.Attributes().All() {
		checkText(t, key)
		if value.Type() == pcommon.ValueTypeStr {
			checkText(t, value.Str())
		}
	}
}

func checkText(t *testing.T, s string) {
	t.Helper()
	const longest = len("destination: ") + 3*4096*3 // three texts, each byte of which may have become a replacement character
	if !utf8.ValidString(s) || len(s) > longest {
		t.Fatalf("a bad text of %d bytes", len(s))
	}
}
