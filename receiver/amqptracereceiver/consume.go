package amqptracereceiver

import (
	"context"
	"errors"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/zap"
)

// reading is one subscription while it is being read.
type reading struct {
	*intake
	sub     *subscription
	logger  *zap.Logger
	caution caution

	ackInterval time.Duration
	due         *time.Ticker // settle what is here
	// normalAfter ends a cautious reading after so many deliveries.
	normalAfter int64
	silence     *silence
	depths      <-chan int   // how many messages wait in the queue, each time the broker was asked
	crowded     <-chan error // others consume from a queue that has to be ours alone
	oversized   func()       // passes on how many header blocks were too large
}

// errResubscribe ends a reading that should go on with a new channel.
var errResubscribe = errors.New("resubscribe")

// silenceInterval is how often silence is minded.
const silenceInterval = 10 * time.Second

// run reads until the subscription ends, or there is reason to end it. It returns nil only after an
// orderly stop.
func (r *reading) run(stopping context.Context) error {
	r.due = time.NewTicker(r.ackInterval)
	defer r.due.Stop()
	listen := time.NewTicker(silenceInterval)
	defer listen.Stop()
	for stopping.Err() == nil {
		d, open, err := r.receive(stopping, listen.C)
		switch {
		case errors.Is(err, errStopping):
			return r.finish()
		case err != nil:
			return err
		case !open:
			return r.sub.cause()
		}
		if err := r.accept(&d); err != nil {
			return err
		}
	}
	return r.finish()
}

// receive waits for the next delivery and meanwhile does what is due. open is false at the
// subscription's end.
func (r *reading) receive(stopping context.Context, listen <-chan time.Time) (d amqp.Delivery, open bool, err error) {
	// With a backlog this costs a third of the select below.
	select {
	case d, open = <-r.sub.deliveries:
		return d, open, nil
	default:
	}
	for err == nil {
		if r.unsettled == 0 {
			r.hold.drained(time.Now(), r.lastTag)
		}
		select {
		case d, open = <-r.sub.deliveries:
			return d, open, nil
		case <-stopping.Done():
			err = errStopping
		case <-r.due.C:
			r.oversized()
			err = r.settleBatch()
		case now := <-listen:
			r.mindSilence(now)
		case depth := <-r.depths:
			err = r.careless(depth)
		case err = <-r.crowded:
		}
	}
	return d, true, err
}

// accept takes one delivery in and settles when enough have come.
func (r *reading) accept(d *amqp.Delivery) error {
	now := time.Now()
	r.silence.heard(now)
	r.take(d, now)
	if !r.full() {
		return nil
	}
	if err := r.settleBatch(); err != nil {
		return err
	}
	if r.caution != readNormally && r.handled >= r.normalAfter {
		return errResubscribe
	}
	return nil
}

// settleBatch settles what is here. The interval begins anew after it: what became due while a slow
// pipeline took the batch would cut the next one short.
func (r *reading) settleBatch() error {
	err := r.settle()
	r.due.Reset(r.ackInterval)
	return err
}

// finish ends an orderly stop: no new deliveries, what is here is handed over once and settled, and
// what the pipeline refuses now is left unsettled.
func (r *reading) finish() error {
	if err := r.sub.cancel(); err != nil {
		return err
	}
	for d := range r.sub.deliveries { // ends, because the consumer is gone
		r.take(&d, time.Now())
		if r.full() {
			if err := r.settle(); err != nil {
				return err
			}
		}
	}
	return r.settle()
}

func (r *reading) mindSilence(now time.Time) {
	if r.silence.tooLong(now) {
		r.logger.Warn("the firehose says nothing: is nothing published, or is tracing off?",
			zap.Duration("silent_for", r.silence.limit), zap.String("switch_on", "rabbitmqctl trace_on -p <vhost>, or trace_vhosts in advanced.config"))
	}
}

// careless ends a cautious reading that has nothing left to read, for a normal one.
func (r *reading) careless(depth int) error {
	if r.caution != readNormally && depth == 0 && r.unsettled == 0 {
		return errResubscribe
	}
	return nil
}

// silence warns once when nothing has come for too long, and again only after something has come.
type silence struct {
	limit  time.Duration // 0: silence is fine
	since  time.Time
	warned bool
}

func (s *silence) heard(now time.Time) { s.since, s.warned = now, false }

func (s *silence) tooLong(now time.Time) bool {
	if s.limit == 0 || s.warned || now.Sub(s.since) < s.limit {
		return false
	}
	s.warned = true
	return true
}
