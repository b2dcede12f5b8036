package sink_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/load"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/raw"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sender"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sink"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/verdict"
)

func start(t *testing.T, settings sink.Settings) *sink.Sink {
	t.Helper()
	s, err := sink.Start(settings)
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
	s := start(t, sink.Settings{MustKeep: l.MustKeep})
	require.Zero(t, s.Latest())

	outcome, err := sender.Send(t.Context(), s.Address(), l, sender.Settings{})
	require.NoError(t, err)
	assert.Equal(t, l.Spans, outcome.Spans)
	assert.Zero(t, outcome.Refused)
	assert.EqualValues(t, l.Spans, s.Spans())
	assert.Equal(t, l.Bytes, s.Bytes())
	assert.Equal(t, verdict.Kept{Traces: len(l.MustKeep), Whole: len(l.MustKeep)}, verdict.KeptOf(s.Arrivals(1)))
	assert.WithinDuration(t, time.Now(), s.Latest(), time.Minute)
}

func TestASpanThatIsMissingOrComesTwiceIsSeen(t *testing.T) {
	l := generate(t)
	all := len(l.MustKeep)
	s := start(t, sink.Settings{MustKeep: l.MustKeep, EverySpan: true})
	half := *l
	half.Requests = l.Requests[:len(l.Requests)/2]
	send(t, s, &half)
	k := verdict.KeptOf(s.Arrivals(1))
	assert.Less(t, k.Whole, all, "half of the requests")
	assert.Equal(t, all, k.Whole+k.Torn)
	assert.Positive(t, k.MissingSpans)
	assert.Zero(t, s.Doubled())

	send(t, s, l)
	k = verdict.KeptOf(s.Arrivals(1))
	assert.Zero(t, k.Torn, "nothing is missing any more")
	assert.Less(t, k.Whole, all)
	assert.Equal(t, all, k.Whole+k.DoubledTraces)
	again := int64(0)
	for i := range half.Requests {
		again += int64(half.Requests[i].Spans)
	}
	assert.Equal(t, again, s.Doubled(), "each span of the first half came twice")
}

func TestOnlyWatchedTracesAreToldApartUnlessAllAre(t *testing.T) {
	l := generate(t)
	s := start(t, sink.Settings{MustKeep: l.MustKeep})
	send(t, s, l)
	send(t, s, l)
	watched := 0
	for _, trace := range l.MustKeep {
		watched += trace.Spans
	}
	assert.EqualValues(t, watched, s.Doubled())
	assert.Equal(t, len(l.MustKeep), verdict.KeptOf(s.Arrivals(1)).DoubledTraces)
}

func TestLapsAreToldApart(t *testing.T) {
	l := generate(t)
	laps, err := load.NewLaps(l)
	require.NoError(t, err)
	s := start(t, sink.Settings{MustKeep: l.MustKeep, Laps: true, EverySpan: true})
	outcome, err := sender.Send(t.Context(), s.Address(), l, sender.Settings{
		AtPace: true, Speed: 4, Laps: laps, For: 2 * l.Length() / 4,
		EntryLag: func(elapsed time.Duration) time.Duration { return elapsed / 2 },
	})
	require.NoError(t, err)
	require.Equal(t, 2, outcome.Laps)
	assert.Equal(t, 2*l.Spans, outcome.Accepted)
	assert.EqualValues(t, 2*l.Spans, s.Spans())
	assert.Zero(t, s.Doubled(), "a lag that grows sends nothing twice")
	assert.Equal(t, verdict.Kept{Traces: 2 * len(l.MustKeep), Whole: 2 * len(l.MustKeep)}, verdict.KeptOf(s.Arrivals(2)))
}

// A backend that leaves is found again at the same address, and what was
// counted before is still there.
func TestTheSinkLeavesAndReturns(t *testing.T) {
	l := generate(t)
	s := start(t, sink.Settings{MustKeep: l.MustKeep})
	half := *l
	half.Requests = l.Requests[:len(l.Requests)/2]
	send(t, s, &half)
	address := s.Address()
	require.NoError(t, s.Leave())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := sender.Send(ctx, address, l, sender.Settings{})
	require.ErrorIs(t, err, context.DeadlineExceeded)

	require.NoError(t, s.Return())
	rest := *l
	rest.Requests = l.Requests[len(l.Requests)/2:]
	require.Equal(t, address, s.Address())
	send(t, s, &rest)
	assert.EqualValues(t, l.Spans, s.Spans())
	assert.Equal(t, len(l.MustKeep), verdict.KeptOf(s.Arrivals(1)).Whole)
}

func send(t *testing.T, s *sink.Sink, l *load.Load) {
	t.Helper()
	_, err := sender.Send(t.Context(), s.Address(), l, sender.Settings{})
	require.NoError(t, err)
}

func TestAtPaceSendsWhenTheShopDoes(t *testing.T) {
	l := generate(t)
	s := start(t, sink.Settings{MustKeep: l.MustKeep})
	outcome, err := sender.Send(t.Context(), s.Address(), l, sender.Settings{AtPace: true})
	require.NoError(t, err)
	last := l.Requests[len(l.Requests)-1].At
	assert.GreaterOrEqual(t, outcome.Took, last)
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	s := start(t, sink.Settings{})
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
	_, err := sender.Send(ctx, "127.0.0.1:1", l, sender.Settings{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
