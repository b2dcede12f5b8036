package sender_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/load"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/raw"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sender"
)

// collector answers as answer says and counts the requests it accepted.
type collector struct {
	answer   func(n int64) error
	requests atomic.Int64
	accepted atomic.Int64
}

func start(t *testing.T, answer func(n int64) error) (c *collector, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c = &collector{answer: answer}
	server := grpc.NewServer(grpc.ForceServerCodecV2(raw.Codec{}))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "opentelemetry.proto.collector.trace.v1.TraceService", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Export", Handler: c.export}},
	}, c)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-ended)
	})
	return c, listener.Addr().String()
}

func (c *collector) export(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // the signature is grpc's
	var request raw.Message
	if err := decode(&request); err != nil {
		return nil, err
	}
	request.Free()
	if err := c.answer(c.requests.Add(1)); err != nil {
		return nil, err
	}
	c.accepted.Add(1)
	return &raw.Message{}, nil
}

func generate(t *testing.T) *load.Load {
	t.Helper()
	l, err := load.Generate(load.Settings{Seed: 1, Spans: 20_000, SpansPerSecond: 20_000})
	require.NoError(t, err)
	return l
}

func TestARefusedRequestIsSentAgain(t *testing.T) {
	l := generate(t)
	c, address := start(t, func(n int64) error {
		if n%3 == 0 {
			return status.Error(codes.ResourceExhausted, "full")
		}
		return nil
	})
	outcome, err := sender.Send(t.Context(), address, l, sender.Settings{})
	require.NoError(t, err)
	assert.EqualValues(t, len(l.Requests), c.accepted.Load())
	assert.Equal(t, c.requests.Load()-c.accepted.Load(), int64(outcome.Refused))
	assert.Equal(t, l.Spans, outcome.Accepted)
	sum := 0
	for _, spans := range outcome.PerSecond {
		sum += spans
	}
	assert.Equal(t, l.Spans, sum)
}

func TestAnErrorThatIsNoRefusalEndsTheRun(t *testing.T) {
	_, address := start(t, func(int64) error { return status.Error(codes.InvalidArgument, "no") })
	_, err := sender.Send(t.Context(), address, generate(t), sender.Settings{})
	assert.Equal(t, codes.InvalidArgument, status.Code(err))
}

// What does not fit into the backlog is given up, and the sender knows what.
func TestABacklogIsBounded(t *testing.T) {
	l := generate(t)
	laps, err := load.NewLaps(l)
	require.NoError(t, err)
	c, address := start(t, func(n int64) error {
		if n > 20 {
			return status.Error(codes.Unavailable, "full")
		}
		return nil
	})
	outcome, err := sender.Send(t.Context(), address, l, sender.Settings{
		AtPace: true, Speed: 2, Laps: laps, For: l.Length(), Backlog: 8, Callers: 4, GiveUpAfter: 100 * time.Millisecond,
	})
	require.NoError(t, err)
	require.Equal(t, 2, outcome.Laps)
	assert.Equal(t, 2*l.Spans, outcome.Spans, "all of two laps was due")
	assert.EqualValues(t, 20, c.accepted.Load())
	accepted, spans := 0, 0
	for lap := range outcome.Laps {
		for i := range l.Requests {
			if outcome.IsAccepted(lap, i) {
				accepted++
				spans += l.Requests[i].Spans
			}
		}
	}
	assert.Equal(t, 20, accepted)
	assert.Equal(t, spans, outcome.Accepted)
	assert.Positive(t, outcome.Refused)
}

func TestAStallIsSeen(t *testing.T) {
	l, err := load.Generate(load.Settings{Seed: 1, Spans: 60_000, SpansPerSecond: 20_000})
	require.NoError(t, err)
	require.Greater(t, len(l.Requests), 60, "some must be due while all callers wait")
	release := make(chan struct{})
	_, address := start(t, func(n int64) error {
		if n == 30 {
			time.AfterFunc(700*time.Millisecond, func() { close(release) })
		}
		if n >= 30 {
			<-release
		}
		return nil
	})
	outcome, err := sender.Send(t.Context(), address, l, sender.Settings{})
	require.NoError(t, err)
	assert.GreaterOrEqual(t, outcome.Stalled, 600*time.Millisecond)
}
