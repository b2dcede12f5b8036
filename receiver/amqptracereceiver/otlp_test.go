package amqptracereceiver

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/otelcol-journey/otelcol-journey/receiver/amqptracereceiver/internal/metadata"
)

// someTraces has everything a span can have, so that nothing can get lost unseen.
func someTraces() ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.SetSchemaUrl("https://opentelemetry.io/schemas/1.41.0")
	rs.Resource().Attributes().PutStr("service.name", "checkout")
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("shop")
	span := ss.Spans().AppendEmpty()
	span.SetName("POST /api/checkout")
	span.SetTraceID(pcommon.TraceID{1, 2, 3})
	span.SetSpanID(pcommon.SpanID{4, 5, 6})
	span.SetParentSpanID(pcommon.SpanID{7})
	span.SetKind(ptrace.SpanKindServer)
	span.TraceState().FromRaw("ot=th:8")
	span.SetFlags(0x301)
	span.SetStartTimestamp(1_700_000_000_000_000_001)
	span.SetEndTimestamp(1_700_000_000_000_000_999)
	span.Attributes().PutEmptySlice("list").AppendEmpty().SetDouble(1.5)
	span.Attributes().PutEmptyBytes("bytes").FromRaw([]byte{0, 255})
	span.Events().AppendEmpty().SetName("paid")
	span.Links().AppendEmpty().SetTraceID(pcommon.TraceID{9})
	span.Status().SetCode(ptrace.StatusCodeError)
	return td
}

func someLogs() plog.Logs {
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("hello")
	return ld
}

func someMetrics() pmetric.Metrics {
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("orders")
	m.SetEmptySum().DataPoints().AppendEmpty().SetIntValue(7)
	return md
}

func must[T any](value T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		require.NoError(t, err)
		return value
	}
}

func protoOf(t testing.TB) []byte {
	return must((&ptrace.ProtoMarshaler{}).MarshalTraces(someTraces()))(t)
}

func jsonOf(t testing.TB) []byte {
	return must((&ptrace.JSONMarshaler{}).MarshalTraces(someTraces()))(t)
}

func zipped(t testing.TB, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(plain)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// newOTLP is the mode with a traces pipeline.
func newOTLP(t testing.TB, cfg OTLPConfig) *otlp {
	t.Helper()
	r, err := newTracesReceiver(receivertest.NewNopSettings(metadata.Type), &Config{
		OTLP: some(cfg), Limits: createDefaultConfig().(*Config).Limits,
	}, &collected{})
	require.NoError(t, err)
	return r.otlp
}

func TestEveryEncodingIsRead(t *testing.T) {
	proto, json := protoOf(t), jsonOf(t)
	for name, c := range map[string]struct {
		encoding string
		message  amqp.Delivery
		fails    error
	}{
		"as contrib's rabbitmq exporter sends by default": {encodingAuto, amqp.Delivery{Body: proto}, nil},
		"the same, with its otlp_json encoding":           {encodingAuto, amqp.Delivery{Body: json}, nil},
		"with space in front":                             {encodingAuto, amqp.Delivery{Body: append([]byte(" \t"), json...)}, nil},
		"protobuf by content type":                        {encodingAuto, amqp.Delivery{ContentType: "application/x-protobuf", Body: proto}, nil},
		"json by content type":                            {encodingAuto, amqp.Delivery{ContentType: "Application/JSON; charset=utf-8", Body: append([]byte("\n"), json...)}, nil},
		"a content type that says nothing":                {encodingAuto, amqp.Delivery{ContentType: "text/plain", Body: json}, nil},
		"a content type that is none":                     {encodingAuto, amqp.Delivery{ContentType: ";;", Body: proto}, nil},
		"gzip":                                            {encodingAuto, amqp.Delivery{ContentEncoding: "gzip", Body: zipped(t, proto)}, nil},
		"told to be protobuf":                             {encodingProto, amqp.Delivery{ContentType: "application/json", Body: proto}, nil},
		"told to be json":                                 {encodingJSON, amqp.Delivery{Body: json}, nil},
		"json where protobuf is told":                     {encodingProto, amqp.Delivery{Body: json}, errMalformedPayload},
		"cut off":                                         {encodingAuto, amqp.Delivery{Body: proto[:len(proto)-1]}, errMalformedPayload},
		"json cut off":                                    {encodingAuto, amqp.Delivery{Body: json[:len(json)-1]}, errMalformedPayload},
		"not gzip":                                        {encodingAuto, amqp.Delivery{ContentEncoding: "gzip", Body: proto}, errMalformedPayload},
		"gzip cut off":                                    {encodingAuto, amqp.Delivery{ContentEncoding: "gzip", Body: zipped(t, proto)[:20]}, errMalformedPayload},
		"zstd":                                            {encodingAuto, amqp.Delivery{ContentEncoding: "zstd", Body: proto}, errContentEncoding},
		"cut off on the wire":                             {encodingAuto, amqp.Delivery{Body: tooLarge}, errTooLarge},
		"unpacks to too much":                             {encodingAuto, amqp.Delivery{ContentEncoding: "gzip", Body: zipped(t, make([]byte, 5000))}, errTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := defaultOTLP()
			cfg.Encoding, cfg.MaxBodyBytes = c.encoding, 4096
			o := newOTLP(t, cfg)
			plain, err := body(&c.message, cfg.MaxBodyBytes)
			var got batch
			if err == nil {
				if got, err = o.signals()[0].decode(o.formats.of(c.message.ContentType, plain), plain); err != nil {
					err = errMalformedPayload
				}
			}
			require.ErrorIs(t, err, c.fails)
			if c.fails == nil {
				assert.Equal(t, 1, got.items)
				require.NoError(t, got.handOver(t.Context()))
				assert.Len(t, o.traces.(*collected).spans, 1)
			}
		})
	}
}

// No payload in protobuf is taken for JSON, and no JSON for protobuf.
func FuzzEncodingIsGuessed(f *testing.F) {
	f.Add("checkout", int64(7), true)
	f.Add("\n", int64(-1), false)
	f.Fuzz(func(t *testing.T, name string, number int64, schema bool) {
		td := ptrace.NewTraces()
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutInt(name, number)
		if schema {
			rs.SetSchemaUrl(name)
		}
		rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty().SetName(name)
		proto, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
		require.NoError(t, err)
		if format := guess("", proto); format.name != encodingProto {
			t.Fatalf("protobuf was taken for %s: % x", format.name, proto)
		}
		json, err := (&ptrace.JSONMarshaler{}).MarshalTraces(td)
		require.NoError(t, err)
		if format := guess("", json); format.name != encodingJSON {
			t.Fatalf("JSON was taken for %s: %s", format.name, json)
		}
	})
}

// otlpConfig reads queues of the test's own, which dead-letter to the queue that is returned.
func otlpConfig(t testing.TB, app *application, url string) (cfg *Config, dead string) {
	t.Helper()
	exchange := app.exchange(unique("dead"), "fanout")
	dead = app.queue(unique("dead"), exchange, "")
	cfg = configFor(t, url)
	c := defaultOTLP()
	c.Queues = OTLPQueuesConfig{Traces: unique("spans"), Logs: unique("logs"), Metrics: unique("metrics")}
	c.Declare = some(DeclareConfig{Type: "classic", DeadLetterExchange: exchange})
	cfg.OTLP = some(c)
	t.Cleanup(func() {
		for _, queue := range []string{c.Queues.Traces, c.Queues.Logs, c.Queues.Metrics} {
			_, _ = app.QueueDelete(queue, false, false, false)
		}
	})
	return cfg, dead
}

// waiting is how many messages are in the queue and with nobody.
func (a *application) waiting(queue string) int {
	a.t.Helper()
	q, err := a.QueueDeclarePassive(queue, true, false, false, false, nil)
	require.NoError(a.t, err)
	return q.Messages
}

func TestOTLPPassesAsItWas(t *testing.T) {
	url := broker.Get(t).URL
	app := dialApplication(t, url)
	cfg, dead := otlpConfig(t, app, url)
	sink := &payloadSink{}
	r := startReceiver(t, cfg, sink)
	r.reading(1)
	queues := cfg.OTLP.Get().Queues
	app.publish("", queues.Traces, amqp.Publishing{Body: protoOf(t), DeliveryMode: amqp.Persistent}) // as contrib's exporter does
	app.publish("", queues.Traces, amqp.Publishing{Body: jsonOf(t), ContentType: "application/json"})
	eventually(t, "two payloads", func() bool { return len(sink.all()) == 2 })
	for _, td := range sink.all() {
		assert.Equal(t, protoOf(t), must((&ptrace.ProtoMarshaler{}).MarshalTraces(td))(t))
	}
	eventually(t, "both counted", func() bool { return r.metric("payloads") == 2 })
	r.stop()
	assert.Zero(t, app.waiting(queues.Traces), "acknowledged")
	assert.Zero(t, app.waiting(dead))
}

func TestPoisonIsRejectedToTheDeadLetters(t *testing.T) {
	url := broker.Get(t).URL
	app := dialApplication(t, url)
	cfg, dead := otlpConfig(t, app, url)
	cfg.OTLP.Get().MaxBodyBytes = 10_000
	sink := &payloadSink{}
	r := startReceiver(t, cfg, sink)
	r.reading(1)
	queue := cfg.OTLP.Get().Queues.Traces
	secret := []byte(`{"resourceSpans": secret`)
	for _, poison := range []amqp.Publishing{
		{Body: secret},
		{Body: []byte{0xff, 0xff}},
		{Body: bytes.Repeat(protoOf(t), 1000)}, // over a hundred frames
		{Body: protoOf(t), ContentEncoding: "br"},
		{Body: []byte(`{"resourceLogs": []}`)},
	} {
		app.publish("", queue, poison)
	}
	app.publish("", queue, amqp.Publishing{Body: protoOf(t)})
	eventually(t, "the good one, behind the bad ones", func() bool { return len(sink.all()) == 1 })
	assert.EqualValues(t, 5, r.metric("rejected_payloads"))
	sizes := map[int]bool{}
	for range 5 {
		sizes[len(app.get(dead).Body)] = true
	}
	assert.True(t, sizes[len(secret)] && sizes[2], "as they came")
	assert.True(t, sizes[1000*len(protoOf(t))], "the broker still has the whole body")
	for _, entry := range r.logs.All() {
		assert.NotContains(t, must(jsonLine(entry))(t), "secret")
	}

	sink.setAnswer(consumererror.NewPermanent(errors.New("never")))
	app.publish("", queue, amqp.Publishing{Body: protoOf(t)})
	app.get(dead)
	assert.EqualValues(t, 6, r.metric("rejected_payloads"))
}

// The rights that README.md names suffice, also to make the queues.
func TestLeastRightsForOTLP(t *testing.T) {
	b := broker.Get(t)
	if !b.Owned() {
		t.Skip("users of the broker of AMQP_URL are not ours to make")
	}
	app := dialApplication(t, b.URL)
	cfg, dead := otlpConfig(t, app, b.URL)
	c := cfg.OTLP.Get()
	queue, exchange := "^"+c.Queues.Traces+"$", "^"+c.Declare.Get().DeadLetterExchange+"$"
	user := unique("otlp")
	for _, command := range [][]string{
		{"add_user", user, "secret"}, {"set_permissions", "-p", "/", user, queue, exchange, queue},
	} {
		out, err := b.Control(t.Context(), command...)
		require.NoError(t, err, string(out))
	}
	cfg.Connection.Auth.Plain = some(PlainConfig{Username: user, Password: "secret"})
	sink := &payloadSink{}
	startReceiver(t, cfg, sink).reading(1)
	app.publish("", c.Queues.Traces, amqp.Publishing{Body: protoOf(t)})
	app.publish("", c.Queues.Traces, amqp.Publishing{Body: []byte("poison")})
	assert.Equal(t, "poison", string(app.get(dead).Body))
	assert.Len(t, sink.all(), 1)
}

func TestRefusedPayloadsWaitWithTheBroker(t *testing.T) {
	url := broker.Get(t).URL
	app := dialApplication(t, url)
	cfg, dead := otlpConfig(t, app, url)
	cfg.OTLP.Get().Prefetch = 3
	cfg.Limits.MaxHold = 500 * time.Millisecond
	sink := &payloadSink{}
	sink.setAnswer(errors.New("full"))
	r := startReceiver(t, cfg, sink)
	r.reading(1)
	queue := cfg.OTLP.Get().Queues.Traces
	for range 20 {
		app.publish("", queue, amqp.Publishing{Body: protoOf(t)})
	}
	assert.GreaterOrEqual(t, app.waiting(queue), 17, "no more than the prefetch is here")
	eventually(t, "held too long", func() bool { return r.metric("requeued") >= 1 })
	sink.setAnswer(nil)
	eventually(t, "all of them", func() bool { return r.metric("payloads") == 20 })
	assert.Len(t, sink.all(), 20, "each once")
	assert.Zero(t, app.waiting(dead))
}

func TestOTLPGoesOnAfterALostConnection(t *testing.T) {
	url := broker.Get(t).URL
	app := dialApplication(t, url)
	cfg, _ := otlpConfig(t, app, url)
	sink := &payloadSink{}
	r := startReceiver(t, cfg, sink)
	r.reading(1)
	queue := cfg.OTLP.Get().Queues.Traces
	app.publish("", queue, amqp.Publishing{Body: protoOf(t)})
	eventually(t, "the first", func() bool { return len(sink.all()) == 1 })
	app.mustSucceed(app.QueueDelete(queue, false, false, false))
	r.reading(2)
	app.publish("", queue, amqp.Publishing{Body: protoOf(t)})
	eventually(t, "the second", func() bool { return len(sink.all()) == 2 })
}

func TestSignalsShareOneConnection(t *testing.T) {
	url := broker.Get(t).URL
	app := dialApplication(t, url)
	cfg, _ := otlpConfig(t, app, url)
	cfg.Connection.Name = unique("shared")
	set := receivertest.NewNopSettings(metadata.Type)
	factory, sink := NewFactory(), &payloadSink{}
	traces, err := factory.CreateTraces(t.Context(), set, cfg, sink)
	require.NoError(t, err)
	logs, err := factory.CreateLogs(t.Context(), set, cfg, sink)
	require.NoError(t, err)
	metrics, err := factory.CreateMetrics(t.Context(), set, cfg, sink)
	require.NoError(t, err)
	parts := []component.Component{traces, logs, metrics}
	for _, part := range parts {
		require.NoError(t, part.Start(t.Context(), componenttest.NewNopHost()))
	}
	stop := func() {
		for _, part := range parts {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			require.NoError(t, part.Shutdown(ctx))
			cancel()
		}
	}
	t.Cleanup(stop)
	queues := cfg.OTLP.Get().Queues
	eventually(t, "the queues", func() bool {
		ch := dialApplication(t, url)
		_, err := ch.QueueDeclarePassive(queues.Metrics, true, false, false, false, nil)
		return err == nil
	})
	app.publish("", queues.Traces, amqp.Publishing{Body: protoOf(t)})
	app.publish("", queues.Logs, amqp.Publishing{Body: must((&plog.ProtoMarshaler{}).MarshalLogs(someLogs()))(t)})
	app.publish("", queues.Metrics, amqp.Publishing{Body: must((&pmetric.JSONMarshaler{}).MarshalMetrics(someMetrics()))(t)})
	eventually(t, "one of each", func() bool {
		sink.mu.Lock()
		defer sink.mu.Unlock()
		return len(sink.traces) == 1 && sink.logs == 1 && sink.points == 1
	})
	if b := broker.Get(t); b.Owned() {
		out, err := b.Control(t.Context(), "list_connections", "client_properties")
		require.NoError(t, err)
		assert.Equal(t, 1, bytes.Count(out, []byte(cfg.Connection.Name)))
	}
	stop()

	again, err := factory.CreateTraces(t.Context(), set, cfg, sink)
	require.NoError(t, err)
	assert.NotSame(t, traces.(*sharedReceiver).tracesReceiver, again.(*sharedReceiver).tracesReceiver, "a new start is a new receiver")
	require.NoError(t, again.Shutdown(t.Context()), "also before it was started")
}

func TestLogsAndMetricsNeedModeOTLP(t *testing.T) {
	set, cfg := receivertest.NewNopSettings(metadata.Type), createDefaultConfig()
	_, err := NewFactory().CreateLogs(t.Context(), set, cfg, &payloadSink{})
	require.ErrorContains(t, err, "only mode otlp")
	_, err = NewFactory().CreateMetrics(t.Context(), set, cfg, &payloadSink{})
	require.ErrorContains(t, err, "only mode otlp")
}
