package amqptracereceiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// session is one connection to one broker. Everything declared, received or acknowledged belongs to
// one session and is worthless after it: delivery tags of an old session would close a new channel.
// It is owned by the run loop's goroutine.
type session struct {
	conn *amqp.Connection
	wire *wire
}

// errTLSConfig marks certificates and keys that cannot be loaded.
var errTLSConfig = errors.New("load TLS settings")

// dial connects to e. It returns when ctx ends, at the latest after the connection timeout.
func dial(ctx context.Context, cfg *ConnectionConfig, e endpoint) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectionTimeout)
	defer cancel()
	conn, err := dialSocket(ctx, cfg, e)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", e, err)
	}
	// Until the handshake is done nothing else would end the wait for a silent peer.
	interrupt := context.AfterFunc(ctx, func() { _ = conn.Close() })
	s := &session{wire: newWire(conn)}
	s.conn, err = amqp.Open(s.wire, amqpConfig(cfg))
	if !interrupt() {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("log in to %s: %w", e, err)
	}
	s.wire.frameMax.Store(int64(s.conn.Config.FrameSize))
	return s, nil
}

func dialSocket(ctx context.Context, cfg *ConnectionConfig, e endpoint) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", e.address())
	if err != nil || !e.tls {
		return conn, err
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if set := cfg.TLS.Get(); set != nil {
		if settings, err = set.LoadTLSConfig(ctx); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("%w: %w", errTLSConfig, err)
		}
	}
	if settings.ServerName == "" {
		settings.ServerName = e.host
	}
	secure := tls.Client(conn, settings)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

func amqpConfig(cfg *ConnectionConfig) amqp.Config {
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(cfg.Name)
	return amqp.Config{
		SASL:       []amqp.Authentication{authentication(cfg.Auth)},
		Vhost:      cfg.VHost,
		Heartbeat:  cfg.Heartbeat,
		FrameSize:  maxFrameBytes,
		Properties: properties,
		Locale:     "en_US",
	}
}

// maxFrameBytes is RabbitMQ's own default; the broker may ask for less.
const maxFrameBytes = 128 << 10

func authentication(cfg AuthConfig) amqp.Authentication {
	if cfg.External.HasValue() {
		return &amqp.ExternalAuth{}
	}
	if plain := cfg.Plain.Get(); plain != nil {
		return &amqp.PlainAuth{Username: plain.Username, Password: string(plain.Password)}
	}
	return &amqp.PlainAuth{Username: "guest", Password: "guest"}
}

// closeTimeout is how long a broker may take to answer that we close; a dead one never will.
const closeTimeout = 3 * time.Second

// close ends the session. An error would change nothing: the broker drops what it cannot reach.
func (s *session) close() { _ = s.conn.CloseDeadline(time.Now().Add(closeTimeout)) }

// subscription is one channel that consumes the own queue. Closing it gives everything unsettled
// back to the queue, also to an exclusive one, which only ends with the connection.
type subscription struct {
	channel    *amqp.Channel
	deliveries <-chan amqp.Delivery
	// Both have room for the one value they can ever get, so the client never waits for us.
	closed    chan *amqp.Error
	cancelled chan string
}

// consumerTag is unique on its channel, which has no other consumer.
const consumerTag = "amqp_trace"

// errCancelled: the broker ended the consumer but neither channel nor connection. That is what
// happens when the queue is deleted.
var errCancelled = errors.New("the broker cancelled the consumer (was the queue deleted?)")

func (s *session) subscribe(queue string, prefetch int) (*subscription, error) {
	channel, err := s.conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	if err := channel.Qos(prefetch, 0, false); err != nil {
		return nil, fmt.Errorf("set prefetch %d: %w", prefetch, err)
	}
	sub := &subscription{
		channel:   channel,
		closed:    channel.NotifyClose(make(chan *amqp.Error, 1)),
		cancelled: channel.NotifyCancel(make(chan string, 1)),
	}
	sub.deliveries, err = channel.Consume(queue, consumerTag, false, false, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("consume from queue %q: %w", queue, err)
	}
	return sub, nil
}

// cause says why deliveries was closed. It must not be called before that.
func (sub *subscription) cause() error {
	if _, cancelled := <-sub.cancelled; cancelled {
		return errCancelled
	}
	if err := <-sub.closed; err != nil {
		return fmt.Errorf("channel closed: %w", err)
	}
	return errors.New("channel closed")
}

// unreadable is true if the client gave the connection up because it could not parse what the broker
// sent, and not because the connection broke. The client reports both with the same code; only its
// own errors begin like this.
func unreadable(err error) bool {
	var fault *amqp.Error
	return errors.As(err, &fault) && fault.Code == amqp.FrameError && strings.HasPrefix(fault.Reason, "Exception (")
}

// needsOperator is true for what a short wait will hardly heal: rights, names, certificates.
func needsOperator(err error) bool {
	// RabbitMQ hangs up on a wrong password without a word to this client, which then says ErrCredentials.
	if errors.Is(err, errTLSConfig) || errors.Is(err, amqp.ErrCredentials) || errors.Is(err, amqp.ErrVhost) {
		return true
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return true
	}
	var fault *amqp.Error
	if !errors.As(err, &fault) || !fault.Server {
		return false
	}
	switch fault.Code {
	case amqp.AccessRefused, amqp.NotFound, amqp.PreconditionFailed, amqp.NotAllowed:
		return true
	}
	return false
}

// reconnectReason is the error as a metric's label.
func reconnectReason(err error) string {
	var fault *amqp.Error
	switch {
	case errors.Is(err, errCancelled):
		return "cancelled"
	case unreadable(err):
		return "unreadable"
	case needsOperator(err):
		return "refused"
	case errors.As(err, &fault) && fault.Code == amqp.ConnectionForced:
		return "broker_stopped"
	case errors.As(err, new(*net.OpError)):
		return "unreachable"
	}
	return "connection_lost"
}
