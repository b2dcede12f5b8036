package journeyprocessor

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/metadata"
)

// heavy is a span of about a kilobyte, which cannot be compressed.
func heavy(trace string, id uint64) span {
	return span{Trace: trace, ID: id, Name: "GET /", Attributes: map[string]string{"payload": noise(fmt.Sprint(trace, id), 900)}}
}

func TestAFullBufferDecidesTheOldestEarlyWithoutCallingThemIncomplete(t *testing.T) {
	inBubble(t, `
completion: {quiet: 10m, missing_wait: 10m, message_wait: 10m}
sampling: {rules: [{name: incomplete, when: {outcome: incomplete}, keep: 100%}, {name: rest, keep: 50%}]}
buffer: {memory: 1MiB, trace: 100KiB}`, func(t *testing.T, h *harness) {
		for i := range 3000 {
			name := fmt.Sprint("unlucky ", i)
			h.send(heavy(name, 2), func() span { s := heavy(name, 3); s.Parent = 2; return s }())
			require.LessOrEqual(t, h.value("processor_journey_buffer_bytes"), int64(1<<20))
		}
		h.holdsTheLaw()
		require.Positive(t, h.value("processor_journey_early_decisions", "reason", earlyMemory))
		require.Positive(t, h.value("processor_journey_spans_dropped"))
		require.Zero(t, h.value("processor_journey_spans_refused"))
		require.Zero(t, h.value("processor_journey_journeys", "outcome", "incomplete"))
		require.Positive(t, h.value("processor_journey_spans_pending"), "the youngest still wait")
	})
}

func TestASinkThatTakesNothingHoldsSendersBackAndLosesNothing(t *testing.T) {
	inBubble(t, `{completion: {quiet: 1s}, buffer: {memory: 1MiB, trace: 100KiB}}`, func(t *testing.T, h *harness) {
		h.sink.refuse(errBusy)
		sent, i := 0, 0
		var refusal error
		for ; refusal == nil; i++ {
			refusal = h.traces.ConsumeTraces(h.t.Context(), batch([]span{heavy(fmt.Sprint(i), 1)}))
			if refusal == nil {
				sent++
			}
			h.wait(10 * time.Millisecond)
			require.Less(t, i, 5000, "was never refused")
		}
		require.ErrorIs(t, refusal, errFull)
		require.False(t, consumererror.IsPermanent(refusal), "the sender must keep it and try again")
		require.Equal(t, int64(1), h.value("processor_journey_spans_refused", "reason", refusedFull))
		require.Positive(t, h.value("processor_journey_release_retries"))
		h.holdsTheLaw()
		h.sink.refuse(nil)
		h.wait(2 * time.Minute)
		require.Len(t, h.sink.all(), sent)
		h.send(heavy("again", 1))
	})
}

func TestABatchThatCanNeverFitIsRefusedForGood(t *testing.T) {
	inBubble(t, `{buffer: {memory: 1MiB, trace: 100KiB}}`, func(t *testing.T, h *harness) {
		s := span{Trace: "a", ID: 1, Name: "GET /", Attributes: map[string]string{"payload": strings.Repeat("x", 2<<20)}}
		err := h.traces.ConsumeTraces(h.t.Context(), batch([]span{s}))
		require.True(t, consumererror.IsPermanent(err))
		require.ErrorContains(t, err, "buffer::memory (1MiB)")
		require.Equal(t, int64(1), h.value("processor_journey_spans_refused", "reason", refusedOversized))
	})
}

func TestOneHugeTraceIsDecidedAtItsLimitAndTheRestFollows(t *testing.T) {
	inBubble(t, `{completion: {quiet: 10s}, buffer: {memory: 8MiB, trace: 64KiB}}`, func(t *testing.T, h *harness) {
		for i := range 200 {
			s := heavy("huge", uint64(i+1))
			s.Parent = uint64(i)
			h.send(s)
		}
		require.Equal(t, int64(1), h.value("processor_journey_early_decisions", "reason", earlyTraceSize))
		require.Positive(t, h.value("processor_journey_late_spans", "decision", "kept"))
		h.wait(time.Second)
		require.Len(t, h.sink.of("huge"), 200)
	})
}

func TestShutdownDecidesAndFlushesWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, lawsConfig)
		h.send(span{Trace: "a", ID: 1, Name: "GET /"}, span{Trace: "unlucky", ID: 1, Name: "GET /"}, span{Trace: "unlucky failed", ID: 2, Parent: 1, Name: "GET /", Error: "x"})
		h.sendLogs(record{Trace: "a", Severity: "INFO", Body: "kept"})
		h.stop()
		require.Len(t, h.sink.of("a"), 1)
		require.Len(t, h.sink.of("unlucky failed"), 1)
		require.Empty(t, h.sink.of("unlucky"))
		require.Len(t, h.sink.bodies(), 1)
		require.Equal(t, int64(3), h.value("processor_journey_early_decisions", "reason", earlyShutdown))
		require.ErrorIs(t, h.traces.ConsumeTraces(context.Background(), batch([]span{{Trace: "b", ID: 1}})), errStopping)
		require.NoError(t, h.traces.Shutdown(context.Background()), "twice")
	})
}

func TestShutdownHonoursItsContextAndCountsWhatItGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, lawsConfig)
		h.sink.refuse(errBusy)
		h.send(span{Trace: "a", ID: 1, Name: "GET /"}, span{Trace: "b", ID: 1, Name: "GET /"})
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		begun := time.Now()
		require.ErrorIs(t, h.traces.Shutdown(ctx), context.DeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(begun))
		require.Equal(t, int64(2), h.value("processor_journey_spans_lost", "reason", lostShutdown))
		h.holdsTheLaw()
	})
}

func TestShutdownHasALimitOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "{release: {shutdown_timeout: 7s}}")
		h.sink.refuse(errBusy)
		h.send(span{Trace: "a", ID: 1, Name: "GET /"})
		begun := time.Now()
		h.stop()
		require.Equal(t, 7*time.Second, time.Since(begun))
		require.Equal(t, int64(1), h.value("processor_journey_spans_lost", "reason", lostShutdown))
	})
}

func TestASecondPipelineOfASignalNeedsAnIDOfItsOwn(t *testing.T) {
	factory, config := NewFactory(), createDefaultConfig()
	settings := processortest.NewNopSettings(metadata.Type)
	first, err := factory.CreateTraces(t.Context(), settings, config, consumertest.NewNop())
	require.NoError(t, err)
	_, err = factory.CreateTraces(t.Context(), settings, config, consumertest.NewNop())
	require.ErrorIs(t, err, errSecondPipeline)
	require.NoError(t, first.Shutdown(t.Context()))
	_, err = factory.CreateTraces(t.Context(), settings, config, consumertest.NewNop())
	require.NoError(t, err, "a stopped one is out of the way")
}

func TestSpansWithoutATraceAreKeptAsTheyCame(t *testing.T) {
	inBubble(t, `{sampling: {rules: [{name: none, keep: 0%}]}}`, func(t *testing.T, h *harness) {
		td := ptrace.NewTraces()
		s := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		s.SetName("nobody's")
		require.NoError(t, h.traces.ConsumeTraces(h.t.Context(), td))
		require.NoError(t, h.traces.ConsumeTraces(h.t.Context(), ptrace.NewTraces()), "an empty batch")
		h.wait(time.Second)
		require.Len(t, h.sink.all(), 1)
		require.Equal(t, s.Name(), h.sink.all()[0].Name())
		require.Equal(t, 0, h.sink.all()[0].Attributes().Len())
		require.Equal(t, int64(1), h.value("processor_journey_invalid_spans"))
	})
}

func TestJourneyNamesInMetricsAreCapped(t *testing.T) {
	inBubble(t, `{completion: {quiet: 1s}, telemetry: {max_journeys: 3}}`, func(t *testing.T, h *harness) {
		for i := range 10 {
			h.send(span{Trace: fmt.Sprint(i), ID: 1, Name: fmt.Sprint("GET /", i)})
			h.wait(3 * time.Second)
		}
		require.Equal(t, int64(7), h.value("processor_journey_journeys", "journey", otherJourneys))
		require.Equal(t, int64(10), h.value("processor_journey_journeys"))
	})
}

// TestManySendersAtOnce runs without fake time, for the race detector.
func TestManySendersAtOnce(t *testing.T) {
	const senders, batches = 8, 50
	h := start(t, lawsConfig)
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for b := range batches {
				name := fmt.Sprint(s, "-", b)
				spans := []span{{Trace: name, ID: 1, Name: "GET /"}, {Trace: "shared", ID: uint64(2 + s*batches + b), Name: "x"}}
				if err := h.traces.ConsumeTraces(context.Background(), batch(spans)); err != nil {
					t.Error(err)
				}
				if err := h.logs.ConsumeLogs(context.Background(), logBatch([]record{{Trace: name, Severity: "INFO", Body: "x"}})); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	h.stop()
	require.Equal(t, int64(2*senders*batches), h.value("processor_journey_spans_received"))
	require.Len(t, h.sink.of("shared"), senders*batches)
}

// TestTheAccountIsWhatMemoryIsUsed holds what is accounted against what the
// heap grows by, for small spans, where overheads weigh most, and for usual
// ones.
func TestTheAccountIsWhatMemoryIsUsed(t *testing.T) {
	for _, payload := range []int{0, 500} {
		t.Run(fmt.Sprint("payload=", payload), func(t *testing.T) {
			c, err := load("{completion: {quiet: 1h, missing_wait: 1h, message_wait: 1h, max_wait: 1h}}")
			require.NoError(t, err)
			settings := processortest.NewNopSettings(metadata.Type)
			e, err := newEngine(settings.ID, settings.TelemetrySettings, c)
			require.NoError(t, err)
			require.NoError(t, e.setTraces(consumertest.NewNop()))
			require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))
			before := heap()
			const traces, perTrace = 10000, 8
			for id := range uint64(perTrace) {
				for first := 0; first < traces; first += 100 {
					require.NoError(t, e.ConsumeTraces(t.Context(), sameService(first, 100, id+1, payload)))
				}
			}
			for settled := false; !settled; {
				settled = e.telemetry.tracesPending.Load() == traces && allEmpty(e.shards)
				runtime.Gosched()
			}
			grown := heap() - before
			accounted := e.store.buffer.used.Load() - e.store.memory().Used()
			require.InEpsilon(t, heapHeadroom*grown, accounted, 0.15, "heap %d, account %d", grown, accounted)
			require.NoError(t, e.Shutdown(t.Context()))
		})
	}
}

func sameService(first, n int, id uint64, payload int) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr(serviceName, "gateway")
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	for i := range n {
		s := spans.AppendEmpty()
		span{Trace: fmt.Sprint(first + i), ID: id, Parent: id - 1, Name: "GET /"}.fill(s)
		if payload > 0 {
			s.Attributes().PutStr("payload", noise(fmt.Sprint(first+i, id), payload))
		}
	}
	return td
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// allEmpty says that no arrival waits for a shard.
func allEmpty(shards []*shard) bool {
	for _, s := range shards {
		if len(s.in) > 0 {
			return false
		}
	}
	return true
}
