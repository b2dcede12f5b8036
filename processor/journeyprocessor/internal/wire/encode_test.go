package wire

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"
)

// fill sets every field of a pdata value through its setters, and fills what
// its getters return, so that a field that pdata gets one day is set, too.
func fill(rnd *rand.Rand, v reflect.Value, depth int) {
	for i := range v.NumMethod() {
		name, method := v.Type().Method(i).Name, v.Method(i)
		typ := method.Type()
		switch {
		case strings.HasPrefix(name, "Set") && typ.NumIn() == 1 && typ.NumOut() == 0:
			method.Call([]reflect.Value{randomValue(rnd, typ.In(0))})
		case typ.NumIn() != 0 || typ.NumOut() != 1:
		case typ.Out(0) == reflect.TypeFor[pcommon.Map]():
			fillMap(rnd, method.Call(nil)[0].Interface().(pcommon.Map), depth)
		case typ.Out(0) == reflect.TypeFor[pcommon.Value]():
			fillValue(rnd, method.Call(nil)[0].Interface().(pcommon.Value), depth)
		case typ.Out(0) == reflect.TypeFor[pcommon.TraceState]():
			method.Call(nil)[0].Interface().(pcommon.TraceState).FromRaw(randomText(rnd))
		case typ.Out(0) == reflect.TypeFor[ptrace.Status]():
			fill(rnd, method.Call(nil)[0], depth)
		case strings.HasSuffix(typ.Out(0).Name(), "Slice"):
			list := method.Call(nil)[0]
			for range 1 + rnd.IntN(3) {
				fill(rnd, list.MethodByName("AppendEmpty").Call(nil)[0], depth)
			}
		}
	}
}

func randomValue(rnd *rand.Rand, t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.String:
		v.SetString(randomText(rnd))
	case reflect.Int32:
		v.SetInt(int64(int32(rnd.Uint32() | 1))) // strangers' enumerations, negative ones too
	case reflect.Uint32:
		v.SetUint(uint64(rnd.Uint32() | 1))
	case reflect.Uint64:
		v.SetUint(rnd.Uint64() | 1)
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(1 + rnd.IntN(255)))
		}
	default:
		panic(fmt.Sprint("a setter takes ", t, ": teach this test and AppendSpan"))
	}
	return v
}

func randomText(rnd *rand.Rand) string {
	return strings.Repeat(string(rune('a'+rnd.IntN(26))), 1+rnd.IntN(1<<rnd.IntN(9))) + "\xff"
}

func fillMap(rnd *rand.Rand, m pcommon.Map, depth int) {
	for range 1 + rnd.IntN(5) {
		fillValue(rnd, m.PutEmpty(randomText(rnd)), depth+1)
	}
}

func fillValue(rnd *rand.Rand, v pcommon.Value, depth int) {
	kind := pcommon.ValueType(rnd.IntN(int(pcommon.ValueTypeBytes) + 1))
	if depth > 3 && (kind == pcommon.ValueTypeMap || kind == pcommon.ValueTypeSlice) {
		kind = pcommon.ValueTypeStr
	}
	switch kind {
	case pcommon.ValueTypeEmpty:
	case pcommon.ValueTypeStr:
		v.SetStr([]string{"", randomText(rnd)}[rnd.IntN(2)])
	case pcommon.ValueTypeInt:
		v.SetInt(int64(rnd.Uint64()) * rnd.Int64N(2))
	case pcommon.ValueTypeDouble:
		v.SetDouble([]float64{0, math.Copysign(0, -1), math.Inf(1), rnd.NormFloat64()}[rnd.IntN(4)])
	case pcommon.ValueTypeBool:
		v.SetBool(rnd.IntN(2) == 0)
	case pcommon.ValueTypeMap:
		fillMap(rnd, v.SetEmptyMap(), depth)
	case pcommon.ValueTypeSlice:
		list := v.SetEmptySlice()
		for range rnd.IntN(4) {
			fillValue(rnd, list.AppendEmpty(), depth+1)
		}
	case pcommon.ValueTypeBytes:
		v.SetEmptyBytes().FromRaw([]byte(strings.Repeat("\x00\xfe", rnd.IntN(200))))
	}
}

// decoded is what pdata reads of a record, encoded by pdata.
func decodedSpan(t *testing.T, record []byte) []byte {
	t.Helper()
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(AppendGroup(nil, nil, nil, record))
	require.NoError(t, err)
	encoded, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	require.NoError(t, err)
	return encoded
}

func decodedLogRecord(t *testing.T, record []byte) []byte {
	t.Helper()
	ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(AppendGroup(nil, nil, nil, record))
	require.NoError(t, err)
	encoded, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	require.NoError(t, err)
	return encoded
}

// TestEveryFieldIsEncoded compares with what pdata encodes, of records in which
// every field that has a setter is set.
func TestEveryFieldIsEncoded(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 300 {
		td, ld := ptrace.NewTraces(), plog.NewLogs()
		span := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		record := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		fill(rnd, reflect.ValueOf(span), 0)
		fill(rnd, reflect.ValueOf(record), 0)
		spans, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
		require.NoError(t, err)
		logs, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
		require.NoError(t, err)
		require.Equal(t, spans, decodedSpan(t, AppendSpan([]byte("before"), span)[len("before"):]))
		require.Equal(t, logs, decodedLogRecord(t, AppendLogRecord(nil, record)))
	}
}

func TestEmptyRecordsAreRecords(t *testing.T) {
	require.Equal(t, []byte{2<<3 | 2, 0}, AppendSpan(nil, ptrace.NewSpan()))
	require.Equal(t, []byte{2<<3 | 2, 0}, AppendLogRecord(nil, plog.NewLogRecord()))
}

// FuzzEncode: whatever pdata has decoded is encoded as pdata would.
func FuzzEncode(f *testing.F) {
	td := ptrace.NewTraces()
	fill(rand.New(rand.NewPCG(1, 2)), reflect.ValueOf(td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()), 0)
	seed, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	require.NoError(f, err)
	f.Add(seed)
	f.Fuzz(func(t *testing.T, request []byte) {
		td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(request)
		if err != nil {
			return
		}
		for _, rs := range td.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, span := range ss.Spans().All() {
					one := ptrace.NewTraces()
					span.CopyTo(one.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty())
					want, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(one)
					require.NoError(t, err)
					require.Equal(t, want, decodedSpan(t, AppendSpan(nil, span)))
				}
			}
		}
	})
}

// BenchmarkEncode asks what a span costs to encode as a record: by pdata as part
// of a batch that is then split, or appended.
func BenchmarkEncode(b *testing.B) {
	const spans = 512
	td := ptrace.NewTraces()
	list := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for i := range spans {
		s := list.AppendEmpty()
		s.SetTraceID(pcommon.TraceID{1, byte(i)})
		s.SetSpanID(pcommon.SpanID{1, byte(i)})
		s.SetName("POST /api/checkout")
		s.SetStartTimestamp(1)
		s.SetEndTimestamp(2)
		for a := range 11 {
			s.Attributes().PutStr(fmt.Sprint("semantic.attribute.", a), "a value of usual length")
		}
	}
	b.Run("by pdata and split", func(b *testing.B) {
		b.ReportAllocs()
		var groups []Group
		for b.Loop() {
			request, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
			require.NoError(b, err)
			groups, err = Split(request, groups[:0])
			require.NoError(b, err)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*spans), "ns/span")
	})
	b.Run("appended", func(b *testing.B) {
		b.ReportAllocs()
		var room []byte
		for b.Loop() {
			room = room[:0]
			for _, s := range list.All() {
				room = AppendSpan(room, s)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*spans), "ns/span")
	})
}

// TestLengthsOfEverySize: each length takes as few bytes as possible.
func TestLengthsOfEverySize(t *testing.T) {
	for _, n := range []int{0, 1, 90, 105, 110, 115, 120, 121, 122, 127, 128, 300, 16_000, 16_370, 16_384, 70_000, 3 << 20} {
		text := strings.Repeat("x", n)
		td := ptrace.NewTraces()
		span := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		for _, change := range []func(){
			func() { span.Attributes().PutStr("k", text) },
			func() { span.Attributes().PutStr("", text) },
			func() { span.Attributes().Clear(); span.SetName(text) },
		} {
			change()
			want, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
			require.NoError(t, err)
			record := AppendSpan(nil, span)
			require.Equal(t, want, decodedSpan(t, record), "%d", n)
			_, length := protowire.ConsumeVarint(record[1:])
			require.Equal(t, protowire.SizeVarint(uint64(len(record)-1-length)), length, "%d", n)
		}
	}
}
