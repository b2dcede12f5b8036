package amqptracereceiver

import (
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// caution says how the next connection reads the own queue. A message that the AMQP client cannot
// parse ends the connection, and a durable queue then hands it out again, for ever. So after such an
// end we read one message at a time, which moves everything before it out of the way; and if the
// connection then ends before the first message, that message is the one, and is taken off unread.
//
// An exclusive queue ends with its connection and takes the message along.
type caution int

const (
	readNormally caution = iota
	readSingly           // prefetch 1, each message acknowledged by itself
	takeFirst            // take the first message off the queue whatever it is, then readSingly
)

// after is the caution that the end of a connection calls for. handled is how many messages that
// connection had settled.
func (c caution) after(end error, handled int64, durable bool) caution {
	switch {
	case !durable:
		return readNormally
	case !errors.Is(end, errUnreadable):
		return c
	case c == readSingly && handled == 0:
		return takeFirst
	}
	return readSingly
}

// errTookUnreadable: the message that could not be parsed is gone, and with it the connection.
var errTookUnreadable = errors.New("took an unreadable message off the queue")

// takeFirst takes one message off the queue without a chance to give it back. If it can be read
// after all it goes the usual way.
func (s *session) takeFirst(queue string) (d amqp.Delivery, ok bool, err error) {
	channel, err := s.channel()
	if err != nil {
		return d, false, err
	}
	err = s.request(func() error {
		d, ok, err = channel.Get(queue, true)
		return err
	})
	if err = s.cause(err); errors.Is(err, errUnreadable) {
		return d, false, fmt.Errorf("%w: %w", errTookUnreadable, err)
	}
	if err != nil {
		return d, false, fmt.Errorf("get from queue %q: %w", queue, err)
	}
	s.closeChannel(channel)
	return d, ok, nil
}
