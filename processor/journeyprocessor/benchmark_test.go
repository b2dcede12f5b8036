package journeyprocessor

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/arena"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/metadata"
)

// shopBatch is what one service's SDK exports at once: 512 spans of 256
// traces with eleven attributes, about 545 bytes of OTLP each.
func shopBatch(service int) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr(serviceName, fmt.Sprint("service-", service))
	for i := range 6 {
		rs.Resource().Attributes().PutStr(fmt.Sprint("resource.attribute.", i), "some usual value")
	}
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp")
	for i := range 512 {
		s := ss.Spans().AppendEmpty()
		span{ID: uint64(service*2 + i%2 + 1), Parent: uint64(service*2 + i%2), Name: "POST /api/checkout", Kind: "server"}.fill(s)
		for a := range 11 {
			s.Attributes().PutStr(fmt.Sprint("semantic.attribute.", a), "a value of usual length")
		}
	}
	return td
}

// renumber gives the batch's spans new trace ids: those of round n.
func renumber(td ptrace.Traces, n uint64) {
	spans := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans()
	for i, s := range spans.All() {
		var id pcommon.TraceID
		binary.BigEndian.PutUint64(id[:8], n)
		binary.BigEndian.PutUint64(id[8:], (n*512+uint64(i/2))*0x9e3779b97f4a7c15)
		s.SetTraceID(id)
	}
}

// BenchmarkJourney asks what a span costs from ConsumeTraces to the next
// consumer, with the rules of the published configuration: seven services send
// a batch each, then all is decided and a tenth is released. "nop" is the
// ceiling: only what the benchmark itself does.
func BenchmarkJourney(b *testing.B) {
	const services = 7
	batches := make([]ptrace.Traces, services)
	for i := range batches {
		batches[i] = shopBatch(i)
	}
	for _, name := range []string{"nop", "journey"} {
		b.Run(name, func(b *testing.B) {
			c, err := load(`
completion: {quiet: 300ms, missing_wait: 300ms, message_wait: 300ms, max_wait: 1s}
buffer: {memory: 4GiB}
sampling:
  rules:
    - {name: failed, when: {outcome: error}, keep: 100%}
    - {name: incomplete, when: {outcome: incomplete}, keep: 100%}
    - {name: slow, when: {slower_than: 1s}, keep: 100%}
    - {name: rest, keep: 10%}`)
			require.NoError(b, err)
			settings := processortest.NewNopSettings(metadata.Type)
			e, err := newEngine(settings.ID, settings.TelemetrySettings, c)
			require.NoError(b, err)
			e.store.buffer.memory = arena.New(false)
			require.NoError(b, e.setTraces(consumertest.NewNop()))
			require.NoError(b, e.Start(b.Context(), componenttest.NewNopHost()))
			b.ReportAllocs()
			spans, round := 0, uint64(0)
			for b.Loop() {
				for _, td := range batches {
					renumber(td, round)
					if name == "journey" {
						for e.ConsumeTraces(b.Context(), td) != nil { //nolint:revive // full: try again
						}
					}
					spans += td.SpanCount()
				}
				round++
			}
			require.NoError(b, e.Shutdown(b.Context()))
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(spans), "ns/span")
		})
	}
}
