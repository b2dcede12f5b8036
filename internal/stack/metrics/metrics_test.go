package metrics

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const exposition = `
# HELP otelcol_exporter_sent_spans_total spans
# TYPE otelcol_exporter_sent_spans_total counter
otelcol_exporter_sent_spans_total{exporter="jaeger_storage_exporter",otel_scope_name="x"} 1.25e+03
otelcol_exporter_sent_spans_total{exporter="debug"} 7
# TYPE otelcol_processor_journey_spans_pending gauge
otelcol_processor_journey_spans_pending 3
# TYPE otelcol_processor_journey_journey_spans_total counter
otelcol_processor_journey_journey_spans_total{journey="checkout",decision="kept"} 10
otelcol_processor_journey_journey_spans_total{journey="checkout",decision="dropped"} 90
otelcol_processor_journey_journey_spans_total{journey="gift card",decision="kept"} 4
`

func parsed(t *testing.T) Snapshot {
	t.Helper()
	s, err := Parse(strings.NewReader(exposition))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSumTakesOnlyTheLabelsAskedFor(t *testing.T) {
	s := parsed(t)
	tests := []struct {
		name   string
		labels Labels
		want   float64
		found  bool
	}{
		{"otelcol_exporter_sent_spans_total", Labels{"exporter": "jaeger_storage_exporter"}, 1250, true},
		{"otelcol_exporter_sent_spans_total", nil, 1257, true},
		{"otelcol_exporter_sent_spans_total", Labels{"exporter": "none"}, 0, false},
		{"otelcol_processor_journey_spans_pending", nil, 3, true},
		{"absent_total", nil, 0, false},
	}
	for _, tt := range tests {
		if got, found := s.Sum(tt.name, tt.labels); got != tt.want || found != tt.found {
			t.Errorf("Sum(%s, %v) = %v, %v; want %v, %v", tt.name, tt.labels, got, found, tt.want, tt.found)
		}
	}
}

func TestCounterWithAndWithoutSuffix(t *testing.T) {
	with := parsed(t)
	without, err := Parse(strings.NewReader("# TYPE otelcol_exporter_sent_spans counter\notelcol_exporter_sent_spans{exporter=\"debug\"} 1257\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Snapshot{"with": with, "without": without} {
		if got, found := s.Counter("otelcol_exporter_sent_spans", nil); got != 1257 || !found {
			t.Errorf("%s suffix: got %v, %v", name, got, found)
		}
		if got := s.CounterBy("otelcol_exporter_sent_spans", "exporter", nil); got["debug"] == 0 {
			t.Errorf("%s suffix: by exporter: %v", name, got)
		}
	}
}

func TestSumByOneLabel(t *testing.T) {
	got := parsed(t).SumBy("otelcol_processor_journey_journey_spans_total", "journey", nil)
	if got["checkout"] != 100 || got["gift card"] != 4 || len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

func TestFetchSaysWhichEndpointFailed(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"text":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{ not metrics")) },
	} {
		server := httptest.NewServer(handler)
		_, err := Fetch(t.Context(), server.Client(), server.URL)
		if err == nil || !strings.Contains(err.Error(), server.URL) {
			t.Errorf("%s: got %v, want an error that names %s", name, err, server.URL)
		}
		server.Close()
	}
}
