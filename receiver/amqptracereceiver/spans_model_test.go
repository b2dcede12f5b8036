package amqptracereceiver

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// spansOf reads deliveries with a receiver of the given configuration.
func spansOf(t *testing.T, yaml string, deliveries ...amqp.Delivery) []ptrace.Span {
	t.Helper()
	cfg, err := load(t, yaml)
	require.NoError(t, err)
	dec := newDecoder(cfg)
	source, c := newSource(cfg, dec), &clock{pairs: newPairs(cfg.Limits)}
	var events []event
	for i := range deliveries {
		var e event
		if source.decode(&deliveries[i], &e) == skipNothing {
			c.stamp(&e, noon.Add(time.Duration(i)*time.Second), false)
			events = append(events, e)
		}
	}
	b := newSpanBuilder(cfg.Spans, cfg.Attributes)
	td := b.build(events)
	assert.Equal(t, td.SpanCount(), b.count(events))
	var spans []ptrace.Span
	for _, rs := range td.ResourceSpans().All() {
		for _, span := range rs.ScopeSpans().At(0).Spans().All() {
			spans = append(spans, span)
		}
	}
	return spans
}

func textOf(span ptrace.Span, key string) string { return keptSpan{Span: span}.text(key) }

// published and delivered are one message's way through a queue.
func published() amqp.Delivery { return firehoseDelivery("publish.shop", traced(nil), nil) }
func delivered() amqp.Delivery { return firehoseDelivery("deliver.stock-queue", traced(nil), nil) }

// died is the delivery of a message from the dead letters.
func died(count int64) amqp.Delivery {
	entry := amqp.Table{"count": count, "exchange": "shop", "queue": "stock-queue", "reason": "rejected", "time": noon.Add(-time.Hour)}
	return firehoseDelivery("deliver.dead", traced(amqp.Table{"x-death": []any{entry}}), nil)
}

func TestKindIsSeenFromTheBroker(t *testing.T) {
	for kind, want := range map[string][]ptrace.SpanKind{
		kindInternal:  {ptrace.SpanKindInternal, ptrace.SpanKindInternal, ptrace.SpanKindInternal, ptrace.SpanKindInternal},
		kindMessaging: {ptrace.SpanKindConsumer, ptrace.SpanKindProducer, ptrace.SpanKindProducer, ptrace.SpanKindInternal},
	} {
		spans := spansOf(t, "spans: {dead_letter: span, kind: "+kind+"}", published(), delivered(), died(1))
		require.Len(t, spans, 4)
		for i, span := range spans {
			assert.Equal(t, want[i], span.Kind(), "%s: %s", kind, span.Name())
			assert.Equal(t, "rabbitmq", textOf(span, "messaging.system"))
		}
	}
}

func TestSpanHasAParentOrALinkNeverBoth(t *testing.T) {
	for _, span := range spansOf(t, "{}", published(), delivered()) {
		assert.Equal(t, someTrace, span.TraceID().String())
		assert.Equal(t, someSpan, span.ParentSpanID().String())
		assert.Zero(t, span.Links().Len())
		assert.EqualValues(t, 0x301, span.Flags())
	}
	linked := spansOf(t, "spans: {relation: link}", published(), delivered())
	require.Len(t, linked, 2)
	for _, span := range linked {
		assert.Equal(t, linked[0].TraceID(), span.TraceID(), "a message's spans are in one trace")
		assert.NotEqual(t, someTrace, span.TraceID().String())
		assert.True(t, span.ParentSpanID().IsEmpty())
		require.Equal(t, 1, span.Links().Len())
		assert.Equal(t, someTrace, span.Links().At(0).TraceID().String())
		assert.Equal(t, someSpan, span.Links().At(0).SpanID().String())
		assert.EqualValues(t, 0x301, span.Links().At(0).Flags())
		assert.EqualValues(t, 1, span.Flags(), "sampled, and no remote parent")
	}
	other := firehoseDelivery("publish.shop", traced(nil), func(_, p amqp.Table) { p["message_id"] = "m-2" })
	assert.NotEqual(t, linked[0].TraceID(), spansOf(t, "spans: {relation: link}", other)[0].TraceID())
}

func TestContextsThatDisagreeAreLinked(t *testing.T) {
	both := firehoseDelivery("publish.shop", traced(amqp.Table{"b3": shortTrace + "-" + someSpan + "-1"}), nil)
	span := spansOf(t, "propagators: [tracecontext, b3]", both)[0]
	assert.Equal(t, someTrace, span.TraceID().String())
	require.Equal(t, 1, span.Links().Len())
	assert.Equal(t, paddedTrace, span.Links().At(0).TraceID().String())
}

func TestDeathIsAnEventOrASpanToo(t *testing.T) {
	spans := spansOf(t, "{}", died(1))
	require.Len(t, spans, 1)
	assert.Equal(t, 1, spans[0].Events().Len())

	spans = spansOf(t, "spans: {dead_letter: span}", died(1), died(1), died(2))
	require.Len(t, spans, 6)
	assert.Equal(t, 1, spans[0].Events().Len(), "journeys read the event")
	first, again, second := spans[1], spans[3], spans[5]
	assert.Equal(t, "dead_letter stock-queue", first.Name())
	assert.Equal(t, someSpan, first.ParentSpanID().String())
	assert.Equal(t, noon.Add(-time.Hour), first.StartTimestamp().AsTime())
	assert.Equal(t, first.StartTimestamp(), first.EndTimestamp())
	assert.Equal(t, "broker", textOf(first, "amqp.time_source"))
	assert.Equal(t, "rejected", textOf(first, "amqp.dead_letter.reason"))
	assert.Equal(t, "stock-queue", textOf(first, "amqp.dead_letter.queue"))
	assert.Equal(t, "(absent)", textOf(first, "amqp.queue"), "it is no delivery")
	assert.Equal(t, first.SpanID(), again.SpanID(), "told twice")
	assert.NotEqual(t, first.SpanID(), second.SpanID(), "died twice")
	assert.Equal(t, noon.Add(2*time.Second), second.StartTimestamp().AsTime(), "only the time of the first death is known")
	assert.Equal(t, "receiver", textOf(second, "amqp.time_source"))
}

func TestMessageWithoutContext(t *testing.T) {
	plain := func(key, id, correlation string) amqp.Delivery {
		return firehoseDelivery(key, nil, func(_, p amqp.Table) { p["message_id"], p["correlation_id"] = id, correlation })
	}
	assert.Empty(t, spansOf(t, "{}", plain("publish.shop", "m-1", "c-1")))

	spans := spansOf(t, "spans: {missing_context: new_trace}",
		plain("publish.shop", "m-1", ""), plain("deliver.stock-queue", "m-1", ""), plain("publish.shop", "m-2", ""), plain("publish.shop", "", "c"))
	require.Len(t, spans, 3, "nothing tells the last one from others")
	assert.Equal(t, spans[0].TraceID(), spans[1].TraceID())
	assert.NotEqual(t, spans[0].TraceID(), spans[2].TraceID())
	assert.Equal(t, "paired", textOf(spans[1], "amqp.time_source"))
	for _, span := range spans {
		assert.False(t, span.TraceID().IsEmpty())
		assert.True(t, span.ParentSpanID().IsEmpty())
		assert.Zero(t, span.Links().Len())
		assert.EqualValues(t, 1, span.Flags())
	}

	stamp := firehoseDelivery("publish.shop", amqp.Table{"timestamp_in_ms": noon.UnixMilli()}, func(_, p amqp.Table) { delete(p, "message_id") })
	assert.Len(t, spansOf(t, "spans: {missing_context: new_trace}", stamp), 1, "the broker's stamp tells it from others")

	spans = spansOf(t, "spans: {missing_context: correlation_id}",
		plain("publish.shop", "ask", "c-1"), plain("publish.shop", "answer", "c-1"), plain("publish.shop", "m", "c-2"), plain("publish.shop", "m", ""))
	require.Len(t, spans, 3)
	assert.Equal(t, spans[0].TraceID(), spans[1].TraceID(), "request and reply")
	assert.NotEqual(t, spans[0].SpanID(), spans[1].SpanID())
	assert.NotEqual(t, spans[0].TraceID(), spans[2].TraceID())

	spans = spansOf(t, "{propagators: [], spans: {missing_context: new_trace, relation: link}}", published())
	require.Len(t, spans, 1)
	assert.Zero(t, spans[0].Links().Len(), "nothing to link to")
}

func TestOnlyListedHeadersAndBaggageAreTaken(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	headers := traced(amqp.Table{
		"X-Tenant": "acme", "retries": int16(3), "ok": true, "rate": 1.5, "at": at, "raw": []byte("r\xff"), "list": []any{"a"}, "secret": "s",
		"baggage": "tenant=acme,user=me",
	})
	span := spansOf(t, "attributes: {headers: [x-TENANT, retries, ok, rate, at, raw, list, absent], baggage: [tenant], body_size: true}",
		firehoseDelivery("publish.shop", headers, nil))[0]
	taken := map[string]any{}
	for key, value := range span.Attributes().All() {
		for _, prefix := range []string{attrHeaderPrefix, attrBaggagePrefix} {
			if len(key) > len(prefix) && key[:len(prefix)] == prefix {
				taken[key] = value.AsRaw()
			}
		}
	}
	assert.Equal(t, map[string]any{
		"amqp.header.x-tenant": "acme", "amqp.header.retries": int64(3), "amqp.header.ok": true, "amqp.header.rate": 1.5,
		"amqp.header.at": "2026-01-02T03:04:05Z", "amqp.header.raw": "r\uFFFD", "baggage.tenant": "acme",
	}, taken)
	assert.Equal(t, "256", textOf(span, "messaging.message.body.size"))
	assert.Equal(t, "(absent)", textOf(spansOf(t, "{}", published())[0], "messaging.message.body.size"))
}

func TestServerNamedQueuesAreNotSpanNames(t *testing.T) {
	span := spansOf(t, "{}", firehoseDelivery("deliver.amq.gen-JzTY20BRgKO-HjmUJj0wLg", traced(nil), nil))[0]
	assert.Equal(t, "deliver (anonymous)", span.Name())
	assert.Equal(t, "true", textOf(span, "messaging.destination.anonymous"))
	assert.Equal(t, "amq.gen-JzTY20BRgKO-HjmUJj0wLg", textOf(span, "amqp.queue"))
}

func TestPublishersTimeIsUsedOnlyIfAsked(t *testing.T) {
	at := func(seconds int64) amqp.Delivery {
		return firehoseDelivery("deliver.stock-queue", traced(nil), func(_, p amqp.Table) { p["timestamp"] = int32(seconds) })
	}
	for name, c := range map[string]struct {
		yaml   string
		d      amqp.Delivery
		source string
		start  time.Time
	}{
		"not asked":             {"{}", at(noon.Unix() - 5), timeFromReceiver, noon},
		"asked":                 {"spans: {publisher_time: true}", at(noon.Unix() - 5), timeFromPublisher, noon.Add(-5 * time.Second)},
		"a little ahead":        {"spans: {publisher_time: true}", at(noon.Unix() + 5), timeFromPublisher, noon},
		"was never seconds":     {"spans: {publisher_time: true}", at(-134012961), timeFromReceiver, noon},
		"far too long ago":      {"spans: {publisher_time: true}", at(noon.Unix() - 30*24*3600), timeFromReceiver, noon},
		"the broker knows best": {"spans: {publisher_time: true}", firehoseDelivery("deliver.stock-queue", traced(amqp.Table{"timestamp_in_ms": noon.UnixMilli() - 7}), nil), timeFromBroker, noon.Add(-7 * time.Millisecond)},
	} {
		span := spansOf(t, c.yaml, c.d)[0]
		assert.Equal(t, c.source, textOf(span, "amqp.time_source"), name)
		assert.Equal(t, c.start.UTC(), span.StartTimestamp().AsTime(), name)
	}
	paired := spansOf(t, "spans: {publisher_time: true}", published(), at(noon.Unix()-5))
	assert.Equal(t, "paired", textOf(paired[1], "amqp.time_source"), "better than whole seconds of a stranger's clock")
}

func TestContextsOfStrangersCountAsMissing(t *testing.T) {
	by := func(d amqp.Delivery, user string) amqp.Delivery {
		d.Headers["user"] = user
		return d
	}
	vouched := firehoseDelivery("deliver.stock-queue", traced(nil), func(_, p amqp.Table) { p["user_id"], p["message_id"] = "checkout", "m-9" })
	for name, c := range map[string]struct {
		yaml       string
		deliveries []amqp.Delivery
		spans      int
	}{
		"everybody":                           {"{}", []amqp.Delivery{by(published(), "mallory")}, 1},
		"a listed user":                       {"trust: {users: [checkout]}", []amqp.Delivery{by(published(), "checkout")}, 1},
		"a stranger":                          {"trust: {users: [checkout]}", []amqp.Delivery{by(published(), "mallory")}, 0},
		"a listed vhost":                      {"trust: {users: [checkout], vhosts: [/]}", []amqp.Delivery{by(published(), "mallory")}, 1},
		"another vhost":                       {"trust: {vhosts: [eu]}", []amqp.Delivery{by(published(), "checkout")}, 0},
		"delivery of a listed user's message": {"trust: {users: [checkout]}", []amqp.Delivery{by(published(), "checkout"), by(delivered(), "stock"), by(delivered(), "stock")}, 3},
		"delivery of a stranger's message":    {"trust: {users: [checkout]}", []amqp.Delivery{by(published(), "mallory"), by(delivered(), "checkout")}, 0},
		"the broker vouches for user_id":      {"trust: {users: [checkout]}", []amqp.Delivery{by(vouched, "stock")}, 1},
		"a trace of its own for a stranger":   {"{trust: {users: [checkout]}, spans: {missing_context: new_trace}}", []amqp.Delivery{by(published(), "mallory")}, 1},
	} {
		spans := spansOf(t, c.yaml, c.deliveries...)
		assert.Len(t, spans, c.spans, name)
		if name == "a trace of its own for a stranger" {
			assert.NotEqual(t, someTrace, spans[0].TraceID().String())
		}
	}
	dec := decoderFor(t, "trust: {users: [checkout]}")
	d := by(published(), "mallory")
	assert.Equal(t, skipNoContext, (&firehose{dec: dec}).decode(&d, &event{}))
	assert.EqualValues(t, 1, dec.trust.distrusted)
}

func TestGenerationsKeepTheLatest(t *testing.T) {
	g := newGenerations[int, string](10, time.Minute)
	for i := range 1000 {
		g.put(i, "x", noon)
		assert.LessOrEqual(t, g.len(), 10)
		for back := range min(i, 5) {
			_, ok := g.get(i-back, noon)
			assert.True(t, ok, "one of the latest five")
		}
	}
	_, ok := g.get(999, noon.Add(29*time.Second))
	assert.True(t, ok, "half of the time to live is certain")
	_, ok = g.get(999, noon.Add(time.Hour))
	assert.False(t, ok)
	assert.LessOrEqual(t, g.len(), 10)
	g.put(1, "a", noon.Add(time.Hour))
	g.put(1, "b", noon.Add(time.Hour))
	v, _ := g.get(1, noon.Add(time.Hour))
	assert.Equal(t, "b", v)
}

// The attributes that the journey processor reads are promised.
func TestWhatJourneysRelyOn(t *testing.T) {
	for _, yaml := range []string{"{}", "spans: {kind: messaging, dead_letter: span}"} {
		spans := spansOf(t, yaml, published(), died(1))
		assert.Equal(t, `["stock-queue","mailer-queue"]`, textOf(spans[0], "amqp.routed_queues"))
		assert.Equal(t, "m-1", textOf(spans[0], "messaging.message.id"))
		assert.Equal(t, "dead", textOf(spans[1], "amqp.queue"))
		assert.Equal(t, "1", textOf(spans[1], "amqp.delivery.attempt"))
		assert.Equal(t, `["stock-queue"]`, textOf(spans[1], "amqp.dead_letter.queues"))
		event := spans[1].Events().At(0)
		assert.Equal(t, "dead_letter", event.Name())
		for key, want := range map[string]string{"amqp.dead_letter.queue": "stock-queue", "amqp.dead_letter.reason": "rejected"} {
			v, _ := event.Attributes().Get(key)
			assert.Equal(t, want, v.Str())
		}
	}
}
