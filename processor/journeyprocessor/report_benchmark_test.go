package journeyprocessor

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/arena"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/metadata"
)

// reporting is how a benchmark reports: not at all, as by default, with maps of
// everything, or with none.
var reportings = []struct {
	name   string
	mapped int // spans a second; -1: no reporter
}{{"off", -1}, {"without maps", 0}, {"default", 1000}, {"maps of all", 1_000_000}}

// BenchmarkReport asks what a report costs of the processor's CPU, from
// ConsumeTraces to the next consumer and with the extension that adds the
// reports up: seven services of 50 journeys' names send a batch each. "cpu"
// is user and system time of the process, the benchmark's own part ("nothing")
// included.
func BenchmarkReport(b *testing.B) {
	batches := make([]ptrace.Traces, 7)
	for i := range batches {
		batches[i] = shopBatch(i)
		for n, s := range batches[i].ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
			s.SetName(fmt.Sprint("POST /api/", n/2%50))
			s.Attributes().PutStr("http.request.method", "POST")
			s.SetKind(ptrace.SpanKindServer)
			if n%2 == 1 {
				s.SetKind(ptrace.SpanKindClient)
			}
		}
	}
	b.Run("nothing", func(b *testing.B) {
		measure(b, func(round uint64) int { return sendRound(batches, round, nil) }, func() {})
	})
	for _, r := range reportings {
		b.Run(r.name, func(b *testing.B) {
			e := reportingEngine(b, r.mapped)
			send := func(td ptrace.Traces) {
				for e.ConsumeTraces(b.Context(), td) != nil { //nolint:revive // full: try again
				}
			}
			measure(b, func(round uint64) int { return sendRound(batches, round, send) }, func() {
				require.NoError(b, e.Shutdown(b.Context()))
			})
		})
	}
}

func sendRound(batches []ptrace.Traces, round uint64, send func(ptrace.Traces)) (spans int) {
	for _, td := range batches {
		renumber(td, round)
		if send != nil {
			send(td)
		}
		spans += td.SpanCount()
	}
	return spans
}

// measure reports the CPU time that a span takes.
func measure(b *testing.B, round func(uint64) int, end func()) {
	b.Helper()
	spans, n, before := 0, uint64(0), cpuTime(b)
	for b.Loop() {
		spans += round(n)
		n++
	}
	end()
	b.ReportMetric(float64(cpuTime(b)-before)/float64(spans), "cpu-ns/span")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportingEngine(b *testing.B, mapped int) *engine {
	b.Helper()
	c, err := load(`
completion: {quiet: 300ms, missing_wait: 300ms, message_wait: 300ms, max_wait: 1s}
buffer: {memory: 4GiB}
sampling: {rules: [{name: failed, when: {outcome: error}, keep: 100%}, {name: rest, keep: 10%}]}`)
	require.NoError(b, err)
	h := &harness{extensions: map[component.ID]component.Component{}}
	if mapped >= 0 {
		c.Reporter = &reporterID
		factory := journeysextension.NewFactory()
		config := factory.CreateDefaultConfig().(*journeysextension.Config)
		config.NetAddr.Endpoint, config.Limits.MappedSpans = "localhost:0", mapped
		x, err := factory.Create(b.Context(), extensiontest.NewNopSettings(factory.Type()), config)
		require.NoError(b, err)
		require.NoError(b, x.Start(b.Context(), h))
		b.Cleanup(func() { require.NoError(b, x.Shutdown(b.Context())) })
		h.extensions[reporterID] = x
	}
	settings := processortest.NewNopSettings(metadata.Type)
	e, err := newEngine(settings.ID, settings.TelemetrySettings, c)
	require.NoError(b, err)
	e.store.buffer.memory = arena.New(false)
	require.NoError(b, e.setTraces(consumertest.NewNop()))
	require.NoError(b, e.Start(b.Context(), h))
	return e
}
