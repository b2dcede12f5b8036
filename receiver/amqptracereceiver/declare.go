package amqptracereceiver

import (
	"crypto/rand"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// declare makes the own queue, binds it, and returns its name. It works on a channel of its own,
// because the broker closes a channel on which something is refused.
func (s *session) declare(cfg OwnQueueConfig, bindings []binding) (string, error) {
	channel, err := s.channel()
	if err != nil {
		return "", err
	}
	name := queueName(cfg)
	err = s.request(func() error {
		queue, err := channel.QueueDeclare(name, cfg.Durable, false, !cfg.Durable, false, queueArguments(cfg))
		s.waiting.Store(int64(queue.Messages))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("declare queue %q: %w%s", name, err, hintForDeclare(err))
	}
	for _, b := range bindings {
		if err := s.request(func() error { return channel.QueueBind(name, b.key, b.exchange, false, b.args) }); err != nil {
			return "", fmt.Errorf("bind queue %q to exchange %q with key %q: %w", name, b.exchange, b.key, err)
		}
	}
	s.closeChannel(channel)
	return name, nil
}

// hintForDeclare says what to do about a queue that is there already with other arguments, which is
// what a durable queue becomes when its settings are changed.
func hintForDeclare(err error) string {
	var fault *amqp.Error
	if errors.As(err, &fault) && fault.Code == amqp.PreconditionFailed {
		return " (the queue was made with other settings: delete it, or change own_queue::name)"
	}
	return ""
}

// queueName ends an exclusive queue's name with something new each time: for a while after a lost
// connection the broker still locks the old name.
func queueName(cfg OwnQueueConfig) string {
	if cfg.Durable {
		return cfg.Name
	}
	return cfg.Name + "." + rand.Text()[:12]
}

// queueArguments bound the queue so that it costs the broker little and its publishers nothing. The
// type is stated because a vhost's default may be another one; a quorum queue would drop messages
// after 20 redeliveries. What is neither exclusive nor durable is refused since RabbitMQ 4.3.
func queueArguments(cfg OwnQueueConfig) amqp.Table {
	arguments := amqp.Table{
		amqp.QueueTypeArg:        amqp.QueueTypeClassic,
		amqp.QueueMaxLenArg:      int64(cfg.MaxLength),
		amqp.QueueMaxLenBytesArg: cfg.MaxLengthBytes,
		amqp.QueueOverflowArg:    "drop-head",
	}
	if cfg.Durable {
		arguments[amqp.QueueTTLArg] = cfg.Expires.Milliseconds()
	}
	return arguments
}
