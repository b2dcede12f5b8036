package amqptracereceiver

import (
	"context"
	"errors"
	"fmt"
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
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/otelcol-journey/otelcol-journey/receiver/amqptracereceiver/internal/metadata"
)

// ledger is a broker as far as acknowledgements go.
type ledger struct {
	mu     sync.Mutex // guards all: a test reads while the run loop writes
	acked  []uint64
	single int // acknowledgements of one delivery only
	fail   error
}

func (l *ledger) Ack(tag uint64, multiple bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !multiple {
		l.single++
	}
	l.acked = append(l.acked, tag)
	return l.fail
}

func (l *ledger) tags() []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.acked)
}

func (*ledger) Nack(uint64, bool, bool) error {
	return errors.New("nothing is to be refused one by one")
}

func (*ledger) Reject(uint64, bool) error { return errors.New("nothing is to be refused one by one") }

// scripted answers each call with the next error, and with the last one from then on.
type scripted struct {
	answers []error
	spans   []int
}

func (*scripted) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (s *scripted) ConsumeTraces(_ context.Context, td ptrace.Traces) error {
	s.spans = append(s.spans, td.SpanCount())
	answer := s.answers[min(len(s.spans), len(s.answers))-1]
	if answer != nil {
		td.ResourceSpans().RemoveIf(func(ptrace.ResourceSpans) bool { return true })
	}
	return answer
}

func newTestReceiver(t *testing.T, next consumer.Traces) *tracesReceiver {
	t.Helper()
	r, err := newTracesReceiver(receivertest.NewNopSettings(metadata.Type), createDefaultConfig().(*Config), next)
	require.NoError(t, err)
	return r
}

// TestFateOfADelivery is the table of outcomes in README.md.
func TestFateOfADelivery(t *testing.T) {
	full, never := errors.New("full"), consumererror.NewPermanent(errors.New("never"))
	good := firehoseDelivery("publish.shop", traced(nil), nil)
	plain := firehoseDelivery("publish.shop", nil, nil)
	for name, c := range map[string]struct {
		deliveries []amqp.Delivery
		answers    []error
		stopping   bool
		ackFails   error
		want       error
		offered    []int // spans in each attempt
		acked      []uint64
	}{
		"accepted":                   {deliveries: []amqp.Delivery{good, good}, answers: []error{nil}, offered: []int{2}, acked: []uint64{2}},
		"some without context":       {deliveries: []amqp.Delivery{plain, good, plain}, answers: []error{nil}, offered: []int{1}, acked: []uint64{3}},
		"all without context":        {deliveries: []amqp.Delivery{plain, plain}, answers: []error{never}, acked: []uint64{2}},
		"refused for good":           {deliveries: []amqp.Delivery{good, good}, answers: []error{never}, offered: []int{2}, acked: []uint64{2}},
		"refused for the moment":     {deliveries: []amqp.Delivery{good}, answers: []error{full, full, nil}, offered: []int{1, 1, 1}, acked: []uint64{1}},
		"in the end for good":        {deliveries: []amqp.Delivery{good}, answers: []error{full, never}, offered: []int{1, 1}, acked: []uint64{1}},
		"refused while stopping":     {deliveries: []amqp.Delivery{good}, answers: []error{full}, stopping: true, offered: []int{1}, want: errStopping},
		"accepted while stopping":    {deliveries: []amqp.Delivery{good}, answers: []error{nil}, stopping: true, offered: []int{1}, acked: []uint64{1}},
		"acknowledgement impossible": {deliveries: []amqp.Delivery{good}, answers: []error{nil}, ackFails: amqp.ErrClosed, offered: []int{1}, acked: []uint64{1}, want: amqp.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := &scripted{answers: c.answers}
				r := newTestReceiver(t, next)
				defer r.abort()
				defer r.stop()
				if c.stopping {
					r.stop()
				}
				broker := &ledger{fail: c.ackFails}
				in := newIntake(r.pipeline, broker, 10)
				for i, d := range c.deliveries {
					d.DeliveryTag = uint64(i + 1)
					in.take(&d, time.Now())
				}
				require.ErrorIs(t, in.settle(), c.want)
				assert.Equal(t, c.offered, next.spans)
				assert.Equal(t, c.acked, broker.acked)
				assert.Zero(t, broker.single)
				if c.want == nil {
					assert.Zero(t, in.unsettled)
					assert.EqualValues(t, len(c.deliveries), in.handled)
				}
			})
		})
	}
}

func TestNothingIsHeldLongerThanTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &scripted{answers: []error{errors.New("full")}}
		r := newTestReceiver(t, next)
		defer r.abort()
		defer r.stop()
		broker := &ledger{}
		in := newIntake(r.pipeline, broker, 10)
		d := firehoseDelivery("publish.shop", traced(nil), nil)
		in.take(&d, time.Now())
		began := time.Now()
		require.ErrorIs(t, in.settle(), errHeldTooLong)
		assert.LessOrEqual(t, time.Since(began), 10*time.Minute)
		assert.Greater(t, time.Since(began), 9*time.Minute)
		assert.Empty(t, broker.acked)
		assert.Less(t, len(next.spans), 120, "with backoff")
	})
}

func TestAckInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &scripted{answers: []error{nil}}
		r := newTestReceiver(t, next)
		defer r.abort()
		broker := &ledger{}
		deliveries := make(chan amqp.Delivery, 250)
		read := &reading{
			intake: newIntake(r.pipeline, broker, 100), ackInterval: 200 * time.Millisecond, silence: &silence{}, oversized: func() {},
			sub: &subscription{deliveries: deliveries, closed: make(chan *amqp.Error, 1), cancelled: make(chan string, 1)},
		}
		read.sub.cancelled <- "amqp_trace"
		done := make(chan error)
		go func() { done <- read.run(r.pipeline.stopping) }()
		for i := range 250 {
			d := firehoseDelivery("publish.shop", traced(nil), nil)
			d.DeliveryTag = uint64(i + 1)
			deliveries <- d
		}
		synctest.Wait()
		assert.Equal(t, []uint64{100, 200}, broker.tags(), "full batches at once")
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []uint64{100, 200, 250}, broker.tags(), "the rest when the interval is over")
		close(deliveries)
		require.ErrorIs(t, <-done, errCancelled)
	})
}

func TestSilenceIsMentionedOnce(t *testing.T) {
	s := silence{limit: time.Minute, since: noon}
	assert.False(t, s.tooLong(noon.Add(59*time.Second)))
	assert.True(t, s.tooLong(noon.Add(time.Minute)))
	assert.False(t, s.tooLong(noon.Add(time.Hour)))
	s.heard(noon.Add(time.Hour))
	assert.True(t, s.tooLong(noon.Add(2*time.Hour)))
	assert.False(t, (&silence{}).tooLong(noon), "0 turns it off")
}

func TestCautionAfterAnUnreadableMessage(t *testing.T) {
	poisoned := fmt.Errorf("%w: %w", errUnreadable, amqp.ErrSyntax)
	lost := &amqp.Error{Code: amqp.FrameError, Reason: "EOF"}
	type step struct {
		end     error
		handled int64
		want    caution
	}
	for name, c := range map[string]struct {
		durable bool
		steps   []step
	}{
		"durable": {durable: true, steps: []step{
			{poisoned, 500, readSingly}, {poisoned, 7, readSingly}, {lost, 0, readSingly}, {poisoned, 0, takeFirst}, {fmt.Errorf("%w: %w", errTookUnreadable, poisoned), 0, readSingly},
		}},
		"exclusive":         {steps: []step{{poisoned, 500, readNormally}, {poisoned, 0, readNormally}}},
		"an ordinary break": {durable: true, steps: []step{{lost, 0, readNormally}, {errCancelled, 3, readNormally}}},
	} {
		t.Run(name, func(t *testing.T) {
			now := readNormally
			for i, s := range c.steps {
				now = now.after(s.end, s.handled, c.durable)
				assert.Equal(t, s.want, now, "step %d", i)
			}
		})
	}
}
