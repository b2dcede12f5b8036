package amqptracereceiver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// slowPipeline takes a second for each call, and answers as it is told about the batch that holds a message.
type slowPipeline struct {
	mu      sync.Mutex // guards what follows
	atOnce  int
	most    int
	batches []int
	answers map[string]error // by message id
	ids     []string
}

func (*slowPipeline) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: true}
}

func (s *slowPipeline) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	s.enter(td)
	defer s.leave()
	sleep(ctx, time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, span := range td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
		id, _ := span.Attributes().Get("messaging.message.id")
		if err := s.answers[id.Str()]; err != nil {
			return err
		}
		ids = append(ids, id.Str())
	}
	s.ids = append(s.ids, ids...)
	return nil
}

func (s *slowPipeline) enter(td ptrace.Traces) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.atOnce++
	s.most = max(s.most, s.atOnce)
	s.batches = append(s.batches, td.SpanCount())
}

func (s *slowPipeline) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.atOnce--
}

// takeMessages takes so many deliveries in, with the ids 0 and up.
func takeMessages(in *intake, n int) {
	for i := range n {
		d := firehoseDelivery("publish.shop", traced(nil), func(_, properties amqp.Table) { properties["message_id"] = fmt.Sprint(i) })
		d.DeliveryTag = uint64(i + 1)
		in.take(&d, time.Now())
	}
}

func TestBatchesAreHandedOverAtOnceAndAcknowledgedTogether(t *testing.T) {
	never := consumererror.NewPermanent(errors.New("never"))
	for name, c := range map[string]struct {
		messages int
		answers  map[string]error
		want     error
		batches  []int
		accepted int
		acked    []uint64
		takes    time.Duration
	}{
		"full":             {messages: 40, batches: []int{10, 10, 10, 10}, accepted: 40, acked: []uint64{40}, takes: time.Second},
		"a part":           {messages: 25, batches: []int{8, 8, 9}, accepted: 25, acked: []uint64{25}, takes: time.Second},
		"one batch":        {messages: 10, batches: []int{10}, accepted: 10, acked: []uint64{10}, takes: time.Second},
		"one of them bad":  {messages: 40, answers: map[string]error{"15": never}, batches: []int{10, 10, 10, 10}, accepted: 30, acked: []uint64{40}, takes: time.Second},
		"one of them held": {messages: 40, answers: map[string]error{"15": errors.New("full")}, want: errHeldTooLong, accepted: 30},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := &slowPipeline{answers: c.answers}
				r := newTestReceiver(t, next)
				r.pipeline.maxHold = time.Minute
				defer r.abort()
				defer r.stop()
				broker := &ledger{}
				in := newIntake(r.pipeline, broker, 40)
				in.calls = 4
				takeMessages(in, c.messages)
				begun := time.Now()
				require.ErrorIs(t, in.settle(), c.want)
				assert.Equal(t, c.acked, broker.tags())
				unique := slices.Compact(slices.Sorted(slices.Values(next.ids)))
				assert.Len(t, unique, c.accepted)
				if c.want != nil {
					return
				}
				assert.Equal(t, c.takes, time.Since(begun))
				assert.Len(t, next.batches, next.most, "all of them at once")
				assert.ElementsMatch(t, c.batches, next.batches)
			})
		})
	}
}

// However many there are, they are divided without a rest, evenly, and in their order.
func TestSharesAreAllOfTheBatch(t *testing.T) {
	r := newTestReceiver(t, &slowPipeline{})
	seed := rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 1000 {
		calls, size := 1+rnd.IntN(8), 1+rnd.IntN(50)
		in := newIntake(r.pipeline, &ledger{}, calls*size)
		in.calls = calls
		in.events = make([]event, rnd.IntN(calls*size+1))
		for i := range in.events {
			in.events[i].bodyBytes = uint64(i)
		}
		shares := in.shares()
		assert.LessOrEqual(t, len(shares), calls)
		assert.LessOrEqual(t, len(shares), len(in.builders))
		at := uint64(0)
		for _, share := range shares {
			assert.NotEmpty(t, share)
			assert.LessOrEqual(t, len(share), size)
			for i := range share {
				require.Equal(t, at, share[i].bodyBytes)
				at++
			}
		}
		assert.EqualValues(t, len(in.events), at)
	}
}

// rendezvous lets a call return only when another one is there, too, until it has seen two at once.
type rendezvous struct {
	*collected
	met  chan struct{} // closed when two are there
	once sync.Once
	in   chan struct{} // has room for the first
}

func (r *rendezvous) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	select {
	case r.in <- struct{}{}: // the first waits
		select {
		case <-r.met:
		case <-time.After(patience):
		}
	default:
		r.once.Do(func() { close(r.met) })
	}
	return r.collected.ConsumeTraces(ctx, td)
}

// With several calls at once every event still gives one span, and every delivery finds its publish.
func TestParallelCallsKeepPairsAndLoseNothing(t *testing.T) {
	url := broker.Get(t).URL
	cfg := configFor(t, url)
	cfg.Consumer.Parallel = 4
	cfg.Consumer.AckInterval = time.Minute // the first batches are full ones
	spans := &rendezvous{collected: &collected{}, met: make(chan struct{}), in: make(chan struct{}, 1)}
	r := startReceiver(t, cfg, spans)
	r.reading(1)
	app := dialApplication(t, url)
	queue := app.queue(unique("q"), "", "")
	deliveries, err := app.Consume(queue, "", true, false, false, false, nil)
	require.NoError(t, err)

	p := newParent()
	const messages = 2000 // ten times 400 events
	for range messages {
		require.NoError(t, app.PublishWithContext(t.Context(), "", queue, false, false, p.message()))
	}
	for range messages {
		<-deliveries
	}
	eventually(t, "all spans", func() bool { return r.metric("spans") >= 2*messages })
	select {
	case <-spans.met:
	default:
		t.Error("there were never two calls at once")
	}
	assert.Equal(t, 2*messages, distinct(spans.of(p.trace, "")))
	for _, d := range spans.of(p.trace, "deliver "+queue) {
		require.Equal(t, "paired", d.text("amqp.time_source"))
	}
}
