package broker

import (
	"context"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func address(t *testing.T, values map[string]string) (string, error) {
	t.Helper()
	r, err := env.Read("mailer", func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	return URL(r)
}

func TestTheBrokersAddressFromItsParts(t *testing.T) {
	got, err := address(t, map[string]string{"RABBITMQ_HOST": "mq", "RABBITMQ_PASSWORD": "p@ss/word", "RABBITMQ_VHOST": "/"})
	if err != nil {
		t.Fatal(err)
	}
	uri, err := amqp.ParseURI(got)
	if err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if uri.Host != "mq" || uri.Port != 5672 || uri.Username != "guest" || uri.Password != "p@ss/word" || uri.Vhost != "/" {
		t.Errorf("%s is read as %+v", got, uri)
	}
	other, err := address(t, map[string]string{"RABBITMQ_VHOST": "shop"})
	if err != nil {
		t.Fatal(err)
	}
	if uri, err := amqp.ParseURI(other); err != nil || uri.Vhost != "shop" {
		t.Errorf("%s is read as %+v, %v", other, uri, err)
	}
}

func TestAWholeAddressAndAPartOfOneIsAnError(t *testing.T) {
	_, err := address(t, map[string]string{"RABBITMQ_URL": "amqp://mq", "RABBITMQ_HOST": "mq"})
	if err == nil || !strings.Contains(err.Error(), "RABBITMQ_HOST") {
		t.Errorf("error %v, want one that names RABBITMQ_HOST", err)
	}
}

func TestNothingWaitsForABrokerThatIsAway(t *testing.T) {
	p := NewPublisher("amqp://127.0.0.1:1/", "test")
	if err := p.Start(nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), Exchange, CheckoutProcessed, amqp.Publishing{}); !errors.Is(err, ErrAway) {
		t.Errorf("error %v, want ErrAway", err)
	}
	if err := p.Ready(t.Context()); !errors.Is(err, ErrAway) {
		t.Errorf("readiness %v, want ErrAway", err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// realBroker returns the address of a RabbitMQ that this test may fill and
// empty: its own virtual host is not needed, but the shop must not run on it.
func realBroker(t *testing.T) string {
	t.Helper()
	broker := os.Getenv("AMQP_URL")
	if broker == "" {
		t.Skip("AMQP_URL is not set: no RabbitMQ to test with")
	}
	return broker
}

func start(t *testing.T, link *Link) {
	t.Helper()
	if err := link.Start(nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "connection", func() bool { return link.Ready(t.Context()) == nil })
}

func stop(t *testing.T, link *Link) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := link.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	for !holds() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%s: not within 15 s", what)
		}
	}
}

// queueLength looks at a queue over a connection of its own.
func queueLength(t *testing.T, broker, queue string) int {
	t.Helper()
	conn, err := amqp.Dial(broker)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return q.Messages
}

// drop loses the link's connection the hard way: the publisher's channel is
// closed by the broker for a publish to an exchange that does not exist.
func drop(t *testing.T, p *Publisher) {
	t.Helper()
	before := p.channel.Load()
	_ = p.Publish(t.Context(), "no such exchange", "", amqp.Publishing{})
	eventually(t, "new channel", func() bool {
		now := p.channel.Load()
		return now != nil && now != before
	})
}

func TestMessagesPassAndALostChannelIsReplaced(t *testing.T) {
	broker := realBroker(t)
	got := make(chan amqp.Delivery, 10)
	p := NewPublisher(broker, "test publisher")
	c := NewConsumer(broker, "test consumer", MailerQueue, 4, func(_ context.Context, d amqp.Delivery) Verdict {
		got <- d
		return Accept
	})
	start(t, p.Link)
	defer stop(t, p.Link)
	start(t, c)
	defer stop(t, c)
	for _, id := range []string{"first", "second"} {
		if err := p.Publish(t.Context(), Exchange, CheckoutProcessed, amqp.Publishing{MessageId: id}); err != nil {
			t.Fatalf("publish %s: %v", id, err)
		}
		if d := <-got; d.MessageId != id {
			t.Errorf("got %q, want %q", d.MessageId, id)
		}
		drop(t, p)
	}
}

func TestARejectedMessageIsDeadLettered(t *testing.T) {
	broker := realBroker(t)
	p := NewPublisher(broker, "test publisher")
	c := NewConsumer(broker, "test consumer", StockQueue, 4, func(context.Context, amqp.Delivery) Verdict { return Reject })
	start(t, p.Link)
	defer stop(t, p.Link)
	start(t, c)
	defer stop(t, c)
	eventually(t, "empty stock queue", func() bool { return queueLength(t, broker, StockQueue) == 0 })
	before := queueLength(t, broker, StockDeadLetters)
	if err := p.Publish(t.Context(), Exchange, CheckoutProcessed, amqp.Publishing{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "dead letter", func() bool { return queueLength(t, broker, StockDeadLetters) > before })
}

func TestDelayedMessagesComeBackByThemselves(t *testing.T) {
	broker := realBroker(t)
	got := make(chan string, 100)
	remember := func(queue string) Handler {
		return func(_ context.Context, d amqp.Delivery) Verdict {
			got <- queue + " " + d.MessageId
			return Accept
		}
	}
	p := NewPublisher(broker, "test publisher")
	start(t, p.Link)
	defer stop(t, p.Link)
	for _, queue := range []string{StockQueue, RestockQueue} {
		c := NewConsumer(broker, "test "+queue, queue, 4, remember(queue))
		start(t, c)
		t.Cleanup(func() { stop(t, c) })
	}
	for _, queue := range []string{StockRetryQueue, RestockDelay} {
		if err := p.Publish(t.Context(), "", queue, amqp.Publishing{MessageId: "by " + queue}); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]bool{StockQueue + " by " + StockRetryQueue: true, RestockQueue + " by " + RestockDelay: true}
	eventually(t, "both messages", func() bool {
		select {
		case message := <-got:
			delete(want, message)
		default:
		}
		return len(want) == 0
	})
}

func TestAStopFinishesTheMessageInHand(t *testing.T) {
	broker := realBroker(t)
	begun, finish := make(chan struct{}), make(chan struct{})
	p := NewPublisher(broker, "test publisher")
	start(t, p.Link)
	defer stop(t, p.Link)
	// What earlier tests left here must not be taken for ours.
	c := NewConsumer(broker, "test consumer", MailerQueue, 4, func(ctx context.Context, d amqp.Delivery) Verdict {
		if d.MessageId == "in hand" {
			close(begun)
			<-finish
			if ctx.Err() != nil {
				t.Error("the handler's context ended with the stop")
			}
		}
		return Accept
	})
	start(t, c)
	if err := p.Publish(t.Context(), Exchange, CheckoutProcessed, amqp.Publishing{MessageId: "in hand"}); err != nil {
		t.Fatal(err)
	}
	<-begun
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop(t, c)
	}()
	select {
	case <-stopped:
		t.Error("stopped with a message in hand")
	case <-time.After(50 * time.Millisecond):
	}
	close(finish)
	<-stopped
	eventually(t, "acknowledged", func() bool { return queueLength(t, broker, MailerQueue) == 0 })
}

func TestTheAddressHasNoSecretInErrors(t *testing.T) {
	p := NewPublisher("amqp://user:hunter2@127.0.0.1:1/", "test")
	err := p.once(t.Context(), func() {})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v, want one without the password", err)
	}
	if _, err := url.Parse(p.url); err != nil {
		t.Error(err)
	}
}
