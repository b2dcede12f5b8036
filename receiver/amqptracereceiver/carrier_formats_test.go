package amqptracereceiver

import (
	"context"
	"encoding/binary"
	"regexp"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	b3upstream "go.opentelemetry.io/contrib/propagators/b3"
	jaegerupstream "go.opentelemetry.io/contrib/propagators/jaeger"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// otherTrace has 64 bits, as many tracers of Zipkin and Jaeger still make them.
const (
	shortTrace  = "a3ce929d0e0e4736"
	paddedTrace = "0000000000000000" + shortTrace
)

// outcome is what a format makes of headers: a context, nothing, or a malformed one.
type outcome struct {
	trace     string // "" if there is no context
	sampled   bool
	deferred  bool
	malformed bool
}

func extracted(t *testing.T, p propagator, headers amqp.Table) outcome {
	t.Helper()
	c, present := p.extract(headers)
	if !c.valid() {
		assert.Zero(t, c, "nothing of a malformed context is kept")
		return outcome{malformed: present}
	}
	assert.True(t, present)
	assert.Equal(t, someSpan, c.spanID.String())
	return outcome{trace: c.traceID.String(), sampled: c.sampled(), deferred: c.deferred}
}

func TestB3SingleHeader(t *testing.T) {
	for value, want := range map[any]outcome{
		someTrace + "-" + someSpan + "-1":             {trace: someTrace, sampled: true},
		someTrace + "-" + someSpan + "-d":             {trace: someTrace, sampled: true},
		someTrace + "-" + someSpan + "-0":             {trace: someTrace},
		someTrace + "-" + someSpan:                    {trace: someTrace, deferred: true},
		someTrace + "-" + someSpan + "-1-" + someSpan: {trace: someTrace, sampled: true},
		shortTrace + "-" + someSpan + "-1":            {trace: paddedTrace, sampled: true},
		"0":                                           {},
		"1":                                           {},
		"d":                                           {},
		"":                                            {malformed: true},
		"2":                                           {malformed: true},
		someTrace:                                     {malformed: true},
		someTrace + "-" + someSpan + "-":              {malformed: true},
		someTrace + "-" + someSpan + "-2":             {malformed: true},
		someTrace + "-" + someSpan + "-1-":            {malformed: true},
		someTrace + "-" + someSpan + "-1-" + strings.Repeat("0", 16): {malformed: true},
		someTrace + "-" + someSpan + "-" + someSpan:                  {malformed: true},
		strings.ToUpper(someTrace) + "-" + someSpan + "-1":           {malformed: true},
		strings.Repeat("0", 32) + "-" + someSpan + "-1":              {malformed: true},
		someTrace + "-" + strings.Repeat("0", 16) + "-1":             {malformed: true},
		someTrace[:31] + "-" + someSpan + "-1":                       {malformed: true},
		int64(7):                                                     {malformed: true},
	} {
		assert.Equal(t, want, extracted(t, b3Single{}, amqp.Table{"B3": value}), "%v", value)
	}
	assert.Equal(t, outcome{trace: someTrace, sampled: true}, extracted(t, b3Single{}, amqp.Table{"b3": []byte(someTrace + "-" + someSpan + "-1")}), "bytes")
	assert.Equal(t, outcome{}, extracted(t, b3Single{}, nil))
}

func TestB3MultipleHeaders(t *testing.T) {
	ids := func(more amqp.Table) amqp.Table {
		headers := amqp.Table{"X-B3-TraceId": someTrace, "X-B3-SpanId": someSpan}
		for k, v := range more {
			headers[k] = v
		}
		return headers
	}
	for name, c := range map[string]struct {
		headers amqp.Table
		want    outcome
	}{
		"nothing":          {nil, outcome{}},
		"a decision alone": {amqp.Table{"x-b3-sampled": "0"}, outcome{}},
		"sampled":          {ids(amqp.Table{"X-B3-Sampled": "1"}), outcome{trace: someTrace, sampled: true}},
		"true":             {ids(amqp.Table{"X-B3-Sampled": "True"}), outcome{trace: someTrace, sampled: true}},
		"bytes":            {ids(amqp.Table{"X-B3-Sampled": []byte("1")}), outcome{trace: someTrace, sampled: true}},
		"not sampled":      {ids(amqp.Table{"x-b3-sampled": "0"}), outcome{trace: someTrace}},
		"deferred":         {ids(nil), outcome{trace: someTrace, deferred: true}},
		"debug":            {ids(amqp.Table{"x-b3-flags": "1"}), outcome{trace: someTrace, sampled: true}},
		"debug wins":       {ids(amqp.Table{"x-b3-flags": "1", "x-b3-sampled": "0"}), outcome{trace: someTrace, sampled: true}},
		"with parent":      {ids(amqp.Table{"X-B3-ParentSpanId": someSpan}), outcome{trace: someTrace, deferred: true}},
		"64 bits":          {ids(amqp.Table{"X-B3-TraceId": shortTrace}), outcome{trace: paddedTrace, deferred: true}},
		"malformed parent": {ids(amqp.Table{"X-B3-ParentSpanId": "x"}), outcome{malformed: true}},
		"odd decision":     {ids(amqp.Table{"X-B3-Sampled": "maybe"}), outcome{malformed: true}},
		"no span id":       {amqp.Table{"x-b3-traceid": someTrace}, outcome{malformed: true}},
		"no trace id":      {amqp.Table{"x-b3-spanid": someSpan}, outcome{malformed: true}},
		"malformed id":     {ids(amqp.Table{"X-B3-TraceId": "x"}), outcome{malformed: true}},
		"id of zeros":      {ids(amqp.Table{"X-B3-TraceId": strings.Repeat("0", 16)}), outcome{malformed: true}},
		"id of odd type":   {ids(amqp.Table{"X-B3-TraceId": int64(7)}), outcome{malformed: true}},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, extracted(t, b3Multi{}, c.headers)) })
	}
}

func TestJaegerHeader(t *testing.T) {
	for value, want := range map[any]outcome{
		someTrace + ":" + someSpan + ":0:1":                  {trace: someTrace, sampled: true},
		someTrace + ":" + someSpan + ":0:3":                  {trace: someTrace, sampled: true},
		someTrace + ":" + someSpan + ":0:0":                  {trace: someTrace},
		someTrace + ":" + someSpan + ":0:00":                 {trace: someTrace},
		shortTrace + ":" + someSpan + "::1":                  {trace: paddedTrace, sampled: true},
		shortTrace + ":" + someSpan[2:] + ":0:1":             {trace: paddedTrace, sampled: true},
		someTrace + ":" + someSpan + ":0":                    {malformed: true},
		someTrace + ":" + someSpan + ":0:":                   {malformed: true},
		someTrace + ":" + someSpan + ":0:+1":                 {malformed: true},
		someTrace + ":" + someSpan + ":0:1:1":                {malformed: true},
		someTrace + "0:" + someSpan + ":0:1":                 {malformed: true},
		":" + someSpan + ":0:1":                              {malformed: true},
		someTrace + "::0:1":                                  {malformed: true},
		"0:" + someSpan + ":0:1":                             {malformed: true},
		strings.ToUpper(someTrace) + ":" + someSpan + ":0:1": {malformed: true},
		"":   {malformed: true},
		true: {malformed: true},
	} {
		assert.Equal(t, want, extracted(t, jaeger{}, amqp.Table{"Uber-Trace-Id": value}), "%v", value)
	}
}

// agrees holds a format against the propagator of OpenTelemetry Go: we accept what it accepts, as long
// as that is of the form that the format's specification has, and read the same from it.
func agrees(t *testing.T, p propagator, headers map[string]string, upstream propagation.TextMapPropagator, form bool) {
	t.Helper()
	table := amqp.Table{}
	for key, value := range headers {
		table[strings.ToUpper(key)] = value
	}
	found, present := p.extract(table)
	want := trace.SpanContextFromContext(upstream.Extract(context.Background(), propagation.MapCarrier(headers)))
	if found.valid() != (want.IsValid() && form) {
		t.Fatalf("%v: valid is %v; upstream %v, form %v", headers, found.valid(), want.IsValid(), form)
	}
	if !found.valid() {
		if found != (spanContext{}) {
			t.Fatalf("%v: something is left of a malformed context: %v", headers, found)
		}
		return
	}
	if !present || trace.TraceID(found.traceID) != want.TraceID() || trace.SpanID(found.spanID) != want.SpanID() || trace.TraceFlags(found.flags) != want.TraceFlags() {
		t.Fatalf("%v: %v, upstream %v", headers, found, want)
	}
	if found.deferred && found.sampled() {
		t.Fatalf("%v: open and decided", headers)
	}
}

var b3Form = regexp.MustCompile(`^([0-9a-f]{16}|[0-9a-f]{32})-[0-9a-f]{16}(-[01d](-[0-9a-f]{16})?)?$`)

func FuzzB3AgreesWithUpstream(f *testing.F) {
	for _, seed := range []string{
		someTrace + "-" + someSpan + "-1", shortTrace + "-" + someSpan + "-d-" + someSpan, "0", "", someTrace + "-" + someSpan,
		someTrace + "-" + someSpan + "x1", someTrace + "-" + someSpan + "-0-" + strings.Repeat("0", 16),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		agrees(t, b3Single{}, map[string]string{"b3": value}, b3upstream.New(), b3Form.MatchString(value))
	})
}

func FuzzB3MultiAgreesWithUpstream(f *testing.F) {
	f.Add(someTrace, someSpan, "1", "", "", uint8(0b111))
	f.Add(shortTrace, someSpan, "false", "1", someSpan, uint8(0b11111))
	f.Add("x", "", "maybe", "0", "", uint8(0b10101))
	f.Fuzz(func(t *testing.T, traceID, spanID, sampled, flags, parent string, which uint8) {
		headers := map[string]string{}
		for i, field := range []struct{ key, value string }{
			{b3TraceIDKey, traceID}, {b3SpanIDKey, spanID}, {b3SampledKey, sampled}, {b3FlagsKey, flags}, {b3ParentIDKey, parent},
		} {
			// To upstream an empty value is an absent one, to us a malformed one.
			if which&(1<<i) != 0 && field.value != "" {
				headers[field.key] = field.value
			}
		}
		agrees(t, b3Multi{}, headers, b3upstream.New(), true)
	})
}

var jaegerForm = regexp.MustCompile(`^[0-9a-f]{1,32}:[0-9a-f]{1,16}:[^:]*:[0-9a-fA-F]{1,2}$`)

func FuzzJaegerAgreesWithUpstream(f *testing.F) {
	for _, seed := range []string{
		someTrace + ":" + someSpan + ":0:1", "1:2::03", someTrace + ":" + someSpan + ":0:-1", ":::", someTrace + ":0:0:1", "a:b:\n:1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		agrees(t, jaeger{}, map[string]string{"uber-trace-id": value}, jaegerupstream.Jaeger{}, jaegerForm.MatchString(value))
	})
}

func decoderFor(t *testing.T, yaml string) *decoder {
	t.Helper()
	cfg, err := load(t, yaml)
	require.NoError(t, err)
	return newDecoder(cfg)
}

func TestTheFirstValidContextWinsAndOthersBecomeLinks(t *testing.T) {
	const otherSpan = "00f067aa0ba902b8"
	all := amqp.Table{
		"traceparent":   someParent,
		"b3":            shortTrace + "-" + someSpan + "-1",
		"X-B3-TraceId":  someTrace, // the same span as traceparent
		"X-B3-SpanId":   someSpan,
		"uber-trace-id": someTrace + ":" + otherSpan + ":0:1",
	}
	for order, want := range map[string]struct {
		first string
		links []string
	}{
		"[tracecontext]":                       {someTrace + someSpan, nil},
		"[tracecontext, b3, b3multi, jaeger]":  {someTrace + someSpan, []string{paddedTrace + someSpan, someTrace + otherSpan}},
		"[b3, tracecontext, b3multi, baggage]": {paddedTrace + someSpan, []string{someTrace + someSpan}},
		"[jaeger, b3multi]":                    {someTrace + otherSpan, []string{someTrace + someSpan}},
	} {
		var e event
		require.Equal(t, skipNothing, decoderFor(t, "propagators: "+order).context(all, &e))
		assert.Equal(t, want.first, e.context.traceID.String()+e.context.spanID.String(), order)
		var links []string
		for _, l := range e.links {
			links = append(links, l.traceID.String()+l.spanID.String())
		}
		assert.Equal(t, want.links, links, order)
	}
}

func TestMalformedContextsAreCountedByTheirFormat(t *testing.T) {
	dec := decoderFor(t, "propagators: [tracecontext, b3, jaeger, b3multi, baggage]\nattributes: {baggage: [tenant]}")
	var e event
	headers := amqp.Table{"traceparent": "00-bad", "b3": "bad", "uber-trace-id": someTrace + ":" + someSpan + ":0:1", "baggage": "tenant=a b,=", "x-b3-traceid": "bad"}
	require.Equal(t, skipNothing, dec.context(headers, &e))
	require.Equal(t, skipNothing, dec.finish(headers, &e))
	assert.Equal(t, someTrace, e.context.traceID.String(), "a malformed one is as good as none")
	assert.Equal(t, map[string]int64{"tracecontext": 1, "b3": 1, "b3multi": 1, "baggage": 1}, dec.malformed)
}

func TestADeferredDecisionIsNotAnUnsampledTrace(t *testing.T) {
	dec := decoderFor(t, "propagators: [b3]")
	assert.Equal(t, skipNothing, dec.context(amqp.Table{"b3": someTrace + "-" + someSpan}, &event{}))
	assert.Equal(t, skipUnsampled, dec.context(amqp.Table{"b3": someTrace + "-" + someSpan + "-0"}, &event{}))
}

func TestListedBaggageOnly(t *testing.T) {
	for name, c := range map[string]struct {
		value any
		want  []taken
		ok    bool
	}{
		"listed":        {"tenant=acme,user=me", []taken{{"baggage.tenant", "acme"}}, true},
		"bytes":         {[]byte("tenant=acme"), []taken{{"baggage.tenant", "acme"}}, true},
		"escaped":       {"tenant=a%20b;p=1", []taken{{"baggage.tenant", "a b"}}, true},
		"not there":     {"user=me", nil, true},
		"partly broken": {"tenant=acme,=", []taken{{"baggage.tenant", "acme"}}, false},
		"too long":      {"tenant=acme,x=" + strings.Repeat("y", maxBaggageText), nil, false},
		"other type":    {int64(7), nil, false},
	} {
		members, ok := allowedBaggage(amqp.Table{"Baggage": c.value}, []string{"tenant"})
		assert.Equal(t, c.want, members, name)
		assert.Equal(t, c.ok, ok, name)
	}
}

// Baggage may be longer than other headers, and a cut one would be another.
func TestBaggageIsReadWholeOrNotAtAll(t *testing.T) {
	r := newTestReceiver(t, &collected{})
	reader := r.pipeline.headers
	for length, want := range map[int]int{100: 1, 8000: 1, maxBaggageText + 1: 0} {
		value := "tenant=acme,x=" + strings.Repeat("y", length-len("tenant=acme,x="))
		entry := append([]byte{byte(len(baggageKey))}, baggageKey...)
		entry = binary.BigEndian.AppendUint32(append(entry, 'S'), uint32(len(value)))
		members, ok := allowedBaggage(reader.read(append(entry, value...)), []string{"tenant"})
		assert.Len(t, members, want)
		assert.Equal(t, want == 1, ok)
	}
	require.NoError(t, r.Shutdown(t.Context()))
}

// Whatever stands in the header: nothing comes out but listed keys, and of what the SDK accepts as a
// whole nothing is missing.
func FuzzBaggage(f *testing.F) {
	f.Add("tenant=acme")
	f.Add("tenant=a,tenant=b,x=y;p=q")
	f.Add("=,,tenant=%zz")
	f.Fuzz(func(t *testing.T, value string) {
		members, ok := allowedBaggage(amqp.Table{"baggage": value}, []string{"tenant"})
		for _, m := range members {
			if m.key != "baggage.tenant" {
				t.Fatalf("%q gave %v", value, m)
			}
		}
		ctx := propagation.Baggage{}.Extract(context.Background(), propagation.MapCarrier{"baggage": value})
		want := upstreamMember(ctx)
		if len(members) == 1 && members[0].value != want || len(members) == 0 && ok && want != "" {
			t.Fatalf("%q: %v, the SDK says %q", value, members, want)
		}
	})
}

func upstreamMember(ctx context.Context) string {
	return baggage.FromContext(ctx).Member("tenant").Value()
}
