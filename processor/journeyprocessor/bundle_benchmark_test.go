package journeyprocessor

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/wire"
)

// batchOf encodes the records of one service's batch: 512 spans of two kinds,
// with ids, times and some values of their own.
func batchOf(b *testing.B, rnd *rand.Rand, service int) [][]byte {
	b.Helper()
	td := shopBatch(service)
	for i, s := range td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
		vary(rnd, s, 2*service+i%2)
	}
	request, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	require.NoError(b, err)
	groups, err := wire.Split(request, nil)
	require.NoError(b, err)
	return groups[0].Records
}

// vary makes a span the one of that kind: each of the fourteen of a trace has
// attributes and values of its own, the same in all traces but for a few.
func vary(rnd *rand.Rand, s ptrace.Span, kind int) {
	s.Attributes().Clear()
	for a := range 8 {
		s.Attributes().PutStr(fmt.Sprintf("%c%d.operation.attribute.%c", 'a'+kind, kind*kind, 'a'+a), fmt.Sprintf("usual value %d of kind %d", a*a*a, kind*7919))
	}
	var id pcommon.TraceID
	binary.BigEndian.PutUint64(id[:8], rnd.Uint64())
	binary.BigEndian.PutUint64(id[8:], rnd.Uint64())
	s.SetTraceID(id)
	s.SetSpanID(spanID(rnd.Uint64()))
	s.SetParentSpanID(spanID(rnd.Uint64()))
	s.SetStartTimestamp(pcommon.Timestamp(1.7e18 + rnd.Float64()*1e15))
	s.SetEndTimestamp(s.StartTimestamp() + pcommon.Timestamp(rnd.IntN(1e9)))
	s.SetName(fmt.Sprintf("operation %d of %d", kind*31, rnd.IntN(20)))
	s.Attributes().PutStr("enduser.id", fmt.Sprint("user-", rnd.IntN(100_000)))
	s.Attributes().PutInt("http.response.body.size", rnd.Int64N(100_000))
	s.Attributes().PutStr("session.id", fmt.Sprintf("%016x", rnd.Uint64()))
}

// BenchmarkBundles asks what a span costs in a bundle of each size: time to
// encode and to decode it, and bytes. The ceiling is a copy. The dictionary is
// of other batches than those encoded.
func BenchmarkBundles(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var learning dictionaries
	for service := 0; learning.current.Load() == nil; service++ {
		for _, record := range batchOf(b, rnd, service%7) {
			learning.learn(record)
		}
	}
	dictionary := learning.current.Load()
	packer, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	require.NoError(b, err)
	unpacker, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	require.NoError(b, err)
	type codec = func(dst, src []byte) []byte
	must := func(out []byte, err error) []byte { require.NoError(b, err); return out }
	for _, form := range []struct {
		name           string
		encode, decode codec
	}{
		{"copy", func(dst, src []byte) []byte { return append(dst[:0], src...) }, func(dst, src []byte) []byte { return append(dst[:0], src...) }},
		{"S2", s2.Encode, func(dst, src []byte) []byte { return must(s2.Decode(dst, src)) }},
		{"S2 with dictionary", dictionary.Encode, func(dst, src []byte) []byte { return must(dictionary.Decode(dst, src)) }},
		{"zstd", func(dst, src []byte) []byte { return packer.EncodeAll(src, dst[:0]) }, func(dst, src []byte) []byte { return must(unpacker.DecodeAll(src, dst[:0])) }},
	} {
		for _, size := range []int{2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%dKiB", form.name, size>>10), func(b *testing.B) {
				benchmarkBundle(b, rnd, size, form.encode, form.decode)
			})
		}
	}
}

func benchmarkBundle(b *testing.B, rnd *rand.Rand, size int, encode, decode func(dst, src []byte) []byte) {
	var raw, encoded [][]byte
	spans, bytes := 0, 0
	for service := range 7 {
		var bundle []byte
		for _, record := range batchOf(b, rnd, service) {
			if bundle = append(bundle, record...); len(bundle) >= size {
				raw, bundle = append(raw, bundle), nil
			}
			spans++
		}
		if bundle != nil {
			raw = append(raw, bundle)
		}
	}
	for _, bundle := range raw {
		encoded = append(encoded, append([]byte(nil), encode(nil, bundle)...))
		bytes += len(encoded[len(encoded)-1])
	}
	room := make([]byte, 128<<10)
	var encoding, decoding time.Duration
	for b.Loop() {
		began := time.Now()
		for _, bundle := range raw {
			encode(room, bundle)
		}
		encoding += time.Since(began)
		began = time.Now()
		for _, bundle := range encoded {
			decode(room, bundle)
		}
		decoding += time.Since(began)
	}
	b.ReportMetric(float64(encoding.Nanoseconds())/float64(b.N*spans), "ns-encode/span")
	b.ReportMetric(float64(decoding.Nanoseconds())/float64(b.N*spans), "ns-decode/span")
	b.ReportMetric(float64(bytes)/float64(spans), "B/span")
	b.ReportMetric(0, "ns/op")
}
