// Package sink is the backend of a run: an OTLP/gRPC server that counts spans
// and checks the traces that must be whole, from the raw bytes.
package sink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/load"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/raw"
)

// maxRequest is far above what any system sends at once.
const maxRequest = 64 << 20

// Sink is a running server. Its methods may be called from any goroutine.
type Sink struct {
	server   *grpc.Server
	address  string
	stopped  chan struct{}
	serveErr error // of the server; written before stopped is closed

	watched map[pcommon.TraceID]*trace // not changed once it serves
	spans   atomic.Int64
	bytes   atomic.Int64
	latest  atomic.Int64 // when spans came last, ns since the Unix epoch
}

// trace is a trace that has to arrive whole.
type trace struct {
	want  load.Mark
	spans atomic.Int64
	ids   atomic.Uint64
}

func (t *trace) isWhole() bool {
	return t.spans.Load() == int64(t.want.Spans) && t.ids.Load() == t.want.IDs
}

// Start starts a sink on a free port of the loopback interface.
func Start(mustKeep map[pcommon.TraceID]load.Mark) (*Sink, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the sink: %w", err)
	}
	s := &Sink{
		server:  grpc.NewServer(grpc.ForceServerCodecV2(raw.Codec{}), grpc.MaxRecvMsgSize(maxRequest)),
		address: listener.Addr().String(), stopped: make(chan struct{}),
		watched: make(map[pcommon.TraceID]*trace, len(mustKeep)),
	}
	for id, want := range mustKeep {
		s.watched[id] = &trace{want: want}
	}
	s.server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "opentelemetry.proto.collector.trace.v1.TraceService",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Export", Handler: export}},
	}, s)
	go func() {
		defer close(s.stopped)
		s.serveErr = s.server.Serve(listener)
	}()
	return s, nil
}

// Address is host:port.
func (s *Sink) Address() string { return s.address }

// Stop ends the server and returns when it has ended.
func (s *Sink) Stop() error {
	s.server.Stop()
	<-s.stopped
	if errors.Is(s.serveErr, grpc.ErrServerStopped) {
		return nil
	}
	return s.serveErr
}

// export is grpc's handler; service is the Sink.
func export(service any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // the signature is grpc's
	var request raw.Message
	if err := decode(&request); err != nil {
		return nil, err
	}
	defer request.Free()
	if err := service.(*Sink).take(request.Bytes); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &raw.Message{}, nil
}

// take counts one request.
func (s *Sink) take(request []byte) error {
	spans := int64(0)
	err := eachSpan(request, func(body []byte) error {
		spans++
		return s.look(body)
	})
	if err != nil {
		return fmt.Errorf("count spans: %w", err)
	}
	s.spans.Add(spans)
	s.bytes.Add(int64(len(request)))
	s.latest.Store(time.Now().UnixNano())
	return nil
}

// look adds a span to its trace if that one is watched.
func (s *Sink) look(body []byte) error {
	id, span, err := ids(body)
	if err != nil {
		return err
	}
	if t := s.watched[id]; t != nil {
		t.spans.Add(1)
		t.ids.Add(span)
	}
	return nil
}

// Spans is how many have arrived.
func (s *Sink) Spans() int64 { return s.spans.Load() }

// Bytes is how many the requests had.
func (s *Sink) Bytes() int64 { return s.bytes.Load() }

// Latest is when spans came last; zero before the first.
func (s *Sink) Latest() time.Time {
	ns := s.latest.Load()
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// Whole is how many of the watched traces have arrived complete: each of their
// spans, and each once.
func (s *Sink) Whole() int {
	n := 0
	for _, t := range s.watched {
		if t.isWhole() {
			n++
		}
	}
	return n
}
