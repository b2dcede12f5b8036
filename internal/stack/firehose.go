package stack

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// ErrFirehoseOff says what to do about a broker that does not trace.
var ErrFirehoseOff = errors.New("its firehose is off: run `rabbitmqctl trace_on` on it (see the receiver's README for a setting that outlives a restart)")

// firehoseWait is ample for the broker's copy of a message, which comes within
// milliseconds.
const firehoseWait = 3 * time.Second

// CheckFirehose publishes one message that is routed nowhere and waits for the
// broker's copy of it. It returns ErrFirehoseOff if none comes.
func (b *Broker) CheckFirehose(ctx context.Context) (err error) {
	conn, err := amqp.DialConfig(b.URL, amqp.Config{Dial: amqp.DefaultDial(dialTimeout)})
	if err != nil {
		return fmt.Errorf("check the firehose of %s: %w", b.Origin, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("check the firehose of %s: %w", b.Origin, err)
	}
	copies, err := watchPublishes(ch)
	if err == nil {
		err = ch.PublishWithContext(ctx, "amq.topic", "firehose.check", false, false, amqp.Publishing{})
	}
	if err != nil {
		return fmt.Errorf("check the firehose of %s: %w", b.Origin, err)
	}
	ctx, cancel := context.WithTimeout(ctx, firehoseWait)
	defer cancel()
	select {
	case _, open := <-copies:
		if open {
			return nil
		}
	case <-ctx.Done():
	}
	return fmt.Errorf("broker of %s: %w", b.Origin, ErrFirehoseOff)
}

// watchPublishes consumes what the broker says about publishes to amq.topic.
// The queue is gone with the connection.
func watchPublishes(ch *amqp.Channel) (<-chan amqp.Delivery, error) {
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return nil, err
	}
	if err := ch.QueueBind(q.Name, "publish.amq.topic", "amq.rabbitmq.trace", false, nil); err != nil {
		return nil, err
	}
	return ch.Consume(q.Name, "", true, true, false, false, nil)
}
