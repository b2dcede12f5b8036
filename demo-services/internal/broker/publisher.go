package broker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"
)

// ErrNotConfirmed means that the broker did not take responsibility for a
// message: it refused, or the connection went away before the answer.
var ErrNotConfirmed = errors.New("broker did not confirm the message")

// Publisher is a part that publishes with confirms over one link.
type Publisher struct {
	*Link
	// channel is set by the link's goroutine while there is one in confirm mode.
	channel atomic.Pointer[amqp.Channel]
}

// NewPublisher publishes over a connection of its own: the broker may hold back
// a publishing connection, and consumers should not be held with it.
func NewPublisher(address, name string) *Publisher {
	p := &Publisher{}
	p.Link = newLink(address, name, p.use)
	return p
}

func (p *Publisher) use(ctx context.Context, conn *amqp.Connection, up func()) error {
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	if err := ch.Confirm(false); err != nil {
		return fmt.Errorf("turn on confirms: %w", err)
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	p.channel.Store(ch)
	defer p.channel.Store(nil)
	up()
	select {
	case <-ctx.Done():
		return nil
	case err := <-closed:
		return fmt.Errorf("channel closed: %w", reason(err))
	}
}

// Publish returns nil once the broker has confirmed the message. It may be
// called from several goroutines, never waits for a broker that is away, and
// waits for the confirmation no longer than ctx.
func (p *Publisher) Publish(ctx context.Context, exchange, key string, message amqp.Publishing) error {
	ch := p.channel.Load()
	if ch == nil {
		return ErrAway
	}
	message.DeliveryMode = amqp.Persistent
	confirmation, err := ch.PublishWithDeferredConfirmWithContext(ctx, exchange, key, false, false, message)
	if err != nil {
		return fmt.Errorf("publish to %q: %w", exchange, err)
	}
	confirmed, err := confirmation.WaitContext(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotConfirmed, err)
	}
	if !confirmed {
		return ErrNotConfirmed
	}
	return nil
}

// reason is never nil: a graceful close sends no error.
func reason(err *amqp.Error) error {
	if err == nil {
		return ErrAway
	}
	return err
}
