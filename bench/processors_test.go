package main

import (
	"context"
	"encoding/binary"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/tailsamplingprocessor"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/load"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/process"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor"
)

// What does the processor itself cost, without receiver, exporter and gRPC?
// One operation takes in a batch of 512 spans; cpu-ns/span is the processor
// time of everything up to the end of the shutdown, which decides about what
// waits. "nothing" is the ceiling: making the batches alone.
//
//	go test -bench Processor -benchtime 2000x -count 10 .
func BenchmarkProcessor(b *testing.B) {
	batches := decoded(b)
	b.Run("nothing", func(b *testing.B) { consume(b, batches, nil, "") })
	b.Run("journey", func(b *testing.B) { consume(b, batches, journeyprocessor.NewFactory(), "configs/journey.yaml") })
	b.Run("tail_sampling", func(b *testing.B) {
		consume(b, batches, tailsamplingprocessor.NewFactory(), "configs/tail_sampling.yaml")
	})
}

// BenchmarkCores asks how many more spans two cores take than one, with nobody
// else to share them with: run it with -cpu 1,2.
func BenchmarkCores(b *testing.B) {
	batches := decoded(b)
	p, stop := start(b, journeyprocessor.NewFactory(), "configs/journey.yaml", consumertest.NewNop())
	var n atomic.Int64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := int(n.Add(1) - 1)
			if err := p.ConsumeTraces(b.Context(), again(batches[i%len(batches)], i/len(batches))); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(512*float64(b.N)/b.Elapsed().Seconds(), "spans/s")
	b.StopTimer()
	stop()
}

// decoded is the load's full batches.
func decoded(b *testing.B) []ptrace.Traces {
	b.Helper()
	l, err := load.Generate(load.Settings{Seed: 1, Spans: 100_000, SpansPerSecond: 10_000})
	require.NoError(b, err)
	var codec ptrace.ProtoUnmarshaler
	var batches []ptrace.Traces
	for _, r := range l.Requests {
		if r.Spans != 512 {
			continue
		}
		td, err := codec.UnmarshalTraces(r.Bytes)
		require.NoError(b, err)
		batches = append(batches, td)
	}
	return batches
}

func consume(b *testing.B, batches []ptrace.Traces, f processor.Factory, config string) {
	b.Helper()
	var out atomic.Int64
	next, err := consumer.NewTraces(func(_ context.Context, td ptrace.Traces) error {
		out.Add(int64(td.SpanCount()))
		return nil
	})
	require.NoError(b, err)
	p, stop := start(b, f, config, next)
	b.ReportAllocs()
	before, err := process.CPUOf(os.Getpid())
	require.NoError(b, err)
	n := 0
	for b.Loop() {
		td := again(batches[n%len(batches)], n/len(batches))
		require.NoError(b, p.ConsumeTraces(b.Context(), td))
		n++
	}
	stop()
	after, err := process.CPUOf(os.Getpid())
	require.NoError(b, err)
	b.ReportMetric(float64(after.Sub(before).Total().Nanoseconds())/float64(512*n), "cpu-ns/span")
	require.Positive(b, out.Load())
}

// again copies a batch, because processors keep or change what they get, and
// makes other traces of its spans each time around.
func again(batch ptrace.Traces, round int) ptrace.Traces {
	td := ptrace.NewTraces()
	batch.CopyTo(td)
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				id := span.TraceID()
				binary.BigEndian.PutUint64(id[:8], binary.BigEndian.Uint64(id[:8])+uint64(round))
				span.SetTraceID(id)
			}
		}
	}
	return td
}

// start starts a processor with the configuration that its system has; next
// itself if there is none.
func start(b *testing.B, f processor.Factory, path string, next consumer.Traces) (p consumer.Traces, stop func()) {
	b.Helper()
	if f == nil {
		return next, func() {}
	}
	all, err := confmaptest.LoadConf(path)
	require.NoError(b, err)
	own, err := all.Sub("processors::" + f.Type().String())
	require.NoError(b, err)
	config := f.CreateDefaultConfig()
	require.NoError(b, own.Unmarshal(config, confmap.WithIgnoreUnused()))
	t, err := f.CreateTraces(b.Context(), processortest.NewNopSettings(f.Type()), config, next)
	require.NoError(b, err)
	require.NoError(b, t.Start(b.Context(), componenttest.NewNopHost()))
	return t, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(b, t.Shutdown(ctx))
	}
}
