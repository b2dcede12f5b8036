package amqptracereceiver

import (
	"context"
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// subscription is one channel that consumes the own queue. Closing it gives everything unsettled
// back to the queue, also to an exclusive one, which only ends with the connection.
type subscription struct {
	session    *session
	channel    *amqp.Channel
	deliveries <-chan amqp.Delivery
	// Both have room for the one value they can ever get, so the client never waits for us.
	closed    chan *amqp.Error
	cancelled chan string
	// gone ends with the channel: from then on its deliveries are somebody else's.
	gone context.Context
	wg   sync.WaitGroup // of what ends gone
}

// consumerTag is unique on its channel, which has no other consumer.
const consumerTag = "amqp_trace"

var (
	// errCancelled: the broker ended the consumer but neither channel nor connection. That is what
	// happens when the queue is deleted.
	errCancelled = errors.New("the broker cancelled the consumer (was the queue deleted?)")
	// errChannelClosed: the broker closed the channel; the connection may still be good.
	errChannelClosed = errors.New("the broker closed the channel")
)

// subscribe consumes from the queue. The client holds what it was sent and we have not taken yet in a
// buffer without a limit of its own: prefetch is the limit.
func (s *session) subscribe(queue string, prefetch int) (*subscription, error) {
	channel, err := s.channel()
	if err != nil {
		return nil, err
	}
	if err := s.request(func() error { return channel.Qos(prefetch, 0, false) }); err != nil {
		return nil, fmt.Errorf("set prefetch %d: %w", prefetch, err)
	}
	sub := &subscription{
		session:   s,
		channel:   channel,
		closed:    channel.NotifyClose(make(chan *amqp.Error, 1)),
		cancelled: channel.NotifyCancel(make(chan string, 1)),
	}
	sub.watch()
	err = s.request(func() error {
		sub.deliveries, err = channel.Consume(queue, consumerTag, false, false, false, false, nil)
		return err
	})
	if err != nil {
		sub.close()
		return nil, fmt.Errorf("consume from queue %q: %w", queue, err)
	}
	return sub, nil
}

func (sub *subscription) watch() {
	over := sub.channel.NotifyClose(make(chan *amqp.Error, 1))
	gone, cancel := context.WithCancel(context.Background())
	sub.gone = gone
	sub.wg.Go(func() {
		for range over { // gets at most one error, and is closed with the channel
			cancel()
		}
		cancel()
	})
}

// cancel asks for no more deliveries; those under way still come, and then deliveries is closed.
func (sub *subscription) cancel() error {
	err := sub.session.request(func() error { return sub.channel.Cancel(consumerTag, false) })
	if err != nil {
		return fmt.Errorf("cancel consumer: %w", err)
	}
	return nil
}

// close gives back what is unsettled. A broker that does not answer loses its connection for it.
func (sub *subscription) close() {
	sub.session.closeChannel(sub.channel)
	sub.wg.Wait()
}

// cause says why deliveries was closed. It must not be called before that, or before gone.
func (sub *subscription) cause() error {
	if _, cancelled := <-sub.cancelled; cancelled {
		return errCancelled
	}
	err := <-sub.closed
	switch {
	case err == nil:
		return errors.New("channel closed")
	case sub.session.conn.IsClosed():
		return fmt.Errorf("connection closed: %w", err)
	}
	return fmt.Errorf("%w: %w", errChannelClosed, err)
}
