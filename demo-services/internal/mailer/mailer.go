// Package mailer sends a mail for every checkout. It is not instrumented, on
// purpose: like much software that cannot be changed, it shows up in a trace
// only through what the broker saw. Nothing of OpenTelemetry is imported.
package mailer

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/app"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/broker"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/event"
)

// What handing a mail to a mail server takes, one after the other. Now and then
// the server makes the mailer wait, and mails pile up in their queue, which
// only the broker sees.
const (
	sendTime  = 20 * time.Millisecond
	slowTime  = 300 * time.Millisecond
	slowEvery = 8 // mails
)

// Mailer counts what it has sent. It is safe for concurrent use.
type Mailer struct {
	sent atomic.Int64
}

// Build wires the program mailer.
func Build(r *env.Reader) ([]app.Part, error) {
	address, err := broker.URL(r)
	if err != nil {
		return nil, err
	}
	var m Mailer
	consumer := broker.NewConsumer(address, "mailer", broker.MailerQueue, 1, m.Send)
	checks := app.Checks{"rabbitmq": consumer.Ready}
	return []app.Part{consumer, app.NewHTTPServer(r, "HEALTH_ADDRESS", app.WithHealth(checks, nil))}, nil
}

// Send handles one message of the mailer queue.
func (m *Mailer) Send(ctx context.Context, d amqp.Delivery) broker.Verdict {
	var order event.CheckoutProcessed
	if err := json.Unmarshal(d.Body, &order); err != nil {
		slog.Warn("message is not a checkout", "message_id", d.MessageId, "error", err)
		return broker.Reject
	}
	select {
	case <-time.After(m.takes()):
	case <-ctx.Done():
		return broker.Requeue
	}
	m.sent.Add(1)
	slog.Debug("mail sent", "order_id", order.OrderID, "total_amount", order.TotalAmount)
	return broker.Accept
}

// takes is how long the next mail takes.
func (m *Mailer) takes() time.Duration {
	if m.sent.Load()%slowEvery == slowEvery-1 {
		return slowTime
	}
	return sendTime
}

// Sent returns how many mails have gone out.
func (m *Mailer) Sent() int64 { return m.sent.Load() }
