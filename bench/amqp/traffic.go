package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// The application's own names.
const (
	exchange = "shop"
	appQueue = "stock-queue"
	ownQueue = "otel.bench"
)

// application publishes traced messages and consumes them, on a connection each as services would.
type application struct {
	publisher, consumer *amqp.Connection
	channel             *amqp.Channel
	deliveries          <-chan amqp.Delivery
	body                []byte
	confirmed           *amqp.DeferredConfirmation
}

func newApplication(url string, body int) (a *application, err error) {
	a = &application{body: make([]byte, body)}
	if a.publisher, err = amqp.Dial(url); err != nil {
		return nil, fmt.Errorf("connect the publisher: %w", err)
	}
	if a.consumer, err = amqp.Dial(url); err != nil {
		return nil, errors.Join(fmt.Errorf("connect the consumer: %w", err), a.publisher.Close())
	}
	if err := a.declare(); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *application) declare() (err error) {
	if a.channel, err = a.publisher.Channel(); err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	if err := a.channel.Confirm(false); err != nil {
		return fmt.Errorf("switch confirms on: %w", err)
	}
	if err := a.channel.ExchangeDeclare(exchange, "fanout", false, false, false, false, nil); err != nil {
		return fmt.Errorf("declare exchange: %w", err)
	}
	consuming, err := a.consumer.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	if _, err := consuming.QueueDeclare(appQueue, false, true, true, false, nil); err != nil {
		return fmt.Errorf("declare queue: %w", err)
	}
	if err := consuming.QueueBind(appQueue, "", exchange, false, nil); err != nil {
		return fmt.Errorf("bind queue: %w", err)
	}
	if a.deliveries, err = consuming.Consume(appQueue, "", true, true, false, false, nil); err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	return nil
}

func (a *application) close() error { return errors.Join(a.publisher.Close(), a.consumer.Close()) }

// message is what an instrumented service would publish: each with a span context and an id of its own.
func (a *application) message() amqp.Publishing {
	return amqp.Publishing{
		Headers: amqp.Table{
			"traceparent": fmt.Sprintf("00-%016x%016x-%016x-01", mathrand.Uint64()|1, mathrand.Uint64(), mathrand.Uint64()|1),
			"tracestate":  "ot=th:8", "baggage": "environment=demo,version=1",
		},
		MessageId: rand.Text(), ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: a.body,
	}
}

// outstanding is how many messages may be unconfirmed, and undelivered.
const outstanding = 500

// publish publishes n messages, at most perSecond if that is not 0, and returns when all are delivered.
func (a *application) publish(ctx context.Context, n, perSecond int) error {
	begun, delivered := time.Now(), 0
	for sent := 0; delivered < n; {
		if sent < n && sent-delivered < outstanding && due(sent, perSecond, begun) {
			var err error
			a.confirmed, err = a.channel.PublishWithDeferredConfirmWithContext(ctx, exchange, "order.new", false, false, a.message())
			if err != nil {
				return fmt.Errorf("publish: %w", err)
			}
			sent++
			continue
		}
		select {
		case _, open := <-a.deliveries:
			if !open {
				return errors.New("the application's channel was closed")
			}
			delivered++
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	_, err := a.confirmed.WaitContext(ctx)
	return err
}

// due says whether the next message has to be sent by now.
func due(sent, perSecond int, begun time.Time) bool {
	return perSecond == 0 || time.Since(begun).Seconds()*float64(perSecond) > float64(sent)
}

// await waits until the own queue holds so many messages.
func await(ctx context.Context, url string, messages int) error {
	conn, err := amqp.Dial(url)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		found, err := inspect(conn)
		if err == nil && found.Messages == messages {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %d messages in %s, which has %d (%w): %w", messages, ownQueue, found.Messages, err, context.Cause(ctx))
		}
	}
}

// inspect asks on a channel of its own, because the broker closes one on which it is asked for what is not there.
func inspect(conn *amqp.Connection) (amqp.Queue, error) {
	ch, err := conn.Channel()
	if err != nil {
		return amqp.Queue{}, err
	}
	defer ch.Close()
	return ch.QueueDeclarePassive(ownQueue, true, false, false, false, nil)
}

// awaitConsumer waits until somebody reads the own queue.
func awaitConsumer(ctx context.Context, url string) error {
	conn, err := amqp.Dial(url)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if q, err := inspect(conn); err == nil && q.Consumers > 0 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the reader: %w", context.Cause(ctx))
		}
	}
}

// forget removes the own queue with its bindings.
func forget(url string) error {
	conn, err := amqp.Dial(url)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	_, err = ch.QueueDelete(ownQueue, false, false, false)
	return err
}
