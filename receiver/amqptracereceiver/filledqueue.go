package amqptracereceiver

import (
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// filledQueue is the source that reads a queue the operator has made and fills for this receiver: with
// a binding of his own, with dead letters, from another broker. What is read is gone from the queue.
//
// A message that no queue has given up yet was put here as it was published, and gives the publish
// span that a tap or the firehose would give. One that came here by dead-lettering has long been
// published, with another exchange; it gives a deliver span that tells which queues gave it up.
type filledQueue struct {
	queue string
	vhost string
	dec   *decoder
}

func (*filledQueue) name() string { return modeQueue }

// always is false: nothing may be put into the queue for long.
func (*filledQueue) always() bool { return false }

// bindings is nil: how the queue is filled is the operator's business.
func (*filledQueue) bindings() []binding { return nil }

func (q *filledQueue) decode(d *amqp.Delivery, e *event) skipReason {
	e.kind = eventPublish
	if deaths, _ := d.Headers["x-death"].([]any); len(deaths) > 0 {
		e.kind = eventDeliver
		e.queue = q.queue
		e.redelivered = d.Redelivered
	}
	if skip := q.dec.context(d.Headers, e); skip != skipNothing {
		return skip
	}
	e.vhost = q.vhost
	q.dec.copyMessage(d, e)
	if e.kind == eventDeliver {
		e.user = "" // the publisher's; who consumes a delivery is this receiver
	}
	return q.dec.finish(d.Headers, e)
}

// errShared: somebody else consumes from the queue, so reading it would take messages away from them.
var errShared = errors.New("the queue has other consumers, who would miss what is read here")

// claim checks that nobody would miss what is read from the queue. The own consumer of a connection
// that was lost a moment ago counts until the broker has noticed the loss.
func (s *session) claim(cfg QueueConfig) error {
	channel, err := s.channel()
	if err != nil {
		return err
	}
	var queue amqp.Queue
	err = s.request(func() error {
		queue, err = channel.QueueDeclarePassive(cfg.Name, false, false, false, false, nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("look at queue %q: %w", cfg.Name, err)
	}
	if queue.Consumers > 0 && !cfg.Force {
		return fmt.Errorf("claim queue %q with %d consumers: %w (queue::force reads it all the same)", cfg.Name, queue.Consumers, errShared)
	}
	s.waiting.Store(int64(queue.Messages))
	s.closeChannel(channel)
	return nil
}
