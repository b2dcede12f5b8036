package wire

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

func someTraces(resources, scopes, spans int) ptrace.Traces {
	td := ptrace.NewTraces()
	for r := range resources {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", fmt.Sprint("service-", r))
		rs.SetSchemaUrl("https://example.com/resource")
		for s := range scopes {
			ss := rs.ScopeSpans().AppendEmpty()
			ss.Scope().SetName(fmt.Sprint("scope-", s))
			ss.SetSchemaUrl("https://example.com/scope")
			for i := range spans {
				span := ss.Spans().AppendEmpty()
				span.SetTraceID(pcommon.TraceID{byte(r), byte(s), byte(i), 1})
				span.SetSpanID(pcommon.SpanID{byte(i), 1})
				span.SetName(fmt.Sprintf("span %d/%d/%d", r, s, i))
				span.Attributes().PutInt("i", int64(i))
				span.Events().AppendEmpty().SetName("event")
			}
		}
	}
	return td
}

func encode(t testing.TB, td ptrace.Traces) []byte {
	t.Helper()
	b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	require.NoError(t, err)
	return b
}

func TestJoiningWhatWasSplitGivesTheSameTraces(t *testing.T) {
	for _, td := range []ptrace.Traces{
		ptrace.NewTraces(), someTraces(1, 1, 1), someTraces(3, 2, 5), someTraces(2, 1, 0), someTraces(2, 0, 0),
	} {
		groups, err := Split(encode(t, td), nil)
		require.NoError(t, err)
		var again []byte
		spans := 0
		for _, g := range groups {
			again = AppendGroup(again, g.Resource, g.Scope, g.Records...)
			spans += len(g.Records)
		}
		require.Equal(t, td.SpanCount(), spans)
		got, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(again)
		require.NoError(t, err)
		require.Equal(t, td.SpanCount(), got.SpanCount())
		if td.SpanCount() > 0 && len(groups) == td.ResourceSpans().Len() {
			require.Equal(t, td, got)
		}
	}
}

func TestRecordsComeInTheOrderOfTheDecodedSpans(t *testing.T) {
	td := someTraces(2, 2, 3)
	groups, err := Split(encode(t, td), nil)
	require.NoError(t, err)
	i := 0
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for j, span := range ss.Spans().All() {
				one := AppendGroup(nil, groups[i].Resource, groups[i].Scope, groups[i].Records[j])
				got, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(one)
				require.NoError(t, err)
				require.Equal(t, span.Name(), got.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Name())
			}
			i++
		}
	}
}

func TestLogsHaveTheSameLayout(t *testing.T) {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "stock")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("slog")
	for i := range 3 {
		sl.LogRecords().AppendEmpty().Body().SetStr(fmt.Sprint("line ", i))
	}
	b, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	require.NoError(t, err)
	groups, err := Split(b, nil)
	require.NoError(t, err)
	require.Len(t, groups, 1)
	got, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(
		AppendGroup(nil, groups[0].Resource, groups[0].Scope, bytes.Join(groups[0].Records, nil)))
	require.NoError(t, err)
	require.Equal(t, ld, got)
}

// FuzzSplit holds that whatever splits also joins to a request that splits to
// the same groups: nothing a stranger sends is changed by waiting.
func FuzzSplit(f *testing.F) {
	f.Add(encode(f, someTraces(2, 2, 2)))
	f.Add([]byte{0x0a, 0x00})
	f.Add([]byte{0x0a, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		groups, err := Split(bytes.Clone(b), nil)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		var again []byte
		for _, g := range groups {
			again = AppendGroup(again, g.Resource, g.Scope, g.Records...)
		}
		got, err := Split(again, nil)
		require.NoError(t, err)
		require.Len(t, got, len(groups))
		for i := range groups {
			require.True(t, bytes.Equal(groups[i].Resource, got[i].Resource))
			require.True(t, bytes.Equal(groups[i].Scope, got[i].Scope))
			require.Equal(t, bytes.Join(groups[i].Records, nil), bytes.Join(got[i].Records, nil))
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	request := encode(b, someTraces(1, 1, 512))
	var groups []Group
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	for b.Loop() {
		groups, _ = Split(request, groups[:0])
	}
	require.Len(b, groups[0].Records, 512)
}
