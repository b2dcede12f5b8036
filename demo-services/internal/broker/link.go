// Package broker keeps the shop's connections to RabbitMQ alive. It speaks AMQP
// 0-9-1 only and knows nothing of telemetry.
//
// Read link.go (one supervised connection), then topology.go, publisher.go and
// consumer.go.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
)

// Waits between attempts to connect double from the first to the last, and each
// is drawn from its upper half so that services do not return all at once.
const (
	firstWait   = 250 * time.Millisecond
	lastWait    = 5 * time.Second
	dialTime    = 5 * time.Second
	heartbeat   = 10 * time.Second
	closingTime = 3 * time.Second
)

// ErrAway means that there is no connection to the broker now.
var ErrAway = errors.New("broker is away")

// epoch is the use of one connection. It calls up once it is in service, and
// returns when the connection is lost or, with its work done, when ctx ends.
type epoch func(ctx context.Context, conn *amqp.Connection, up func()) error

// Link is a part that keeps one connection to the broker: a lost connection
// ends an epoch, and the next begins with a new one, for ever.
type Link struct {
	url   string
	name  string // shown in the broker's list of connections
	use   epoch
	isUp  atomic.Bool
	stop  context.CancelFunc
	ended chan struct{}
	log   *slog.Logger
}

// URL returns the broker's address from RABBITMQ_URL, or from the parts.
func URL(r *env.Reader) (string, error) {
	parts := []string{"RABBITMQ_HOST", "RABBITMQ_PORT", "RABBITMQ_USERNAME", "RABBITMQ_PASSWORD", "RABBITMQ_VHOST"}
	if !r.IsSet("RABBITMQ_URL") {
		u := url.URL{
			Scheme:  "amqp",
			User:    url.UserPassword(r.Text("RABBITMQ_USERNAME"), r.Text("RABBITMQ_PASSWORD")),
			Host:    net.JoinHostPort(r.Text("RABBITMQ_HOST"), r.Text("RABBITMQ_PORT")),
			Path:    "/" + r.Text("RABBITMQ_VHOST"),
			RawPath: "/" + url.PathEscape(r.Text("RABBITMQ_VHOST")),
		}
		return u.String(), nil
	}
	for _, part := range parts {
		if r.IsSet(part) {
			return "", fmt.Errorf("%s is set as well as RABBITMQ_URL: set one of the two", part)
		}
	}
	return r.Text("RABBITMQ_URL"), nil
}

func newLink(address, name string, use epoch) *Link {
	return &Link{url: address, name: name, use: use, ended: make(chan struct{}), log: slog.With("connection", name)}
}

// Start begins to connect; it does not wait for the broker.
func (l *Link) Start(func(error)) error {
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	go func() {
		defer close(l.ended)
		l.run(ctx)
	}()
	return nil
}

// Stop ends the epoch and waits for the work in hand.
func (l *Link) Stop(ctx context.Context) error {
	l.stop()
	select {
	case <-l.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close connection %s: %w", l.name, ctx.Err())
	}
}

// Ready is the readiness check of the link.
func (l *Link) Ready(context.Context) error {
	if !l.isUp.Load() {
		return ErrAway
	}
	return nil
}

func (l *Link) run(ctx context.Context) {
	wait := firstWait
	lost := false // an outage is logged at its beginning and its end, not at every attempt
	for ctx.Err() == nil {
		err := l.once(ctx, func() {
			l.isUp.Store(true)
			l.log.Info("broker connected")
			wait, lost = firstWait, false
		})
		l.isUp.Store(false)
		if ctx.Err() != nil {
			return
		}
		if !lost {
			l.log.Warn("broker is away, connecting again", "error", err)
		}
		lost = true
		pause(ctx, wait/2+rand.N(wait/2))
		wait = min(2*wait, lastWait)
	}
}

func (l *Link) once(ctx context.Context, up func()) error {
	conn, err := amqp.DialConfig(l.url, amqp.Config{
		Heartbeat:  heartbeat,
		Locale:     "en_US",
		Properties: amqp.Table{"connection_name": l.name, "product": "otelcol-journey demo shop"},
		Dial: func(network, address string) (net.Conn, error) {
			return dial(ctx, network, address)
		},
	})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.CloseDeadline(time.Now().Add(closingTime)) }()
	if err := declare(conn); err != nil {
		return err
	}
	return l.use(ctx, conn, up)
}

// dial bounds the handshake as well: the library lifts the deadline when the
// connection is open.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTime}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(dialTime)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
