package journeyprocessor

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// brought is a batch of a recording: spans or log records, and when it came.
type brought struct {
	after  time.Duration
	traces ptrace.Traces
	logs   plog.Logs
}

// recording is traffic of several kinds in random batches: fast, slow and
// failing ones, some with a late span or a late error, some with log records.
// What is late comes lateBy after its trace.
func recording(seed uint64, traces int, payload ByteSize) []brought {
	rnd := rand.New(rand.NewPCG(seed, 1))
	var all []brought
	for n := range traces {
		id := fmt.Sprintf("trace %d %d", seed, n)
		at := time.Duration(rnd.IntN(60_000)) * time.Millisecond
		operation := []string{"checkout", "search", fmt.Sprintf("rare %d", rnd.IntN(20))}[min(2, rnd.IntN(12)/5)]
		root := span{Trace: id, ID: 1, Name: operation, Took: time.Duration(20+rnd.ExpFloat64()*40) * time.Millisecond}
		spans := []span{}
		for child := range rnd.IntN(6) {
			s := span{Trace: id, ID: uint64(child + 2), Parent: 1, Service: fmt.Sprintf("service %d", child%3), Name: "work", Took: 5 * time.Millisecond, Payload: payload}
			if rnd.IntN(30) == 0 {
				s.Error = "out of stock"
			}
			spans = append(spans, s)
		}
		all = append(all, traffic(rnd, at, root, spans)...)
		if rnd.IntN(3) == 0 {
			ld := logBatch([]record{{Body: id}})
			ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).SetTraceID(evenID(id))
			all = append(all, brought{after: onGrid(at), logs: ld})
		}
	}
	slices.SortStableFunc(all, func(a, b brought) int { return int(a.after - b.after) })
	return all
}

// lateBy is more than any trace of a recording waits for.
const lateBy = 40 * time.Second

// traffic brings the root's batch before or after the others, some of them
// late or never.
func traffic(rnd *rand.Rand, at time.Duration, root span, spans []span) []brought {
	var all []brought
	if rnd.IntN(40) > 0 {
		all = append(all, brought{after: onGrid(at + time.Duration(rnd.IntN(3000))*time.Millisecond), traces: oneBatch(root, root.Trace)})
	}
	for _, s := range spans {
		after := time.Duration(rnd.IntN(4000)) * time.Millisecond
		if rnd.IntN(25) == 0 {
			after += lateBy
		}
		all = append(all, brought{after: onGrid(at + after), traces: oneBatch(s, root.Trace)})
	}
	return all
}

// onGrid keeps arrivals away from ticks, so that it is known which comes first.
func onGrid(d time.Duration) time.Duration {
	return d.Truncate(40*time.Millisecond) + 13*time.Millisecond
}

// oneBatch is a span under an id whose randomness is neither high nor low.
func oneBatch(s span, trace string) ptrace.Traces {
	td := batch([]span{s})
	td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).SetTraceID(evenID(trace))
	return td
}

func evenID(trace string) (id pcommon.TraceID) {
	rnd := rand.New(rand.NewPCG(uint64(len(trace)), hashOf(trace)))
	for i := range id {
		id[i] = byte(rnd.Uint32())
	}
	return id
}

func hashOf(text string) (h uint64) {
	for _, b := range []byte(text) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// left is what a sink has, in an order that does not depend on batches.
func left(s *sink) []string {
	var all []string
	for _, span := range s.all() {
		all = append(all, fmt.Sprint(span.TraceID(), " ", span.SpanID(), " ", span.TraceState().AsRaw(), " ", span.Attributes().AsRaw()))
	}
	all = append(all, s.bodies()...)
	slices.Sort(all)
	return all
}

func live(t *testing.T, config string, batches []brought) (all []string) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // one shard
	inBubble(t, config, func(t *testing.T, h *harness) {
		began := time.Now()
		for _, b := range batches {
			h.wait(time.Until(began.Add(b.after)))
			if b.traces != (ptrace.Traces{}) {
				require.NoError(t, h.traces.ConsumeTraces(t.Context(), b.traces))
			} else {
				require.NoError(t, h.logs.ConsumeLogs(t.Context(), b.logs))
			}
			synctest.Wait()
		}
		h.wait(time.Hour)
		if strings.Contains(config, "1MiB") {
			require.Positive(t, h.value("processor_journey_early_decisions"), "memory is to be short")
		}
		all = left(h.sink)
	})
	return all
}

func replayed(t *testing.T, config string, batches []brought) (all []string, decisions []ReplayDecision) {
	t.Helper()
	s := &sink{}
	replay(t, config, batches, s, func(d ReplayDecision) { decisions = append(decisions, d) })
	return left(s), decisions
}

// replay replays all batches to the end.
func replay(t *testing.T, config string, batches []brought, s *sink, decided func(ReplayDecision)) *Replay {
	t.Helper()
	c, err := load(config)
	require.NoError(t, err)
	r, err := NewReplay(ReplaySettings{
		Config: c, Telemetry: componenttest.NewNopTelemetrySettings(), Traces: s, Logs: s, Begin: epoch, Decided: decided,
	})
	require.NoError(t, err)
	for _, b := range batches {
		if b.traces != (ptrace.Traces{}) {
			r.ConsumeTraces(epoch.Add(b.after), b.traces)
		} else {
			r.ConsumeLogs(epoch.Add(b.after), b.logs)
		}
	}
	r.Finish()
	require.Zero(t, r.Pending())
	require.Zero(t, r.engine.store.memory().Blocks())
	require.Zero(t, r.engine.store.buffer.used.Load())
	return r
}

const quick = "completion: {quiet: 2s, missing_wait: 8s, message_wait: 10s, max_wait: 20s}\n"

func TestAReplayKeepsWhatTheProcessorKeeps(t *testing.T) {
	for name, config := range map[string]string{
		"rules":       quick + "sampling: {rules: [{name: failed, when: {outcome: error}, keep: 100%}, {name: rest, keep: 30%}]}",
		"percentiles": quick + "sampling: {percentiles: {min_journeys: 20}, rules: [{name: slow, when: {slower_than: p90}, keep: 100%}, {name: rest, keep: 10%}]}",
		"shapes":      quick + "sampling: {rules: [{name: rare, when: {first_of_shape: 3, every: 20s}, keep: 100%}, {name: rest, keep: 10%}]}",
		"budget":      quick + "sampling: {rules: [{name: failed, when: {outcome: error}, keep: 100%}, {name: rest, keep: 90%}], budget: {spans_per_second: 10}}",
		"bytes":       quick + "sampling: {rules: [{name: failed, when: {outcome: error}, keep: 100%}, {name: rest, keep: 90%}], budget: {bytes_per_day: 1GiB}}",
		"no recall":   quick + "buffer: {recall: 0B}\nsampling: {rules: [{name: failed, when: {outcome: error}, keep: 100%}, {name: rest, keep: 5%}]}",
		"little memory": quick + "buffer: {memory: 1MiB, recall: 50KiB, trace: 100KiB}\n" +
			"sampling: {rules: [{name: failed, when: {outcome: error}, keep: 100%}, {name: rest, keep: 50%}]}",
		"with a shadow": quick + "sampling: {rules: [{name: rest, keep: 30%}], shadow: {rules: [{name: less, keep: 3%}]}}",
	} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Log("seed", seed)
			payload := ByteSize(1500)
			if strings.Contains(config, "1MiB") {
				payload = 12 << 10
			}
			batches := recording(seed, 800, payload)
			want := live(t, config, batches)
			got, _ := replayed(t, config, batches)
			require.NotEmpty(t, want)
			require.Equal(t, want, got)
		})
	}
}
