package amqptracereceiver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.uber.org/zap"
)

// intake owns the deliveries of one subscription from their arrival until they are settled, and
// decides their fate. They are settled together, in the order in which they came:
//
//	accepted by the pipeline             acknowledged
//	no span (no context, unsampled, …)   acknowledged with the batch, counted by reason
//	refused for good                     acknowledged, spans counted as rejected
//	refused for the moment               held, offered again with backoff; after max_hold back to the queue
//	stopping while refused               left unsettled: the broker keeps a durable queue's for the next start
//
// It is used by the run loop's goroutine only.
type intake struct {
	shared *pipeline
	acker  amqp.Acknowledger
	// ackEvery is how many deliveries are settled together.
	ackEvery int
	// calls is how many calls into the pipeline there may be at once; each has a builder of its own.
	calls    int
	builders []*spanBuilder

	events    []event // the spans of the unsettled deliveries
	unsettled int
	lastTag   uint64
	handled   int64 // deliveries settled
	hold      hold
	// waiting is how many messages the broker has behind these; with more than deep, what reaches us does so late.
	waiting func() int64
	deep    int64
	// gone ends when the deliveries have gone back without our doing: with their channel.
	gone context.Context
	// giveBack returns all unsettled deliveries to the queue. It is called by another goroutine when
	// they have been held for too long and the pipeline does not even return.
	giveBack func()
	// onSettled is called after each batch.
	onSettled func()
}

// pipeline is what every intake uses: where events come from and where spans go. It outlives
// connections and is owned by the run loop's goroutine.
type pipeline struct {
	source    source
	headers   *headerReader
	decoder   *decoder
	clock     *clock
	builder   *spanBuilder
	next      consumer.Traces
	obs       *receiverhelper.ObsReport
	logger    *zap.Logger
	telemetry *telemetry
	retry     BackoffConfig
	maxHold   time.Duration
	// stopping ends waiting: nothing is held over a shutdown. aborted ends calls into the pipeline.
	stopping context.Context
	aborted  context.Context
}

var (
	// errRefused: the pipeline will never take these spans.
	errRefused = errors.New("pipeline refused the spans for good")
	// errHeldTooLong: all unsettled deliveries have to go back to the queue, before the broker closes
	// the channel for an acknowledgement that does not come.
	errHeldTooLong = errors.New("pipeline has refused the spans for too long")
	// errGone: the deliveries have gone back to the queue while the pipeline refused them.
	errGone = errors.New("the deliveries have gone back to the queue")
	// errStopping: shutdown found the pipeline refusing.
	errStopping = errors.New("stopping")
)

func newIntake(shared *pipeline, acker amqp.Acknowledger, ackEvery int) *intake {
	return &intake{
		shared:    shared,
		acker:     acker,
		ackEvery:  ackEvery,
		calls:     1,
		events:    make([]event, 0, ackEvery),
		hold:      newHold(time.Now(), ackEvery),
		waiting:   func() int64 { return 0 },
		gone:      context.Background(),
		giveBack:  func() {},
		onSettled: func() {},
	}
}

// take looks at one delivery and keeps what its span needs. It is unsettled from now on.
func (in *intake) take(d *amqp.Delivery, now time.Time) {
	in.unsettled++
	in.lastTag = d.DeliveryTag
	in.events = append(in.events, event{})
	e := &in.events[len(in.events)-1]
	if packed := packedHeaders(d.Body); d.Headers == nil && len(packed) > 0 {
		d.Headers = in.shared.headers.read(packed)
	}
	skip := in.shared.source.decode(d, e)
	in.shared.telemetry.took(e.kind, skip, d.Redelivered)
	if skip != skipNothing {
		in.events = in.events[:len(in.events)-1]
		return
	}
	in.shared.clock.stamp(e, now, d.Redelivered)
	if n := in.waiting(); n > in.deep && e.timedHere() {
		e.backlog = n
	}
}

func (in *intake) full() bool { return in.unsettled >= in.ackEvery }

// settle hands the spans over and then settles their deliveries. Whatever the error, what is still
// unsettled has to go back to the queue: the subscription is at its end.
func (in *intake) settle() error {
	if in.unsettled == 0 {
		return nil
	}
	in.shared.telemetry.heard(time.Now())
	switch late, err := in.handOverInTime(); {
	case late && err != nil:
		return errHeldTooLong
	case late: // the deliveries have gone back, and come again
		in.shared.report(in.unsettled)
		return errHeldTooLong
	case err != nil:
		return err
	}
	if err := in.acker.Ack(in.lastTag, true); err != nil {
		return fmt.Errorf("acknowledge %d deliveries: %w", in.unsettled, err)
	}
	in.handled += int64(in.unsettled)
	in.shared.report(in.unsettled)
	in.hold.settled(time.Now(), in.lastTag)
	in.onSettled()
	clear(in.events) // let go of their strings
	in.events, in.unsettled = in.events[:0], 0
	return nil
}

// handOverInTime hands the spans over, and gives their deliveries back when max_hold is over, even if the
// pipeline does not return: late is true then.
func (in *intake) handOverInTime() (late bool, err error) {
	if len(in.events) == 0 {
		return false, nil
	}
	deadline := in.hold.since.Add(in.shared.maxHold)
	ctx, cancel := context.WithDeadline(in.shared.aborted, deadline)
	defer cancel()
	defer context.AfterFunc(in.gone, cancel)()
	if ctx.Err() != nil && in.shared.aborted.Err() == nil {
		return false, errHeldTooLong
	}
	gaveBack := make(chan struct{})
	timer := time.AfterFunc(time.Until(deadline), func() {
		in.giveBack()
		close(gaveBack)
	})
	err = in.handOver(ctx)
	if late = !timer.Stop(); late {
		<-gaveBack
	}
	return late, err
}

// offer hands the spans over until the pipeline has given a final answer, or there is no more time.
// The spans are built anew for each attempt, because the pipeline may have changed or emptied them.
// Several goroutines may call it at once, each with events and a builder of its own.
func (in *intake) offer(ctx context.Context, events []event, builder *spanBuilder) error {
	p := in.shared
	wait := newBackoff(p.retry)
	ctx = p.obs.StartTracesOp(ctx)
	for {
		err := p.next.ConsumeTraces(ctx, builder.build(events))
		final := finalAnswer(err)
		if err != nil && final == nil {
			final = in.pause(wait.NextBackOff())
		}
		if err == nil || final != nil {
			p.obs.EndTracesOp(ctx, p.source.name(), builder.count(events), err)
			return final
		}
		p.telemetry.ReceiverAmqpTraceRetries.Add(ctx, 1) // at once: a batch may be held for long
	}
}

// finalAnswer is nil if there is none yet, and if there was no error.
func finalAnswer(err error) error {
	if consumererror.IsPermanent(err) {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	return nil
}

// pause waits before the next attempt, unless there is none.
func (in *intake) pause(d time.Duration) error {
	if in.gone.Err() != nil {
		return errGone
	}
	if time.Since(in.hold.since)+d > in.shared.maxHold {
		return errHeldTooLong
	}
	if !sleep(in.shared.stopping, d) {
		return errStopping
	}
	return nil
}

// sleep returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func newBackoff(cfg BackoffConfig) *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = cfg.InitialInterval
	b.MaxInterval = cfg.MaxInterval
	return b
}
