package e2e

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // which the exporter sends with
	"google.golang.org/protobuf/encoding/protowire"
)

// heardSpan is a span as it came to the collector.
type heardSpan struct {
	ptrace.Span

	service string
	bytes   int // as a field of an OTLP request, without its resource
}

// sizeInOTLP is the size of the span as a field of a request: with a tag of one
// byte and its length. A status that says nothing and a parent that there is not
// are not written, although pdata's own count has a tag and a length of 0 of
// each.
func sizeInOTLP(span ptrace.Span) int {
	size := (&ptrace.ProtoMarshaler{}).SpanSize(span)
	if span.Status().Code() == ptrace.StatusCodeUnset && span.Status().Message() == "" {
		size -= 2
	}
	if span.ParentSpanID().IsEmpty() {
		size -= 2
	}
	return 1 + protowire.SizeBytes(size)
}

func (s *heardSpan) text(key string) string {
	if value, ok := s.Attributes().Get(key); ok {
		return value.AsString()
	}
	return ""
}

// texts is an attribute that is a list.
func (s *heardSpan) texts(key string) []string {
	var list []string
	if value, ok := s.Attributes().Get(key); ok && value.Type() == pcommon.ValueTypeSlice {
		for _, one := range value.Slice().All() {
			list = append(list, one.AsString())
		}
	}
	return list
}

func (s *heardSpan) failed() bool { return s.Status().Code() == ptrace.StatusCodeError }

// nanoseconds is how long it took.
func (s *heardSpan) nanoseconds() int64 { return int64(s.EndTimestamp()) - int64(s.StartTimestamp()) }

// heard is a backend that has every span of everybody, kept or not: what the
// figures of all journeys are held against. It knows nothing of journeys.
type heard struct {
	ptraceotlp.UnimplementedGRPCServer

	mu    sync.Mutex // guards what follows
	byID  map[string][]*heardSpan
	spans int
}

// Export implements ptraceotlp.GRPCServer.
func (h *heard) Export(_ context.Context, request ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, rs := range request.Traces().ResourceSpans().All() {
		service, _ := rs.Resource().Attributes().Get("service.name")
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				one := &heardSpan{Span: ptrace.NewSpan(), service: service.AsString(), bytes: sizeInOTLP(span)}
				span.CopyTo(one.Span)
				id := span.TraceID().String()
				h.byID[id] = append(h.byID[id], one)
				h.spans++
			}
		}
	}
	return ptraceotlp.NewExportResponse(), nil
}

// hearEverything adds the overlay that sends all spans to a second backend, and
// is that backend.
func (p *parts) hearEverything(t *testing.T) *heard {
	t.Helper()
	listener, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	h := &heard{byID: map[string][]*heardSpan{}}
	server := grpc.NewServer()
	ptraceotlp.RegisterGRPCServer(server, h)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() { server.Stop(); serving.Wait() })
	p.configs = append(p.configs, filepath.Join(world.root, "deploy", "compare.yaml"))
	p.env["JAEGER_ALL_OTLP_ENDPOINT"] = listener.Addr().String()
	p.env["ALL_LOGS_FILE"] = os.DevNull
	return h
}

// count is how many spans have come.
func (h *heard) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.spans
}

// facts is what was heard of some journeys.
type facts struct {
	traces [][]*heardSpan
	spans  []*heardSpan
	stored []bool // by traces
}

// of is what was heard of the journeys of one name ("" for all).
func (h *heard) of(t *testing.T, p *parts, journeys []journeyTruth, name string) *facts {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	f := &facts{}
	for _, j := range journeys {
		if name != "" && j.Journey != name {
			continue
		}
		spans := h.byID[j.TraceID]
		require.NotEmpty(t, spans, j.TraceID)
		_, err := p.lookUp(j.TraceID)
		if err != nil {
			require.ErrorIs(t, err, errNotStored)
		}
		f.traces = append(f.traces, spans)
		f.spans = append(f.spans, spans...)
		f.stored = append(f.stored, !errors.Is(err, errNotStored))
	}
	return f
}

// volume is how much there was, and how much of it Jaeger has.
func (f *facts) volume() (spans, bytes apiVolume) {
	for i, trace := range f.traces {
		for _, s := range trace {
			spans.Received++
			bytes.Received += s.bytes
			if f.stored[i] {
				spans.Stored++
				bytes.Stored += s.bytes
			}
		}
	}
	return spans, bytes
}

// durations are those of the journeys: from the first begin to the last end.
func (f *facts) durations() []int64 {
	var list []int64
	for _, trace := range f.traces {
		begin, end := trace[0].StartTimestamp(), trace[0].EndTimestamp()
		for _, s := range trace {
			begin, end = min(begin, s.StartTimestamp()), max(end, s.EndTimestamp())
		}
		list = append(list, int64(end)-int64(begin))
	}
	return list
}

// where are the spans that fulfil a condition.
func (f *facts) where(is func(*heardSpan) bool) []*heardSpan {
	if is == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(f.spans), func(s *heardSpan) bool { return !is(s) })
}

func nanosecondsOf(spans []*heardSpan) []int64 {
	var list []int64
	for _, s := range spans {
		list = append(list, s.nanoseconds())
	}
	return list
}

func failuresOf(spans []*heardSpan) int {
	n := 0
	for _, s := range spans {
		if s.failed() {
			n++
		}
	}
	return n
}
