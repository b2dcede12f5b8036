package recording

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// spansAt is a batch of one span that ended then.
func spansAt(name string, end time.Time) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "gateway")
	span := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetName(name)
	span.SetTraceID(pcommon.TraceID{1, 2, 3})
	span.SetSpanID(pcommon.SpanID{4})
	span.SetStartTimestamp(pcommon.NewTimestampFromTime(end.Add(-time.Second)))
	span.SetEndTimestamp(pcommon.NewTimestampFromTime(end))
	return td
}

func logsAt(body string, at time.Time) plog.Logs {
	ld := plog.NewLogs()
	r := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	r.SetObservedTimestamp(pcommon.NewTimestampFromTime(at))
	r.Body().SetStr(body)
	return ld
}

func jsonOf(t *testing.T, batch any) []byte {
	t.Helper()
	var text []byte
	var err error
	switch batch := batch.(type) {
	case ptrace.Traces:
		text, err = (&ptrace.JSONMarshaler{}).MarshalTraces(batch)
	case plog.Logs:
		text, err = (&plog.JSONMarshaler{}).MarshalLogs(batch)
	}
	require.NoError(t, err)
	return text
}

func protoOf(t *testing.T, batch any) []byte {
	t.Helper()
	var text []byte
	var err error
	switch batch := batch.(type) {
	case ptrace.Traces:
		text, err = (&ptrace.ProtoMarshaler{}).MarshalTraces(batch)
	case plog.Logs:
		text, err = (&plog.ProtoMarshaler{}).MarshalLogs(batch)
	}
	require.NoError(t, err)
	return text
}

func lines(messages [][]byte) []byte { return append(bytes.Join(messages, []byte("\n")), '\n') }

func prefixed(messages [][]byte) []byte {
	var all []byte
	for _, m := range messages {
		all = binary.BigEndian.AppendUint32(all, uint32(len(m)))
		all = append(all, m...)
	}
	return all
}

// compressed is one frame, as the exporter's writer makes of a message or file.
func compressed(text []byte) []byte {
	var b bytes.Buffer
	w, _ := zstd.NewWriter(&b)
	w.Write(text) //nolint:errcheck // to memory
	w.Close()
	return b.Bytes()
}

func each(messages [][]byte, f func([]byte) []byte) [][]byte {
	var all [][]byte
	for _, m := range messages {
		all = append(all, f(m))
	}
	return all
}

func zipped(text []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(text) //nolint:errcheck // to memory
	w.Close()
	return b.Bytes()
}

func file(t *testing.T, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "recording")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// read reads everything and says what it is and when it came.
func read(t *testing.T, paths ...string) (*Reader, []string, error) {
	t.Helper()
	r, err := Open(paths)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	var all []string
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r, all, nil
		}
		if err != nil {
			return r, all, err
		}
		var name string
		if b.IsLogs {
			name = b.Logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().Str()
		} else {
			name = b.Traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Name()
		}
		all = append(all, fmt.Sprint(name, " ", b.At.Sub(epoch)))
	}
}

func TestEveryFormatOfTheFileExporterIsRead(t *testing.T) {
	batches := []any{spansAt("a", epoch), logsAt("b", epoch.Add(time.Second)), spansAt("c", epoch.Add(2*time.Second))}
	var asJSON, asProto [][]byte
	for _, b := range batches {
		asJSON, asProto = append(asJSON, jsonOf(t, b)), append(asProto, protoOf(t, b))
	}
	for name, text := range map[string][]byte{
		"json":                       lines(asJSON),
		"json, no newline at end":    bytes.TrimSpace(lines(asJSON)),
		"proto":                      prefixed(asProto),
		"json, zstd":                 prefixed(each(asJSON, compressed)),
		"proto, zstd":                prefixed(each(asProto, compressed)),
		"json, native compression":   compressed(lines(asJSON)),
		"proto, native compression":  compressed(prefixed(asProto)),
		"json, compressed with gzip": zipped(lines(asJSON)),
	} {
		t.Run(name, func(t *testing.T) {
			r, got, err := read(t, file(t, text))
			require.NoError(t, err)
			require.Equal(t, []string{"a 0s", "b 1s", "c 2s"}, got)
			require.Equal(t, []int{3, 2, 1}, []int{r.Batches, r.Spans, r.LogRecords})
			require.Len(t, r.Notes(), 1)
		})
	}
}

func TestACutOffEndIsLeftOutAndSaid(t *testing.T) {
	asJSON := [][]byte{jsonOf(t, spansAt("a", epoch)), jsonOf(t, spansAt("b", epoch))}
	asProto := [][]byte{protoOf(t, spansAt("a", epoch)), protoOf(t, spansAt("b", epoch))}
	for name, text := range map[string][]byte{
		"json": lines(asJSON), "proto": prefixed(asProto),
		"messages compressed": prefixed(each(asProto, compressed)),
		"native compression":  compressed(prefixed(asProto)),
	} {
		t.Run(name, func(t *testing.T) {
			r, got, err := read(t, file(t, text[:len(text)-7]))
			require.NoError(t, err)
			require.Contains(t, strings.Join(r.Notes(), "\n"), "is cut off")
			if name != "native compression" { // whose one frame may hold back all
				require.Equal(t, []string{"a 0s"}, got)
			}
		})
	}
}

func TestWhatIsNoRecordingIsRefusedWithItsPlace(t *testing.T) {
	good := jsonOf(t, spansAt("a", epoch))
	for name, test := range map[string]struct {
		text []byte
		says string
	}{
		"json in the middle": {lines([][]byte{good, []byte(`{"resourceSpans":[{"x`), good}), "message 2"},
		"yaml":               {[]byte("processors:\n  journey:\n"), "more than"},
		"proto":              {prefixed([][]byte{{0xff, 0xff, 0xff}}), "message 1"},
		"zstd":               {prefixed([][]byte{append(bytes.Clone(zstdMagic), 1, 2, 3)}), "decompress message 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := read(t, file(t, test.text))
			require.ErrorContains(t, err, test.says)
		})
	}
	_, _, err := read(t, "testdata/none")
	require.ErrorContains(t, err, "none")
}

func TestOtherSignalsAreLeftOutAndSaid(t *testing.T) {
	text := lines([][]byte{[]byte(`{"resourceMetrics":[]}`), jsonOf(t, spansAt("a", epoch)), []byte(`{}`)})
	r, got, err := read(t, file(t, text))
	require.NoError(t, err)
	require.Equal(t, []string{"a 0s"}, got)
	require.Contains(t, strings.Join(r.Notes(), "\n"), "2 messages are neither")
}

// Of files that follow each other one is open at a time; those that overlap
// are merged.
func TestFilesAreMergedByTime(t *testing.T) {
	at := func(seconds ...int) []byte {
		var all [][]byte
		for _, s := range seconds {
			all = append(all, jsonOf(t, spansAt(fmt.Sprint(s), epoch.Add(time.Duration(s)*time.Second))))
		}
		return lines(all)
	}
	logs := lines([][]byte{jsonOf(t, logsAt("log", epoch.Add(3*time.Second)))})
	r, got, err := read(t, file(t, at(6, 7, 8)), file(t, logs), file(t, nil), file(t, at(0, 2, 5)))
	require.NoError(t, err)
	require.Equal(t, []string{"0 0s", "2 2s", "log 3s", "5 5s", "6 6s", "7 7s", "8 8s"}, got)
	require.Equal(t, epoch, r.First)
	require.Equal(t, epoch.Add(8*time.Second), r.Last())
}

func TestAReaderMayBeClosedBeforeTheEnd(t *testing.T) {
	var all [][]byte
	for range 100 {
		all = append(all, jsonOf(t, spansAt("a", epoch)))
	}
	r, err := Open([]string{file(t, lines(all)), file(t, lines(all))})
	require.NoError(t, err)
	_, err = r.Next()
	require.NoError(t, err)
	r.Close() // goleak looks for what is left
}

// steps dates batches whose last spans ended then.
func steps(ends ...time.Duration) (at []time.Duration, disbelieved int) {
	var all []Batch
	for _, end := range ends {
		all = append(all, Batch{At: epoch.Add(end)})
	}
	c := clock{}
	for i := range all {
		at = append(at, c.date(all[i:min(i+ahead, len(all))]).Sub(epoch))
	}
	return at, c.disbelieved
}

func TestTimeGoesOnWithWhatCame(t *testing.T) {
	s, h := time.Second, time.Hour
	for name, test := range map[string]struct {
		ends, want  []time.Duration
		disbelieved int
	}{
		"it does not go back":           {[]time.Duration{0, 5 * s, 2 * s, 6 * s}, []time.Duration{0, 5 * s, 5 * s, 6 * s}, 0},
		"an idle hour passes":           {[]time.Duration{0, s, h, h + s, h + 2*s}, []time.Duration{0, s, h, h + s, h + 2*s}, 0},
		"one fast clock is not news":    {[]time.Duration{0, s, h, 2 * s, 3 * s, 4 * s}, []time.Duration{0, s, 3 * s, 3 * s, 3 * s, 4 * s}, 1},
		"a fast clock comes first":      {[]time.Duration{h, s, 2 * s, 3 * s}, []time.Duration{2 * s, 2 * s, 2 * s, 3 * s}, 1},
		"a slow clock comes first":      {[]time.Duration{-h, s, 2 * s, 3 * s}, []time.Duration{-h, s, 2 * s, 3 * s}, 0},
		"the last one is not believed":  {[]time.Duration{0, s, 2 * s, 100 * 365 * 24 * h}, []time.Duration{0, s, 2 * s, 2 * s}, 1},
		"the first is, if there is one": {[]time.Duration{h}, []time.Duration{h}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, disbelieved := steps(test.ends...)
			require.Equal(t, test.want, got)
			require.Equal(t, test.disbelieved, disbelieved)
		})
	}
}

func TestWhatTheRecordingSaysIsBelievedAndTakenOut(t *testing.T) {
	td := spansAt("a", epoch.Add(-time.Hour))
	td.ResourceSpans().At(0).Resource().Attributes().PutInt(RecordedAt, epoch.UnixNano())
	late := spansAt("b", epoch)
	late.ResourceSpans().At(0).Resource().Attributes().PutInt(RecordedAt, epoch.Add(2*time.Hour).UnixNano())
	path := file(t, prefixed([][]byte{protoOf(t, td), protoOf(t, late)}))
	r, got, err := read(t, path)
	require.NoError(t, err)
	require.Equal(t, []string{"a 0s", "b 2h0m0s"}, got)
	require.Contains(t, r.Notes()[0], RecordedAt)
	r, err = Open([]string{path})
	require.NoError(t, err)
	defer r.Close()
	b, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, map[string]any{"service.name": "gateway"}, b.Traces.ResourceSpans().At(0).Resource().Attributes().AsRaw())
}

func TestAnEmptyRecordingSaysSo(t *testing.T) {
	r, got, err := read(t, file(t, nil))
	require.NoError(t, err)
	require.Empty(t, got)
	require.Equal(t, []string{"the recording is empty"}, r.Notes())
}

// Whatever a file holds, reading it ends, gives batches in the order of time,
// and counts all their records.
func FuzzAnyFile(f *testing.F) {
	text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(spansAt("a", epoch))
	require.NoError(f, err)
	f.Add(lines([][]byte{text, text}))
	f.Add(prefixed([][]byte{text}))
	f.Add(prefixed([][]byte{compressed(text)}))
	f.Add(compressed(lines([][]byte{text})))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Open([]string{file(t, text)})
		if err != nil {
			return
		}
		defer r.Close()
		records, last := 0, time.Time{}
		for {
			b, err := r.Next()
			if err != nil {
				break
			}
			require.False(t, b.At.Before(last))
			last = b.At
			records += b.Records()
		}
		require.Equal(t, records, r.Spans+r.LogRecords)
	})
}
