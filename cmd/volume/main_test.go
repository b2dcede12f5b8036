package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	failedID = "0af7651916cd43dd8448eb211c80319c"
	okID     = "1bf7651916cd43dd8448eb211c80319d"
)

// scene is two Jaegers and a collector that answer over HTTP, and the files.
type scene struct {
	all, kept, collector *httptest.Server
	dir                  string
}

// oneTrace is a trace in Jaeger's JSON with n spans.
func oneTrace(id string, n int, tags string) string {
	var spans []string
	for i := range n {
		spans = append(spans, fmt.Sprintf(
			`{"spanID":"%016x","operationName":"POST /api/checkout","references":[],"startTime":%d,"duration":10,"tags":[%s],"processID":"p1"}`,
			i+1, time.Now().UnixMicro(), tags))
	}
	return fmt.Sprintf(`{"traceID":%q,"spans":[%s],"processes":{"p1":{"serviceName":"gateway"}}}`, id, strings.Join(spans, ","))
}

// jaegerServer answers the query API and, as Jaeger does elsewhere, /metrics.
func jaegerServer(t *testing.T, spans int, traces ...string) *httptest.Server {
	mux := http.NewServeMux()
	reply := func(pattern, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
	}
	reply("GET /api/services", `{"data":["gateway"]}`)
	reply("GET /api/traces", `{"data":[`+strings.Join(traces, ",")+`]}`)
	reply("GET /metrics", fmt.Sprintf(`
# TYPE otelcol_exporter_sent_spans_total counter
otelcol_exporter_sent_spans_total{exporter="jaeger_storage_exporter"} %d
# TYPE jaeger_storage_badger_write_bytes_user gauge
jaeger_storage_badger_write_bytes_user{kind="badger"} %d
`, spans, 500*spans))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

const counters = `
# TYPE otelcol_processor_journey_spans_received_total counter
otelcol_processor_journey_spans_received_total 5
# TYPE otelcol_processor_journey_spans_kept_total counter
otelcol_processor_journey_spans_kept_total 3
# TYPE otelcol_processor_journey_spans_dropped_total counter
otelcol_processor_journey_spans_dropped_total 1
# TYPE otelcol_processor_journey_spans_pending gauge
otelcol_processor_journey_spans_pending 1
# TYPE otelcol_processor_journey_spans_recallable gauge
otelcol_processor_journey_spans_recallable 1
`

func newScene(t *testing.T, keptTraces ...string) scene {
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(counters)) }))
	t.Cleanup(collector.Close)
	s := scene{
		all:       jaegerServer(t, 5, oneTrace(failedID, 3, ""), oneTrace(okID, 2, "")),
		kept:      jaegerServer(t, 3, keptTraces...),
		collector: collector,
		dir:       t.TempDir(),
	}
	s.write(t, "truth.jsonl", fmt.Sprintf(`{"truth":1,"started":"2026-11-21T10:00:00Z"}
{"trace_id":%q,"journey":"checkout","class":"failed","must_keep":true,"at":"2026-11-21T10:00:01Z"}
{"trace_id":%q,"journey":"checkout","class":"ok","at":"2026-11-21T10:01:00Z"}
`, failedID, okID))
	return s
}

func (s scene) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s scene) arguments(more ...string) []string {
	return append([]string{
		"-all", s.all.URL, "-all-metrics", s.all.URL + "/metrics", "-kept", s.kept.URL, "-kept-metrics", s.kept.URL + "/metrics",
		"-collector", s.collector.URL, "-truth", filepath.Join(s.dir, "truth.jsonl"),
	}, more...)
}

var whole = oneTrace(failedID, 3, `{"key":"journey.name","value":"checkout"}`)

func TestExitCodes(t *testing.T) {
	tests := []struct {
		name   string
		args   func(*testing.T) []string
		code   int
		stderr string
	}{
		{"all agrees", func(t *testing.T) []string { return newScene(t, whole).arguments() }, exitOK, ""},
		{"a journey is not stored", func(t *testing.T) []string { return newScene(t).arguments() }, exitJourneys, failedID},
		{"a journey is stored in part", func(t *testing.T) []string {
			return newScene(t, oneTrace(failedID, 2, "")).arguments()
		}, exitJourneys, "1 of its 3 spans are missing"},
		{"counters disagree", func(t *testing.T) []string {
			s := newScene(t, whole)
			s.kept = jaegerServer(t, 4, whole)
			return s.arguments()
		}, exitCounters, "3 ≠ spans stored in the kept Jaeger: 4"},
		{"both: the journey is the graver", func(t *testing.T) []string {
			s := newScene(t)
			s.kept = jaegerServer(t, 4)
			return s.arguments()
		}, exitJourneys, "is not stored"},
		{"one Jaeger and one collector", func(t *testing.T) []string {
			s := newScene(t, whole)
			return []string{"-kept", s.kept.URL, "-collector", s.collector.URL}
		}, exitOK, ""},
		{"a Jaeger is away", func(t *testing.T) []string {
			return []string{"-kept", "http://127.0.0.1:1", "-all", "http://127.0.0.1:1"}
		}, exitRead, "ask Jaeger"},
		{"not a collector with the processor", func(t *testing.T) []string {
			s := newScene(t, whole)
			return []string{"-kept", s.kept.URL, "-collector", s.kept.URL + "/metrics"}
		}, exitRead, "is the journey processor in a traces pipeline"},
		{"nothing to compare with", func(*testing.T) []string { return []string{"-kept", "http://x"} }, exitUsage, "-all or -collector"},
		{"every fault at once", func(*testing.T) []string {
			return []string{"-format", "xml", "-span-price", "-1", "-page", "0", "-all-logs", "x"}
		}, exitUsage, "-page and -lookback"},
		{"stray argument", func(*testing.T) []string { return []string{"-kept", "http://x", "compare"} }, exitUsage, `"compare"`},
		{"help", func(*testing.T) []string { return []string{"-h"} }, exitOK, "-kept-metrics"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), tt.args(t), &stdout, &stderr)
			if code != tt.code || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("exit code %d, want %d; stderr %q, want %q in it\n%s", code, tt.code, stderr.String(), tt.stderr, stdout.String())
			}
		})
	}
}

func TestTheWholeTable(t *testing.T) {
	s := newScene(t, whole)
	record := `{"resourceLogs":[{"resource":{},"scopeLogs":[{"scope":{},"logRecords":[{"traceId":"` + failedID + `"}]}]}]}` + "\n"
	args := s.arguments(
		"-all-logs", s.write(t, "all.jsonl", record+record), "-kept-logs", s.write(t, "kept.jsonl", record),
		"-window", "1h", "-format", "markdown")
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), args, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	want := "| checkout | 1 / 2 | 3 / 5 | 60.0 % | ~1.5 / 2.4 KiB | 1 / 1 | 1 / 2 | 50 / 100 B | 0.00 / 0.00 | 0.00 |"
	if !strings.Contains(stdout.String(), want) {
		t.Errorf("got\n%s\nwant the row\n%s", stdout.String(), want)
	}
}
