// Package sender plays a load to a collector, as the shop's SDKs would.
package sender

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/load"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/raw"
)

const (
	// connections and callers: enough that a collector on a few cores is never
	// idle, with no more than one request of an SDK on its way per caller.
	connections = 4
	callers     = 16
	// A refused request is sent again after a pause that doubles.
	firstPause = 20 * time.Millisecond
	maxPause   = time.Second
)

// Outcome is what sending came to.
type Outcome struct {
	Spans   int
	Refused int           // answers that asked to send again later
	Took    time.Duration // from the first request to the last answer
	// Behind is the longest time a request was sent after it was due. Only at
	// the shop's own pace.
	Behind time.Duration
}

// Send plays all requests of l to address and returns when all are accepted.
// AtPace sends each when the shop would have sent it, and otherwise as fast as
// they are accepted. A refusal is tried again until ctx ends.
func Send(ctx context.Context, address string, l *load.Load, atPace bool) (Outcome, error) {
	s := &sending{load: l, atPace: atPace}
	defer func() {
		for _, conn := range s.conns {
			conn.Close()
		}
	}()
	for range connections {
		conn, err := grpc.NewClient("passthrough:///"+address,
			grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw.Codec{})))
		if err != nil {
			return Outcome{}, fmt.Errorf("connect to the collector: %w", err)
		}
		s.conns = append(s.conns, conn)
	}
	return s.run(ctx)
}

type sending struct {
	load    *load.Load
	atPace  bool
	conns   []*grpc.ClientConn
	begun   time.Time
	next    atomic.Int64 // index of the request that nobody has taken yet
	refused atomic.Int64
	behind  atomic.Int64 // ns
}

func (s *sending) run(ctx context.Context) (Outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.begun = time.Now()
	var wg sync.WaitGroup
	for i := range callers {
		conn := s.conns[i%len(s.conns)]
		wg.Go(func() {
			if err := s.work(ctx, conn); err != nil {
				cancel(err) // the others stop as well
			}
		})
	}
	wg.Wait()
	return Outcome{
		Spans: s.load.Spans, Refused: int(s.refused.Load()),
		Took: time.Since(s.begun), Behind: time.Duration(s.behind.Load()),
	}, context.Cause(ctx)
}

// work sends requests until none is left.
func (s *sending) work(ctx context.Context, conn *grpc.ClientConn) error {
	for {
		i := int(s.next.Add(1)) - 1
		if i >= len(s.load.Requests) {
			return nil
		}
		r := &s.load.Requests[i]
		if s.atPace {
			if err := s.wait(ctx, r.At); err != nil {
				return err
			}
		}
		if err := s.deliver(ctx, conn, r.Bytes); err != nil {
			return fmt.Errorf("send request %d of %d: %w", i+1, len(s.load.Requests), err)
		}
	}
}

// wait returns when the request is due.
func (s *sending) wait(ctx context.Context, at time.Duration) error {
	left := time.Until(s.begun.Add(at))
	if left <= 0 {
		for behind := s.behind.Load(); int64(-left) > behind && !s.behind.CompareAndSwap(behind, int64(-left)); {
			behind = s.behind.Load()
		}
		return nil
	}
	return pause(ctx, left)
}

// deliver sends one request until it is accepted.
func (s *sending) deliver(ctx context.Context, conn *grpc.ClientConn, request []byte) error {
	for next := firstPause; ; next = min(2*next, maxPause) {
		err := call(ctx, conn, request)
		if err == nil {
			return nil
		}
		if c := status.Code(err); c != codes.Unavailable && c != codes.ResourceExhausted {
			return err
		}
		s.refused.Add(1)
		if err := pause(ctx, next); err != nil {
			return err
		}
	}
}

var errRejected = errors.New("the collector rejected spans of a request it answered with success")

func call(ctx context.Context, conn *grpc.ClientConn, request []byte) error {
	var answer raw.Message
	if err := conn.Invoke(ctx, raw.Export, &raw.Message{Bytes: request}, &answer); err != nil {
		return err
	}
	defer answer.Free()
	response := ptraceotlp.NewExportResponse()
	if err := response.UnmarshalProto(answer.Bytes); err != nil {
		return fmt.Errorf("decode the answer: %w", err)
	}
	if n := response.PartialSuccess().RejectedSpans(); n > 0 {
		return fmt.Errorf("%w: %d, %s", errRejected, n, response.PartialSuccess().ErrorMessage())
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
