// Package sender plays a load to a collector, as the shop's SDKs would.
//
//	sender.go    callers that send and send again what is refused
//	schedule.go  what is sent when: once, or lap after lap
//	outcome.go   what it came to
package sender

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/load"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/raw"
)

const (
	// connections and defaultCallers: enough that a collector on a few cores is
	// never idle, with no more than one request of an SDK on its way per caller.
	connections    = 4
	defaultCallers = 16
	// A refused request is sent again after a pause that doubles.
	firstPause = 20 * time.Millisecond
	maxPause   = time.Second
)

// redial is short, so that a collector that is back is found within a second.
var redial = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 2, MaxDelay: maxPause},
	MinConnectTimeout: time.Second,
}

// Settings say how a load is sent. The zero value sends it once, as fast as it
// is accepted.
type Settings struct {
	// Callers is how many requests may be on their way or wait to be sent again; 0 is 16.
	Callers int
	// AtPace sends each request when it is due. A request that is refused is
	// sent again for as long as it takes; those behind it wait.
	AtPace bool
	// Speed is how much faster than the shop makes them requests are due; 0 is 1.
	Speed float64
	// Laps sends the load again and again, as other traces each time.
	Laps *load.Laps
	// For is how long to begin new laps' requests; only with Laps. What was due
	// by then is sent to its end.
	For time.Duration
	// Backlog is how many requests may wait for a caller before those that are
	// due are given up; only with AtPace. 0 gives up nothing. A refused request
	// that was tried for GiveUpAfter is given up as well.
	Backlog     int
	GiveUpAfter time.Duration
	// Patience is how long an answer may take before the request counts as
	// refused; 0 is for ever. SDKs have 10 s.
	Patience time.Duration
	// EntryLag is by how much the gateway's requests are late at a given time
	// of the run. It must not shrink. Only with Laps; nil for not at all.
	EntryLag func(elapsed time.Duration) time.Duration
}

// Send plays l to address and returns when all of it is accepted or given up.
func Send(ctx context.Context, address string, l *load.Load, settings Settings) (Outcome, error) {
	s := &sending{Settings: settings, load: l, outcome: newRecord(l)}
	if s.Speed == 0 {
		s.Speed = 1
	}
	if s.Callers == 0 {
		s.Callers = defaultCallers
	}
	defer func() {
		for _, conn := range s.conns {
			conn.Close()
		}
	}()
	for range connections {
		conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithConnectParams(redial),
			grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw.Codec{})))
		if err != nil {
			return Outcome{}, fmt.Errorf("connect to the collector: %w", err)
		}
		s.conns = append(s.conns, conn)
	}
	return s.run(ctx)
}

type sending struct {
	Settings
	load    *load.Load
	conns   []*grpc.ClientConn
	begun   time.Time
	outcome *record
}

func (s *sending) run(ctx context.Context) (Outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.begun = time.Now()
	s.outcome.begin(s.begun)
	items := make(chan item, s.Backlog)
	var wg sync.WaitGroup
	for i := range s.Callers {
		conn := s.conns[i%len(s.conns)]
		wg.Go(func() {
			if err := s.work(ctx, conn, items); err != nil {
				cancel(err) // the others stop as well
			}
		})
	}
	s.outcome.planned(s.plan(ctx, items))
	close(items)
	wg.Wait()
	return s.outcome.end(), context.Cause(ctx)
}

// work sends requests until none is left.
func (s *sending) work(ctx context.Context, conn *grpc.ClientConn, items <-chan item) error {
	var buffer []byte
	for i := range items {
		request := s.load.Requests[i.request].Bytes
		if s.Laps != nil {
			buffer = s.Laps.Append(buffer[:0], i.request, i.lap)
			request = buffer
		}
		begun := time.Now()
		accepted, err := s.deliver(ctx, conn, request)
		if err != nil {
			return fmt.Errorf("send request %d of %d: %w", i.request+1, len(s.load.Requests), err)
		}
		s.outcome.settle(i, s.load.Requests[i.request].Spans, begun, accepted)
	}
	return nil
}

// deliver sends one request until it is accepted or has been tried for too long.
func (s *sending) deliver(ctx context.Context, conn *grpc.ClientConn, request []byte) (accepted bool, err error) {
	begun := time.Now()
	for next := firstPause; ; next = min(2*next, maxPause) {
		err := s.call(ctx, conn, request)
		if err == nil {
			return true, nil
		}
		if !mayRetry(err) || ctx.Err() != nil {
			return false, err
		}
		s.outcome.refused.Add(1)
		if s.GiveUpAfter > 0 && time.Since(begun) > s.GiveUpAfter {
			return false, nil
		}
		if err := pause(ctx, next); err != nil {
			return false, err
		}
	}
}

var errRejected = errors.New("the collector rejected spans of a request it answered with success")

// mayRetry is what SDKs hold for a reason to send again, as far as it occurs here.
func mayRetry(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded:
		return true
	default:
		return false
	}
}

func (s *sending) call(ctx context.Context, conn *grpc.ClientConn, request []byte) error {
	if s.Patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Patience)
		defer cancel()
	}
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
