package amqptracereceiver

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/zap"
)

// reading is one subscription while it is being read.
type reading struct {
	*intake
	sub     *subscription
	queue   string
	logger  *zap.Logger
	caution caution

	ackInterval time.Duration
	// normalAfter ends a cautious reading after so many deliveries.
	normalAfter int64
	silence     *silence
	oversized   func() // passes on how many header blocks were too large
}

// errResubscribe ends a reading that should go on with a new channel.
var errResubscribe = errors.New("resubscribe")

// depthInterval is how often the broker is asked how many messages wait in the own queue.
const depthInterval = 10 * time.Second

// run reads until the subscription ends, or there is reason to end it. It returns nil only after an
// orderly stop.
func (r *reading) run(stopping context.Context) error {
	settle := time.NewTicker(r.ackInterval)
	defer settle.Stop()
	inspect := time.NewTicker(depthInterval)
	defer inspect.Stop()
	for stopping.Err() == nil {
		d, open, err := r.receive(stopping, settle.C, inspect.C)
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
func (r *reading) receive(stopping context.Context, settle, inspect <-chan time.Time) (d amqp.Delivery, open bool, err error) {
	// With a backlog this costs a third of the select below.
	select {
	case d, open = <-r.sub.deliveries:
		return d, open, nil
	default:
	}
	for err == nil {
		if r.unsettled == 0 {
			r.drainedAt = time.Now()
		}
		select {
		case d, open = <-r.sub.deliveries:
			return d, open, nil
		case <-stopping.Done():
			err = errStopping
		case <-settle:
			r.oversized()
			err = r.settle()
		case now := <-inspect:
			err = r.inspect(now)
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
	if err := r.settle(); err != nil {
		return err
	}
	if r.caution != readNormally && r.handled >= r.normalAfter {
		return errResubscribe
	}
	return nil
}

// finish ends an orderly stop: no new deliveries, what is here is handed over once and settled, and
// what the pipeline refuses now is left unsettled.
func (r *reading) finish() error {
	if err := r.sub.channel.Cancel(consumerTag, false); err != nil {
		return fmt.Errorf("cancel consumer: %w", err)
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

// inspect asks the broker for the queue's depth; it answers with an error if the queue is gone.
// A cautious reading that has nothing left to read becomes a normal one.
func (r *reading) inspect(now time.Time) error {
	queue, err := r.sub.channel.QueueDeclarePassive(r.queue, false, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("inspect queue %q: %w", r.queue, err)
	}
	r.shared.telemetry.ReceiverAmqpTraceQueueDepth.Record(context.Background(), int64(queue.Messages))
	if r.silence.tooLong(now) {
		r.logger.Warn("the firehose says nothing: is nothing published, or is tracing off?",
			zap.Duration("silent_for", r.silence.limit), zap.String("switch_on", "rabbitmqctl trace_on -p <vhost>, or trace_vhosts in advanced.config"))
	}
	if r.caution != readNormally && queue.Messages == 0 && r.unsettled == 0 {
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
