package telemetry

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/app"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
)

// logHandler writes every record to standard error and to the log exporters;
// those take INFO and above, whatever LOG_LEVEL says.
func logHandler(r *env.Reader, provider *sdklog.LoggerProvider) slog.Handler {
	return slog.NewMultiHandler(
		traced{app.StderrHandler(r)},
		atLeast{otelslog.NewHandler(Scope, otelslog.WithLoggerProvider(provider), otelslog.WithVersion(Version)), slog.LevelInfo},
	)
}

// traced adds the ids of the span in the context; the OTLP bridge does so itself.
type traced struct{ slog.Handler }

func (t traced) Handle(ctx context.Context, record slog.Record) error {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		record.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return t.Handler.Handle(ctx, record)
}

func (t traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{t.Handler.WithAttrs(attrs)} }

func (t traced) WithGroup(name string) slog.Handler { return traced{t.Handler.WithGroup(name)} }

// atLeast leaves out records below a level.
type atLeast struct {
	slog.Handler
	level slog.Level
}

func (a atLeast) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= a.level && a.Handler.Enabled(ctx, level)
}

func (a atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{a.Handler.WithAttrs(attrs), a.level}
}

func (a atLeast) WithGroup(name string) slog.Handler {
	return atLeast{a.Handler.WithGroup(name), a.level}
}

// stderr is for what must not go over OTLP: news of OTLP itself.
func stderr() slog.Handler { return slog.NewJSONHandler(os.Stderr, nil) }

// errorPause is the least time between two lines about the SDK's own errors:
// a receiver that is away gives one with every batch.
const errorPause = 30 * time.Second

// errorLog writes the SDK's errors to standard error only: over OTLP they would
// breed more of themselves.
type errorLog struct {
	log *slog.Logger
	now func() time.Time

	mu       sync.Mutex // a leaf: exporters report from their own goroutines
	last     time.Time
	withheld int
}

func newErrorLog() *errorLog {
	return &errorLog{log: slog.New(stderr()), now: time.Now}
}

// Handle implements otel.ErrorHandler.
func (e *errorLog) Handle(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := e.now(); now.Sub(e.last) >= errorPause {
		e.log.Warn("telemetry could not be sent", "error", err, "withheld_lines", e.withheld)
		e.last, e.withheld = now, 0
		return
	}
	e.withheld++
}
