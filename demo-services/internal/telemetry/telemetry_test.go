package telemetry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, program string, values map[string]string) *SDK {
	t.Helper()
	r, err := env.Read(program, func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	before := slog.Default()
	sdk, err := New(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slog.SetDefault(before) })
	return sdk
}

func stop(ctx context.Context, t *testing.T, sdk *SDK) {
	t.Helper()
	if err := sdk.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestAReceiverThatIsAwayHoldsNoStopUp(t *testing.T) {
	const trying = 2 * time.Second // much longer than the stop may take
	sdk := start(t, "gateway", map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "LOG_LEVEL": "error", "OTEL_EXPORTER_OTLP_TIMEOUT": "2000",
		"OTEL_TRACES_EXPORTER": "none", // its goroutine would outlive the test: the SDK leaves it behind
	})
	sdk.Log.InfoContext(t.Context(), "working")
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begun := time.Now()
	stop(short, t, sdk)
	if took := time.Since(begun); took > trying/2 {
		t.Errorf("stop took %s, want about 100 ms", took)
	}
	<-sdk.flushed // what is left of it ends by itself
}

func TestMetricsAreScraped(t *testing.T) {
	sdk := start(t, "users", map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"})
	defer stop(t.Context(), t, sdk)
	counter, err := sdk.Metrics.Meter(Scope).Int64Counter("shop.test")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 3)
	w := httptest.NewRecorder()
	sdk.Scrape.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{"shop_test_total{", "go_goroutines ", `service_name="users"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

func TestWithoutMetricsThereIsNothingToScrape(t *testing.T) {
	none := map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
	for _, program := range []string{"orders", "gateway"} {
		sdk := start(t, program, none)
		if sdk.Scrape != nil {
			t.Errorf("%s has metrics", program)
		}
		stop(t.Context(), t, sdk)
	}
}

func TestALogLineNamesItsTrace(t *testing.T) {
	sdk := start(t, "gateway", map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"})
	defer stop(t.Context(), t, sdk)
	var out bytes.Buffer
	log := slog.New(traced{slog.NewJSONHandler(&out, nil)}).With("a", 1)
	ctx, span := sdk.Tracer().Start(t.Context(), "work")
	defer span.End()
	log.InfoContext(ctx, "inside")
	if want := span.SpanContext().TraceID().String(); !strings.Contains(out.String(), want) {
		t.Errorf("line %s lacks %s", out.String(), want)
	}
	out.Reset()
	log.Info("outside")
	if strings.Contains(out.String(), "trace_id") {
		t.Errorf("line %s has a trace id without a span", out.String())
	}
}

func TestOneLineForManyExportErrors(t *testing.T) {
	var out bytes.Buffer
	now := time.Now()
	e := &errorLog{log: slog.New(slog.NewTextHandler(&out, nil)), now: func() time.Time { return now }}
	for range 5 {
		e.Handle(errors.New("receiver is away"))
	}
	now = now.Add(errorPause)
	e.Handle(errors.New("receiver is still away"))
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("%d lines, want 2:\n%s", n, out.String())
	}
	if !strings.Contains(out.String(), "withheld_lines=4") {
		t.Errorf("lines do not say how many were withheld:\n%s", out.String())
	}
}
