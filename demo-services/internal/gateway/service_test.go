package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/checkoutpb"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/gateway"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry/telemetrytest"
)

// till is a checkout service that answers at once.
type till struct{ err error }

func (c till) DoCheckout(context.Context, *checkoutpb.DoCheckoutRequest, ...grpc.CallOption) (*checkoutpb.DoCheckoutResponse, error) {
	return &checkoutpb.DoCheckoutResponse{TotalAmount: 1234}, c.err
}

// ask sends one request to a gateway whose orders and users are the given server.
func ask(t *testing.T, c till, behind http.HandlerFunc, method, target, body string) (*httptest.ResponseRecorder, telemetrytest.Spans) {
	t.Helper()
	server := httptest.NewServer(behind)
	t.Cleanup(server.Close)
	i, spans := telemetrytest.New(t)
	handler := i.Server(gateway.New(i, c, server.URL, server.URL).Routes())
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	return w, spans
}

func nobody(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }

func TestACheckoutIsAcceptedAndNamesItsTrace(t *testing.T) {
	w, spans := ask(t, till{}, nobody, http.MethodPost, "/api/checkout", `{"items":["sku-1001"]}`)
	if w.Code != http.StatusAccepted {
		t.Errorf("status %d, want 202", w.Code)
	}
	root := spans.One("POST /api/checkout")
	if got := w.Header().Get("X-Trace-Id"); got != root.SpanContext.TraceID().String() {
		t.Errorf("X-Trace-Id %q, want the trace of the span, %s", got, root.SpanContext.TraceID())
	}
	if root.Parent.IsValid() || root.SpanKind != trace.SpanKindServer || telemetrytest.Attribute(root, "http.route") != "/api/checkout" {
		t.Errorf("root %+v", root)
	}
	var answer struct {
		TotalAmount int64 `json:"total_amount"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.TotalAmount != 1234 {
		t.Errorf("answer %s: %v", w.Body, err)
	}
}

func TestAFailedCheckoutIsAServerError(t *testing.T) {
	declined := till{err: status.Error(grpccodes.FailedPrecondition, "payment declined")}
	w, spans := ask(t, declined, nobody, http.MethodPost, "/api/checkout", `{"items":["sku-1001"]}`)
	if w.Code != http.StatusInternalServerError {
		t.Errorf("status %d, want 500", w.Code)
	}
	if root := spans.One("POST /api/checkout"); root.Status.Code != codes.Error {
		t.Errorf("status of the root %s, want an error", root.Status.Code)
	}
	if w.Header().Get("X-Trace-Id") == "" {
		t.Error("no trace id on a failed checkout")
	}
}

func TestACartThatCheckoutCannotReadIsTheCallersFault(t *testing.T) {
	unknown := till{err: status.Error(grpccodes.InvalidArgument, `no article "sku-0"`)}
	w, _ := ask(t, unknown, nobody, http.MethodPost, "/api/checkout", `{"items":["sku-0"]}`)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "sku-0") {
		t.Errorf("status %d, answer %s", w.Code, w.Body)
	}
}

func TestWhatTheGatewayRefuses(t *testing.T) {
	tests := []struct {
		name, method, target, body string
		want                       int
		span                       string
	}{
		{"other method on checkout", http.MethodGet, "/api/checkout", "", http.StatusMethodNotAllowed, "GET"},
		{"other method on orders", http.MethodDelete, "/api/orders", "", http.StatusMethodNotAllowed, "DELETE"},
		{"no such path", http.MethodGet, "/api/carts", "", http.StatusNotFound, "GET"},
		{"no JSON", http.MethodPost, "/api/checkout", "x", http.StatusBadRequest, "POST /api/checkout"},
		{"unknown field", http.MethodPost, "/api/checkout", `{"itemsID":["sku-1001"]}`, http.StatusBadRequest, "POST /api/checkout"},
		{"too large", http.MethodPost, "/api/checkout", `{"items":["` + strings.Repeat("x", 1<<17) + `"]}`, http.StatusBadRequest, "POST /api/checkout"},
		{"no user", http.MethodGet, "/api/orders", "", http.StatusBadRequest, "GET /api/orders"},
		{"no amount", http.MethodPost, "/api/giftcards", `{"user_id":"1"}`, http.StatusBadRequest, "POST /api/giftcards"},
	}
	for _, tt := range tests {
		w, spans := ask(t, till{}, nobody, tt.method, tt.target, tt.body)
		if w.Code != tt.want {
			t.Errorf("%s: status %d, want %d", tt.name, w.Code, tt.want)
		}
		spans.One(tt.span)
	}
}

func TestAnswersFromBehindArePassedOn(t *testing.T) {
	tests := []struct {
		name         string
		behind, want int
	}{
		{"found", http.StatusOK, http.StatusOK},
		{"unknown user", http.StatusNotFound, http.StatusNotFound},
		{"service in trouble", http.StatusInternalServerError, http.StatusBadGateway},
	}
	for _, tt := range tests {
		var path, parent string
		behind := func(w http.ResponseWriter, req *http.Request) {
			path, parent = req.URL.Path, req.Header.Get("traceparent")
			w.WriteHeader(tt.behind)
			_, _ = io.WriteString(w, `{"a":1}`)
		}
		w, spans := ask(t, till{}, behind, http.MethodGet, "/api/orders?user=17", "")
		if w.Code != tt.want || path != "/orders/17" {
			t.Errorf("%s: status %d from %s, want %d", tt.name, w.Code, path, tt.want)
		}
		if !strings.Contains(parent, spans.One("GET /api/orders").SpanContext.TraceID().String()) {
			t.Errorf("%s: traceparent %q is not of the root's trace", tt.name, parent)
		}
	}
}

func TestAGiftCardIsSoldByUsers(t *testing.T) {
	var path, body string
	behind := func(w http.ResponseWriter, req *http.Request) {
		read, _ := io.ReadAll(req.Body)
		path, body = req.URL.Path, string(read)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{}`)
	}
	w, _ := ask(t, till{}, behind, http.MethodPost, "/api/giftcards", `{"user_id":"4","amount":5000}`)
	if w.Code != http.StatusCreated || path != "/users/4/giftcards" || body != `{"amount":5000}` {
		t.Errorf("status %d, %s %s", w.Code, path, body)
	}
}
