// Package sink is the backend of a run: an OTLP/gRPC server that counts spans
// and records the traces that must be whole, from the raw bytes.
//
//	sink.go      the server, and its absence
//	arrivals.go  what has come of each trace
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

// Settings say what is recorded. The zero value only counts.
type Settings struct {
	// Address is where to listen; empty is a free port of the loopback interface.
	Address  string
	MustKeep map[pcommon.TraceID]*load.Kept
	// Laps is whether trace ids are those of load.Laps.
	Laps bool
	// EverySpan tells also apart the spans of traces that need not be kept, so
	// that each one that comes twice is counted. It takes about 40 B a span.
	EverySpan bool
}

// Sink is a server. Its methods may be called from any goroutine, but Leave,
// Return and Stop only by its owner.
type Sink struct {
	settings Settings
	address  string
	serving  *serving // nil while the sink is away

	arrivals *arrivals
	spans    atomic.Int64
	bytes    atomic.Int64
	latest   atomic.Int64 // when spans came last, ns since the Unix epoch
}

// serving is a server from one Return to the next Leave.
type serving struct {
	server *grpc.Server
	ended  chan struct{}
	err    error // written before ended is closed
}

// Start starts a sink.
func Start(settings Settings) (*Sink, error) {
	s := &Sink{settings: settings, address: settings.Address, arrivals: newArrivals(settings.MustKeep)}
	if s.address == "" {
		s.address = "127.0.0.1:0"
	}
	return s, s.Return()
}

// Address is host:port.
func (s *Sink) Address() string { return s.address }

// Return makes the sink listen at its address again.
func (s *Sink) Return() error {
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return fmt.Errorf("listen for the sink: %w", err)
	}
	s.address = listener.Addr().String()
	n := &serving{
		server: grpc.NewServer(grpc.ForceServerCodecV2(raw.Codec{}), grpc.MaxRecvMsgSize(maxRequest), grpc.WaitForHandlers(true)),
		ended:  make(chan struct{}),
	}
	n.server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "opentelemetry.proto.collector.trace.v1.TraceService",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Export", Handler: export}},
	}, s)
	go func() {
		defer close(n.ended)
		n.err = n.server.Serve(listener)
	}()
	s.serving = n
	return nil
}

// Leave ends all connections and accepts no more, as a backend that is gone.
// What has come stays counted; an answer that was on its way may be lost.
func (s *Sink) Leave() error {
	n := s.serving
	if n == nil {
		return nil
	}
	s.serving = nil
	n.server.Stop()
	<-n.ended
	if errors.Is(n.err, grpc.ErrServerStopped) {
		return nil
	}
	return n.err
}

// Stop ends the server and returns when it has ended.
func (s *Sink) Stop() error { return s.Leave() }

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
	spans, now := int64(0), time.Now().UnixNano()
	err := raw.EachSpan(request, func(body []byte) error {
		spans++
		return s.look(body, now)
	})
	if err != nil {
		return fmt.Errorf("count spans: %w", err)
	}
	s.spans.Add(spans)
	s.bytes.Add(int64(len(request)))
	s.latest.Store(now)
	return nil
}

// look records a span of a trace that is watched.
func (s *Sink) look(body []byte, now int64) error {
	id, span, err := raw.IDs(body)
	if err != nil {
		return err
	}
	lap, key := 0, load.KeyOf(id)
	if s.settings.Laps {
		lap, key = load.Lap(id)
	}
	s.arrivals.add(lap, key, span, now, s.settings.EverySpan)
	return nil
}

// Spans is how many have arrived.
func (s *Sink) Spans() int64 { return s.spans.Load() }

// Bytes is how many the requests had.
func (s *Sink) Bytes() int64 { return s.bytes.Load() }

// Doubled is how many spans had arrived before: of all of them with EverySpan,
// otherwise of the traces that must be kept.
func (s *Sink) Doubled() int64 { return s.arrivals.doubled.Load() }

// Latest is when spans came last; zero before the first.
func (s *Sink) Latest() time.Time { return since(s.latest.Load()) }

// Arrivals is what has come of each trace that must be kept, in each of the
// laps from 0.
func (s *Sink) Arrivals(laps int) []Arrival { return s.arrivals.list(laps) }
