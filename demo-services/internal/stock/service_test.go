package stock_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/codes"
	"go.uber.org/goleak"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/broker"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/catalog"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/event"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/stock"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry/telemetrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exchange remembers what is published by key, or refuses it.
type exchange struct {
	mu   sync.Mutex
	err  error
	sent map[string][]amqp.Publishing
}

func (e *exchange) Publish(_ context.Context, _, key string, m amqp.Publishing) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		if e.sent == nil {
			e.sent = map[string][]amqp.Publishing{}
		}
		e.sent[key] = append(e.sent[key], m)
	}
	return e.err
}

func checkout(t *testing.T, items ...string) amqp.Delivery {
	t.Helper()
	body, err := json.Marshal(event.CheckoutProcessed{OrderID: "o1", Items: items})
	if err != nil {
		t.Fatal(err)
	}
	return amqp.Delivery{MessageId: "o1", Body: body}
}

// bubble runs a test with a service whose waits take no time.
func bubble(t *testing.T, e *exchange, test func(*testing.T, *stock.Service, telemetrytest.Spans)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		i, spans := telemetrytest.New(t)
		test(t, stock.New(i, e), spans)
	})
}

func TestACheckoutTakesGoodsOut(t *testing.T) {
	bubble(t, &exchange{}, func(t *testing.T, s *stock.Service, spans telemetrytest.Spans) {
		before := s.Level(catalog.Article(1))
		if v := s.Reserve(t.Context(), checkout(t, catalog.Article(1), catalog.Article(1))); v != broker.Accept {
			t.Errorf("verdict %d, want accept", v)
		}
		if after := s.Level(catalog.Article(1)); after != before-2 {
			t.Errorf("level went from %d to %d, want two less", before, after)
		}
		if span := spans.One("stock-queue process"); span.Status.Code == codes.Error {
			t.Errorf("error %q", span.Status.Description)
		}
	})
}

func TestWhatFailsIsSentAgainAsAChildOfTheFailure(t *testing.T) {
	var e exchange
	bubble(t, &e, func(t *testing.T, s *stock.Service, spans telemetrytest.Spans) {
		d := checkout(t, catalog.Retried)
		for range 2 {
			if v := s.Reserve(t.Context(), d); v != broker.Accept {
				t.Fatalf("verdict %d, want accept: the retry is another message", v)
			}
			sent := e.sent[broker.StockRetryQueue]
			last := sent[len(sent)-1]
			d = amqp.Delivery{MessageId: last.MessageId, Body: last.Body, Headers: last.Headers}
		}
		if v := s.Reserve(t.Context(), d); v != broker.Accept {
			t.Errorf("verdict %d of the third attempt, want accept", v)
		}
		processed := spans.Named("stock-queue process")
		if len(processed) != 3 || len(e.sent[broker.StockRetryQueue]) != 2 {
			t.Fatalf("%d attempts and %d retries, want 3 and 2", len(processed), len(e.sent[broker.StockRetryQueue]))
		}
		if processed[0].Status.Code != codes.Error || processed[1].Status.Code != codes.Error || processed[2].Status.Code == codes.Error {
			t.Error("want errors in the first two attempts only")
		}
		trace := processed[0].SpanContext.TraceID()
		if processed[1].SpanContext.TraceID() != trace || processed[2].SpanContext.TraceID() != trace {
			t.Error("the attempts are not in one trace")
		}
		if d.MessageId != "o1" {
			t.Errorf("message id %q, want the order's", d.MessageId)
		}
	})
}

func TestTheThirdFailureIsDeadLettered(t *testing.T) {
	var e exchange
	bubble(t, &e, func(t *testing.T, s *stock.Service, spans telemetrytest.Spans) {
		d := checkout(t, catalog.DeadLettered)
		d.Headers = amqp.Table{"shop-attempt": int32(3)}
		if v := s.Reserve(t.Context(), d); v != broker.Reject {
			t.Errorf("verdict %d, want reject", v)
		}
		if len(e.sent) != 0 {
			t.Errorf("sent %v after the last attempt", e.sent)
		}
		if spans.One("stock-queue process").Status.Code != codes.Error {
			t.Error("the last attempt has no error")
		}
	})
}

func TestALostCheckoutLeavesNoSpan(t *testing.T) {
	bubble(t, &exchange{}, func(t *testing.T, s *stock.Service, spans telemetrytest.Spans) {
		before := s.Level(catalog.Lost)
		if v := s.Reserve(t.Context(), checkout(t, catalog.Lost)); v != broker.Accept {
			t.Errorf("verdict %d, want accept", v)
		}
		if len(spans.All()) != 0 || s.Level(catalog.Lost) != before {
			t.Errorf("%d spans and level %d, want nothing done", len(spans.All()), s.Level(catalog.Lost))
		}
	})
}

func TestARetryThatCannotBeSentGivesTheMessageBack(t *testing.T) {
	bubble(t, &exchange{err: broker.ErrAway}, func(t *testing.T, s *stock.Service, _ telemetrytest.Spans) {
		if v := s.Reserve(t.Context(), checkout(t, catalog.Retried)); v != broker.Requeue {
			t.Errorf("verdict %d, want requeue", v)
		}
	})
}

func TestAMessageThatIsNoCheckoutIsDeadLettered(t *testing.T) {
	bubble(t, &exchange{}, func(t *testing.T, s *stock.Service, spans telemetrytest.Spans) {
		for _, headers := range []amqp.Table{nil, {"shop-attempt": "x"}, {"shop-attempt": int32(-1)}, {"traceparent": int64(1)}} {
			if v := s.Reserve(t.Context(), amqp.Delivery{Body: []byte("{"), Headers: headers}); v != broker.Reject {
				t.Errorf("verdict %d with headers %v, want reject", v, headers)
			}
		}
		if n := len(spans.Named("stock-queue process")); n != 4 {
			t.Errorf("%d spans, want 4", n)
		}
	})
}

func TestGoodsArriveByWayOfTheDelayQueue(t *testing.T) {
	var e exchange
	i, spans := telemetrytest.New(t)
	s := stock.New(i, &e)
	w := httptest.NewRecorder()
	i.Server(s.Routes()).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/restock", strings.NewReader(`{"item":"sku-1001","quantity":7}`)))
	root := spans.One("POST /api/restock")
	if w.Code != http.StatusAccepted || w.Header().Get("X-Trace-Id") != root.SpanContext.TraceID().String() {
		t.Fatalf("status %d, trace %q", w.Code, w.Header().Get("X-Trace-Id"))
	}
	before := s.Level("sku-1001")
	sent := e.sent[broker.RestockDelay][0]
	if v := s.Restock(t.Context(), amqp.Delivery{Body: sent.Body, Headers: sent.Headers}); v != broker.Accept {
		t.Errorf("verdict %d, want accept", v)
	}
	if after := s.Level("sku-1001"); after != before+7 {
		t.Errorf("level went from %d to %d, want seven more", before, after)
	}
	if spans.One("restock-queue process").SpanContext.TraceID() != root.SpanContext.TraceID() {
		t.Error("the arrival is not in the trace of the order")
	}
}

func TestWhatCannotBeRestocked(t *testing.T) {
	tests := []struct {
		name, method, body string
		err                error
		want               int
	}{
		{"no JSON", http.MethodPost, "x", nil, http.StatusBadRequest},
		{"no quantity", http.MethodPost, `{"item":"sku-1001"}`, nil, http.StatusBadRequest},
		{"other method", http.MethodGet, "", nil, http.StatusMethodNotAllowed},
		{"broker away", http.MethodPost, `{"item":"sku-1001","quantity":1}`, broker.ErrAway, http.StatusServiceUnavailable},
	}
	for _, tt := range tests {
		i, _ := telemetrytest.New(t)
		w := httptest.NewRecorder()
		stock.New(i, &exchange{err: tt.err}).Routes().ServeHTTP(w, httptest.NewRequest(tt.method, "/api/restock", strings.NewReader(tt.body)))
		if w.Code != tt.want {
			t.Errorf("%s: status %d, want %d", tt.name, w.Code, tt.want)
		}
	}
}
