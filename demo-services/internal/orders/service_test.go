package orders_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/codes"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/ginserver"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/orders"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry/telemetrytest"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/users"
)

// history asks the real orders, which ask the real users over HTTP.
func history(t *testing.T, user string) (*httptest.ResponseRecorder, telemetrytest.Spans) {
	t.Helper()
	i, spans := telemetrytest.New(t)
	u, err := users.New(i)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(ginserver.New(i, u.Register))
	t.Cleanup(server.Close)
	o, err := orders.New(i, server.URL, "stage one", "2.0")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	ginserver.New(i, o.Register).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/orders/"+user, nil))
	return w, spans
}

func TestBaggageReachesUsers(t *testing.T) {
	w, spans := history(t, "17")
	root := spans.One("GET /orders/:user_id")
	if w.Code != http.StatusOK || w.Header().Get("X-Trace-Id") != root.SpanContext.TraceID().String() {
		t.Fatalf("status %d, trace %q: %s", w.Code, w.Header().Get("X-Trace-Id"), w.Body)
	}
	found := spans.One("find user")
	if found.SpanContext.TraceID() != root.SpanContext.TraceID() {
		t.Error("users did not continue the trace")
	}
	if e, v := telemetrytest.Attribute(found, "baggage.environment"), telemetrytest.Attribute(found, "baggage.version"); e != "stage one" || v != "2.0" {
		t.Errorf("users read environment %q and version %q", e, v)
	}
}

func TestAnUnknownUserIsAnErrorSpanAndNotFound(t *testing.T) {
	w, spans := history(t, "999")
	if w.Code != http.StatusNotFound {
		t.Errorf("status %d, want 404", w.Code)
	}
	if found := spans.One("find user"); found.Status.Code != codes.Error || len(found.Events) != 1 {
		t.Errorf("span of the search %+v, want an error with its event", found)
	}
	if n := len(spans.Named("find orders")); n != 0 {
		t.Errorf("%d searches for orders of nobody", n)
	}
}

func TestUsersAwayIsABadGateway(t *testing.T) {
	i, _ := telemetrytest.New(t)
	o, err := orders.New(i, "http://127.0.0.1:1", "demo", "1")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	ginserver.New(i, o.Register).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/orders/1", nil))
	if w.Code != http.StatusBadGateway {
		t.Errorf("status %d, want 502", w.Code)
	}
}

func TestBaggageThatCannotBeSentIsAnErrorAtStart(t *testing.T) {
	i, _ := telemetrytest.New(t)
	if _, err := orders.New(i, "http://users", "\xff", "1"); err == nil {
		t.Error("no error for a value that is not UTF-8")
	}
}
