package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const validTraceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// unusableTraceparents are what a careless or hostile publisher may send.
var unusableTraceparents = map[string]any{
	"not one":           "garbage",
	"empty":             "",
	"cut off":           validTraceparent[:40],
	"upper case":        strings.ToUpper(validTraceparent),
	"no trace id":       "00-00000000000000000000000000000000-b7ad6b7169203331-01",
	"no span id":        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
	"forbidden version": "ff" + validTraceparent[2:],
	"too long":          validTraceparent + strings.Repeat("0", 1000),
	"not text":          "00-\xff\xfe651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	"a number":          int32(42),
	"a long":            int64(-1),
	"a double":          3.14,
	"a bool":            true,
	"nothing":           nil,
	"a time":            time.Unix(1, 0),
	"a decimal":         amqp.Decimal{Scale: 2, Value: 42},
	"a table":           amqp.Table{"traceparent": validTraceparent},
	"a list":            []any{validTraceparent},
	"bytes":             []byte("garbage"),
}

func TestUnusableTraceparentsAreCountedAndNothingElseIsLost(t *testing.T) {
	t.Parallel()
	p := start(t)
	ch := channel(t, p.brokerURL)
	declareShop(t, ch)
	for name, value := range unusableTraceparents {
		t.Log("traceparent:", name)
		publish(t, ch, "shop", "nobody.listens", amqp.Table{"traceparent": value})
	}
	publish(t, ch, "shop", "nobody.listens", nil)

	p.requireSeesMessages(t, ch)
	m := p.metrics(t)
	require.Equal(t, len(unusableTraceparents), m.sum("otelcol_receiver_amqp_trace_context_errors_total"))
	require.Equal(t, len(unusableTraceparents)+1, m.sum("otelcol_receiver_amqp_trace_skipped_total", "reason=no_context"))
	require.Equal(t, len(unusableTraceparents)+2, m.sum("otelcol_receiver_amqp_trace_messages_total", "event=publish"))
	require.Zero(t, m.sum("otelcol_receiver_amqp_trace_reconnects_total"))
	require.Equal(t, m.spans().kept, p.storedByJaeger(t))
}

// oddHeaders come beside a valid traceparent: the message still gives its span.
var oddHeaders = map[string]amqp.Table{
	"100 KiB":                      {"big": strings.Repeat("x", 100<<10)},
	"100 KiB tracestate":           {"tracestate": strings.Repeat("a=b,", 25<<10)},
	"a tracestate of another type": {"tracestate": int32(7)},
	"an x-death that is a text":    {"x-death": "yes"},
	"an x-death of odd entries":    {"x-death": []any{int32(1), amqp.Table{"queue": true, "count": "many", "time": "late"}}},
	"a count that is a text":       {"x-delivery-count": "many"},
	"a negative broker time":       {"timestamp_in_ms": int64(-1)},
	"a broker time of odd type":    {"timestamp_in_ms": "soon"},
	"a context in capitals":        {"TRACEPARENT": "garbage"},
	"nested tables":                {"a": amqp.Table{"b": amqp.Table{"c": []any{amqp.Table{"d": nil}}}}},
}

func TestOddHeadersDoNotHideTheMessage(t *testing.T) {
	t.Parallel()
	p := start(t)
	ch := channel(t, p.brokerURL)
	declareShop(t, ch)
	_, err := ch.QueueDeclare("odd", false, true, true, false, nil)
	require.NoError(t, err)

	sent := map[string]*trace{}
	for name, headers := range oddHeaders {
		journey := failedOrderHistory()
		headers["traceparent"] = journey.traceparent(journey.spans[1])
		publish(t, ch, "", "odd", headers)
		consume(t, ch, "odd", journey)
		p.send(t, journey)
		sent[name] = journey
	}
	for name, journey := range sent {
		stored := p.stored(t, journey)
		require.Len(t, stored.ofBroker("publish amq.default"), 1, "%s: %v", name, stored.names())
		require.Len(t, stored.ofBroker("deliver odd"), 1, "%s: %v", name, stored.names())
	}
	m := p.metrics(t)
	require.Zero(t, m.sum("otelcol_receiver_amqp_trace_context_errors_total"))
	require.Zero(t, m.sum("otelcol_receiver_amqp_trace_reconnects_total"))
	p.settled(t, 5*len(sent))
}

// nearlyAFrame is a header the broker still takes from its publisher. The copy
// for the collector has more around it and exceeds the frame size that both
// have agreed on (131,072 bytes).
const nearlyAFrame = 130_800

func TestHeaderBeyondTheFrameSizeIsCountedAndDoesNotStopTheReceiver(t *testing.T) {
	t.Parallel()
	p := start(t)
	ch := channel(t, p.brokerURL)
	declareShop(t, ch)
	publish(t, ch, "shop", "nobody.listens", amqp.Table{
		"traceparent": validTraceparent, "poison": strings.Repeat("x", nearlyAFrame),
	})
	p.requireSeesMessages(t, ch)
	eventually(t, "the oversized header is counted", func() error {
		return want("oversized frames", 1, p.metrics(t).sum("otelcol_receiver_amqp_trace_oversized_frames_total"))
	})
	require.Zero(t, p.metrics(t).sum("otelcol_receiver_amqp_trace_reconnects_total"))
}

func TestSpansWithoutIDsAndEmptyBatchesAreTakenAndCounted(t *testing.T) {
	t.Parallel()
	p := start(t)
	before := failedOrderHistory()
	p.send(t, before)

	for name, td := range emptyBatches() {
		require.NoError(t, p.export(t, td), name)
	}
	bad := ptrace.NewTraces()
	resource := bad.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "careless")
	spans := resource.ScopeSpans().AppendEmpty().Spans()
	spans.AppendEmpty().SetName("no ids at all")
	noTrace := spans.AppendEmpty()
	noTrace.SetName("no trace id")
	noTrace.SetSpanID(before.spans[0].id)
	noSpan := spans.AppendEmpty()
	noSpan.SetName("no span id")
	noSpan.SetTraceID(before.id)
	require.NoError(t, p.export(t, bad))

	after := failedOrderHistory()
	p.send(t, after)
	sent := sum(before, after) + bad.SpanCount()
	require.Equal(t, account{received: sent, kept: sent}, p.settled(t, sent))
	require.Equal(t, 2, p.metrics(t).sum(journeyMetric("invalid_spans_total")))
	p.stored(t, before)
	p.stored(t, after)
}

func emptyBatches() map[string]ptrace.Traces {
	noSpans := ptrace.NewTraces()
	noSpans.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty()
	noScopes := ptrace.NewTraces()
	noScopes.ResourceSpans().AppendEmpty().Resource().Attributes().PutStr("service.name", "idle")
	return map[string]ptrace.Traces{
		"no resources": ptrace.NewTraces(), "a resource without scopes": noScopes, "a scope without spans": noSpans,
	}
}

func TestWhatIsNotOTLPIsAnsweredWithAnError(t *testing.T) {
	t.Parallel()
	p := start(t)
	before := failedOrderHistory()
	p.send(t, before)
	for _, bad := range []struct {
		name, method, path, contentType, body string
		status                                int
		says                                  string
	}{
		{"broken JSON", http.MethodPost, "/v1/traces", "application/json", `{"resourceSpans": [`, http.StatusBadRequest, ""},
		{"a trace id of odd length", http.MethodPost, "/v1/traces", "application/json", oddTraceID, http.StatusBadRequest, ""},
		{"a text as protobuf", http.MethodPost, "/v1/traces", "application/x-protobuf", "hello", http.StatusBadRequest, ""},
		{"a broken gzip body", http.MethodPost, "/v1/logs", "application/x-protobuf", "\x1f\x8b broken", http.StatusBadRequest, ""},
		{"another content type", http.MethodPost, "/v1/traces", "text/plain", "hello", http.StatusUnsupportedMediaType, "supported"},
		{"another method", http.MethodGet, "/v1/traces", "application/json", "", http.StatusMethodNotAllowed, "POST"},
		{"another path", http.MethodPost, "/api/v2/spans", "application/json", "[]", http.StatusNotFound, "not found"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), bad.method,
				"http://"+p.env["OTLP_HTTP_ENDPOINT"]+bad.path, strings.NewReader(bad.body))
			require.NoError(t, err)
			req.Header.Set("Content-Type", bad.contentType)
			res, err := client.Do(req)
			require.NoError(t, err)
			defer res.Body.Close()
			answer, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.Equal(t, bad.status, res.StatusCode, "answer: %s", answer)
			require.NotEmpty(t, answer)
			require.Contains(t, string(answer), bad.says)
		})
	}
	after := failedOrderHistory()
	sent := len(before.spans) + p.send(t, after)
	require.Equal(t, account{received: sent, kept: sent}, p.settled(t, sent))
	p.stored(t, before)
	p.stored(t, after)
}

const oddTraceID = `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"abc","spanId":"051581bf3cb55c13","name":"x"}]}]}]}`

func TestRequestAboveTheLimitIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	p := start(t)
	tooLarge, valid := failedOrderHistory(), failedOrderHistory()
	tooLarge.last().attributes = map[string]string{"large": strings.Repeat("x", 5<<20)}
	err := p.export(t, together(tooLarge))
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "a request above the 4 MiB of OTLP over gRPC: %v", err)
	require.ErrorContains(t, err, "larger than max")
	p.send(t, valid)
	p.stored(t, valid)
	require.Equal(t, account{received: 3, kept: 3}, p.settled(t, 3))
	p.requireNotStored(t, tooLarge)
}

// What is due at the same time is released together. These are far above the
// 4 MiB that Jaeger, as every gRPC server by default, takes in a request.
func TestManyLargeJourneysDecidedAtOnceAreAllStored(t *testing.T) {
	t.Parallel()
	p := start(t)
	var all []*trace
	for range 300 {
		journey := failedOrderHistory()
		journey.last().attributes = map[string]string{"large": strings.Repeat("x", largestTag)}
		all = append(all, journey)
	}
	for begin := 0; begin < len(all); begin += 50 { // a request each, below the limit
		require.NoError(t, p.export(t, together(all[begin:begin+50]...)))
	}
	sent := sum(all...)
	require.Equal(t, account{received: sent, kept: sent}, p.settled(t, sent))
	for _, journey := range all {
		p.stored(t, journey)
	}
}

// largestTag is near the length of a tag's value that Jaeger can store in
// Badger, where each tag is a key of at most 65,000 bytes.
const largestTag = 60_000

// Jaeger refuses a span with such a tag as if it might take it later. As many
// of them as there are release consumers, twice, must not stop what is beside
// and behind them.
func TestAttributeThatJaegerCannotStoreDoesNotStopOthers(t *testing.T) {
	t.Parallel()
	p := start(t)
	var huge, others []*trace
	for range 8 {
		poison, beside := failedOrderHistory(), failedOrderHistory()
		poison.last().attributes = map[string]string{"huge": strings.Repeat("x", 1<<20)}
		huge, others = append(huge, poison), append(others, beside)
		require.NoError(t, p.export(t, together(poison, beside)))
	}
	eventually(t, "Jaeger refuses the first", func() error {
		m := p.metrics(t)
		if m.sum(journeyMetric("release_retries_total")) == 0 && m.spans().lost == 0 {
			return fmt.Errorf("%+v", m.spans())
		}
		return nil
	})
	behind := failedOrderHistory()
	p.send(t, behind)
	for _, journey := range append(others, behind) {
		p.stored(t, journey)
	}
	// Once others are taken and it is refused again and again, it is given up.
	tr := p.startTraffic(t)
	eventually(t, "the records at fault, and only they, are lost and counted", func() error {
		return want("spans lost", len(huge), p.metrics(t).spans().lost)
	})
	sent := sum(tr.end()...) + sum(huge...) + sum(others...) + len(behind.spans)
	require.Equal(t, account{received: sent, kept: sent - len(huge), lost: len(huge)}, p.settled(t, sent))
	require.Equal(t, len(huge), p.metrics(t).sum(journeyMetric("spans_lost_total"), "reason=refused"))
}
