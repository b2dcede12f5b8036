package broker

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Verdict is what becomes of a message.
type Verdict int

// Accept acknowledges, Reject dead-letters where the queue says so (else drops),
// Requeue gives the message back.
const (
	Accept Verdict = iota
	Reject
	Requeue
)

// Handler works on one message. Its context outlives a stop of the program,
// so that what was begun is finished. Calls for different messages overlap.
type Handler func(ctx context.Context, d amqp.Delivery) Verdict

type consumer struct {
	queue   string
	workers int
	handle  Handler
}

// NewConsumer consumes the queue with manual acknowledgement and that many
// messages in hand at a time; the others wait in the queue.
func NewConsumer(address, name, queue string, workers int, handle Handler) *Link {
	c := &consumer{queue: queue, workers: workers, handle: handle}
	return newLink(address, name, c.use)
}

func (c *consumer) use(ctx context.Context, conn *amqp.Connection, up func()) error {
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	if err := ch.Qos(c.workers, 0, false); err != nil {
		return fmt.Errorf("limit messages in flight: %w", err)
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	deliveries, err := ch.Consume(c.queue, c.queue, false, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("consume %q: %w", c.queue, err)
	}
	up()
	// Deliveries end when the connection is lost, when the queue is deleted, or
	// when this cancels: then those already here are still worked on.
	undo := context.AfterFunc(ctx, func() { _ = ch.Cancel(c.queue, false) })
	defer undo()
	c.work(context.WithoutCancel(ctx), deliveries)
	select {
	case err := <-closed:
		return fmt.Errorf("channel closed: %w", reason(err))
	default:
		return fmt.Errorf("consumer of %q was cancelled", c.queue)
	}
}

func (c *consumer) work(ctx context.Context, deliveries <-chan amqp.Delivery) {
	var wg sync.WaitGroup
	for range c.workers {
		wg.Go(func() {
			for d := range deliveries {
				c.settle(d, c.handle(ctx, d))
			}
		})
	}
	wg.Wait()
}

// settle can fail only with the connection; the broker then gives the message
// to the next epoch.
func (c *consumer) settle(d amqp.Delivery, v Verdict) {
	var err error
	switch v {
	case Accept:
		err = d.Ack(false)
	case Reject:
		err = d.Reject(false)
	case Requeue:
		err = d.Reject(true)
	}
	if err != nil {
		slog.Warn("message could not be settled and will come again", "queue", c.queue, "message_id", d.MessageId, "error", err)
	}
}
