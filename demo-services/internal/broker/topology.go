package broker

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Names of the shop's exchanges, queues and keys.
//
//	shop (topic) ── checkout.processed ──▶ stock-queue ──▶ stock
//	     │                 └──────────────▶ mailer-queue ─▶ mailer
//	     └───────── restock.due ──────────▶ restock-queue ▶ stock
//
//	stock-retry   ── after 2 s ──▶ stock-queue
//	restock-delay ── after 3 s ──▶ shop, restock.due
//	stock-queue   ── rejected ───▶ shop.dlx ──▶ stock-dead-letters
const (
	Exchange           = "shop"
	DeadLetterExchange = "shop.dlx"

	StockQueue       = "stock-queue"
	StockRetryQueue  = "stock-retry"
	StockDeadLetters = "stock-dead-letters"
	MailerQueue      = "mailer-queue"
	RestockDelay     = "restock-delay"
	RestockQueue     = "restock-queue"

	CheckoutProcessed = "checkout.processed"
	RestockDue        = "restock.due"
	stockFailed       = "stock.failed"
)

// Delays are arguments of queues, which cannot change once declared; therefore
// they are not settings.
const (
	stockRetryMillis   = 2000
	restockDelayMillis = 3000
	// deadLettersKept bounds a queue that nobody reads in a demo that runs for days.
	deadLettersKept = 10000
)

type queue struct {
	name      string
	arguments amqp.Table
	exchange  string // bound to, unless empty
	key       string
}

// All queues are durable classic ones: RabbitMQ 4.3 refuses transient queues
// that are not exclusive, and 3.10 has everything used here.
func queues() []queue {
	return []queue{
		{
			name: StockQueue, exchange: Exchange, key: CheckoutProcessed,
			arguments: amqp.Table{"x-dead-letter-exchange": DeadLetterExchange, "x-dead-letter-routing-key": stockFailed},
		},
		{name: MailerQueue, exchange: Exchange, key: CheckoutProcessed},
		{
			name:      StockRetryQueue, // reached through the default exchange
			arguments: amqp.Table{"x-message-ttl": stockRetryMillis, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": StockQueue},
		},
		{
			name: StockDeadLetters, exchange: DeadLetterExchange, key: stockFailed,
			arguments: amqp.Table{"x-max-length": deadLettersKept},
		},
		{
			name:      RestockDelay, // reached through the default exchange
			arguments: amqp.Table{"x-message-ttl": restockDelayMillis, "x-dead-letter-exchange": Exchange, "x-dead-letter-routing-key": RestockDue},
		},
		{name: RestockQueue, exchange: Exchange, key: RestockDue},
	}
}

// declare makes sure that everything exists, on a channel of its own, because a
// mismatch closes the channel. Every program declares the whole: whichever
// starts first, no message goes astray.
func declare(conn *amqp.Connection) error {
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	for _, exchange := range []string{Exchange, DeadLetterExchange} {
		if err := ch.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
			return fmt.Errorf("declare exchange %q: %w", exchange, err)
		}
	}
	for _, q := range queues() {
		if _, err := ch.QueueDeclare(q.name, true, false, false, false, q.arguments); err != nil {
			return fmt.Errorf("declare queue %q: %w", q.name, err)
		}
		if q.exchange == "" {
			continue
		}
		if err := ch.QueueBind(q.name, q.key, q.exchange, false, nil); err != nil {
			return fmt.Errorf("bind queue %q to %q: %w", q.name, q.exchange, err)
		}
	}
	if err := ch.Close(); err != nil {
		return fmt.Errorf("close channel: %w", err)
	}
	return nil
}
