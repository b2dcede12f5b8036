package store_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/store"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry/telemetrytest"
)

var call = store.Call{Operation: "SELECT", Collection: "users", Text: "SELECT 1"}

func TestACallTakesItsTimeAndHasItsSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, spans := telemetrytest.New(t)
		slow := call
		slow.Delay = time.Second
		start := time.Now()
		if err := store.Postgres(i.Tracer(), "shop").Do(t.Context(), slow, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < time.Second || took > 1100*time.Millisecond {
			t.Errorf("took %s, want a little more than a second", took)
		}
		span := spans.One("SELECT users")
		if span.SpanKind != trace.SpanKindClient || telemetrytest.Attribute(span, "db.system.name") != "postgresql" {
			t.Errorf("span %+v", span)
		}
	})
}

func TestAFailedCallIsAnErrorSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, spans := telemetrytest.New(t)
		locked := errors.New("locked")
		if err := store.Redis(i.Tracer(), "0").Do(t.Context(), call, func() error { return locked }); !errors.Is(err, locked) {
			t.Errorf("error %v, want the work's own", err)
		}
		if spans.One("SELECT users").Status.Code != codes.Error {
			t.Error("the span has no error")
		}
	})
}

func TestACallEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, _ := telemetrytest.New(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		slow := call
		slow.Delay = time.Hour
		done := false
		err := store.Postgres(i.Tracer(), "shop").Do(ctx, slow, func() error { done = true; return nil })
		if !errors.Is(err, context.DeadlineExceeded) || done {
			t.Errorf("error %v, work done %t", err, done)
		}
	})
}
