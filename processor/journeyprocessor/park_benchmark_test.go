package journeyprocessor

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/wire"
)

// variedTrace encodes the records of one trace as they are parked: fourteen
// spans of seven services, with ids, times and some values of their own.
func variedTrace(b *testing.B, rnd *rand.Rand) []byte {
	b.Helper()
	var raw []byte
	for service := range 7 {
		td := shopBatch(service)
		spans := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans()
		kept := 0
		spans.RemoveIf(func(ptrace.Span) bool { kept++; return kept > 2 })
		for i, s := range spans.All() {
			vary(rnd, s, 2*service+i)
		}
		request, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
		require.NoError(b, err)
		groups, err := wire.Split(request, nil)
		require.NoError(b, err)
		for _, record := range groups[0].Records {
			raw = append(raw, record...)
		}
	}
	return raw
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

// BenchmarkParkedForms asks what one trace costs in each form it could be
// parked in: time to encode and to decode it, and bytes for each span. The
// ceiling is a copy. Dictionaries are of other traces than those encoded.
func BenchmarkParkedForms(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var learning dictionaries
	for learning.current.Load() == nil {
		learning.learn(variedTrace(b, rnd))
	}
	traces := make([][]byte, 64)
	for i := range traces {
		traces[i] = variedTrace(b, rnd)
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
		encoded, bytes := make([][]byte, len(traces)), 0
		for i, raw := range traces {
			encoded[i] = append([]byte(nil), form.encode(nil, raw)...)
			require.Equal(b, raw, form.decode(nil, encoded[i]))
			bytes += len(encoded[i])
		}
		room := make([]byte, 64<<10)
		const spans = 14
		b.Run(form.name+"/encode", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				form.encode(room, traces[i%len(traces)])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*spans), "ns/span")
			b.ReportMetric(float64(bytes)/float64(len(traces)*spans), "B/span")
		})
		b.Run(form.name+"/decode", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				form.decode(room, encoded[i%len(encoded)])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*spans), "ns/span")
		})
	}
}
