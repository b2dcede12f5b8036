package sink_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/load"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/raw"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sender"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sink"
)

func start(t *testing.T, mustKeep map[pcommon.TraceID]load.Mark) *sink.Sink {
	t.Helper()
	s, err := sink.Start(mustKeep)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func generate(t *testing.T) *load.Load {
	t.Helper()
	l, err := load.Generate(load.Settings{Seed: 1, Spans: 20_000, SpansPerSecond: 50_000})
	require.NoError(t, err)
	require.NotEmpty(t, l.MustKeep)
	return l
}

func TestWhatIsSentIsCounted(t *testing.T) {
	l := generate(t)
	s := start(t, l.MustKeep)
	require.Zero(t, s.Latest())

	outcome, err := sender.Send(t.Context(), s.Address(), l, false)
	require.NoError(t, err)
	assert.Equal(t, l.Spans, outcome.Spans)
	assert.Zero(t, outcome.Refused)
	assert.EqualValues(t, l.Spans, s.Spans())
	assert.Equal(t, l.Bytes, s.Bytes())
	assert.Equal(t, len(l.MustKeep), s.Whole())
	assert.WithinDuration(t, time.Now(), s.Latest(), time.Minute)
}

func TestATraceIsWholeWithEachSpanOnce(t *testing.T) {
	l := generate(t)
	half := *l
	half.Requests = l.Requests[:len(l.Requests)/2]

	s := start(t, l.MustKeep)
	_, err := sender.Send(t.Context(), s.Address(), &half, false)
	require.NoError(t, err)
	assert.Less(t, s.Whole(), len(l.MustKeep), "half of the requests")

	s = start(t, l.MustKeep)
	for range 2 {
		_, err = sender.Send(t.Context(), s.Address(), l, false)
		require.NoError(t, err)
	}
	assert.Zero(t, s.Whole(), "every request twice")
}

func TestAtPaceSendsWhenTheShopDoes(t *testing.T) {
	l := generate(t)
	s := start(t, l.MustKeep)
	outcome, err := sender.Send(t.Context(), s.Address(), l, true)
	require.NoError(t, err)
	last := l.Requests[len(l.Requests)-1].At
	assert.GreaterOrEqual(t, outcome.Took, last)
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	s := start(t, nil)
	conn, err := grpc.NewClient(s.Address(),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw.Codec{})))
	require.NoError(t, err)
	defer conn.Close()
	for name, request := range map[string][]byte{
		"truncated":           {0x0a, 0x10, 0x12},
		"span without ids":    {0x0a, 0x06, 0x12, 0x04, 0x12, 0x02, 0x30, 0x01},
		"span id of 16 bytes": append([]byte{0x0a, 0x16, 0x12, 0x14, 0x12, 0x12, 0x12, 0x10}, make([]byte, 16)...),
	} {
		err := conn.Invoke(context.Background(), raw.Export, &raw.Message{Bytes: request}, &raw.Message{})
		assert.Equal(t, codes.InvalidArgument, status.Code(err), name)
	}
	assert.Zero(t, s.Spans())
}

func TestSendingEndsWithItsContext(t *testing.T) {
	l := generate(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	// Nobody listens there: every request is refused and tried again.
	_, err := sender.Send(ctx, "127.0.0.1:1", l, false)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
