package amqptracereceiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// session is one connection to one broker. Everything declared, received or acknowledged belongs to
// one session and is worthless after it: delivery tags of an old session would close a new channel.
// It is owned by the run loop's goroutine; the gauge (gauge.go) uses a channel of its own on it.
type session struct {
	conn *amqp.Connection
	wire *wire
	// patience is how long the broker may take to answer one request.
	patience time.Duration
	// waiting is how many messages waited in the queue that is read, when the broker last told.
	waiting atomic.Int64
	// mute is set when it took longer, and the connection was cut for it.
	mute atomic.Bool
	// closed has room for the one value it can ever get, so the client never waits for us.
	closed chan *amqp.Error
}

var (
	// errTLSConfig marks certificates and keys that cannot be loaded.
	errTLSConfig = errors.New("load TLS settings")
	// errNotWelcome: with TLS 1.3 a broker's verdict on our certificate comes after our side of the
	// handshake is complete, and is mostly lost because the broker hangs up with it.
	errNotWelcome = errors.New("hung up right after the TLS handshake (does the broker accept our certificate?)")
	// errNoAnswer: the broker has kept the connection but not answered a request on it.
	errNoAnswer = errors.New("the broker does not answer")
	// errUnreadable: the client gave the connection up because it could not parse what came on it.
	errUnreadable = errors.New("the client cannot read what the broker sent")
)

// openSocket opens a TCP connection, as net.Dialer.DialContext does.
type openSocket func(ctx context.Context, network, address string) (net.Conn, error)

// dial connects to e. It returns when ctx ends, at the latest after the connection timeout.
func dial(ctx context.Context, cfg *ConnectionConfig, e endpoint) (*session, error) {
	return dialOver(ctx, cfg, e, (&net.Dialer{}).DialContext)
}

func dialOver(ctx context.Context, cfg *ConnectionConfig, e endpoint, open openSocket) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectionTimeout)
	defer cancel()
	conn, err := secured(ctx, cfg, e, open)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", e, err)
	}
	// Until the handshake is done nothing else would end the wait for a silent peer.
	interrupt := context.AfterFunc(ctx, func() { _ = conn.Close() })
	s := &session{wire: newWire(conn), patience: cfg.ConnectionTimeout}
	s.conn, err = amqp.Open(s.wire, amqpConfig(cfg))
	if !interrupt() {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		if e.tls && hungUp(err) {
			err = fmt.Errorf("%w: %w", errNotWelcome, err)
		}
		return nil, fmt.Errorf("log in to %s: %w", e, err)
	}
	s.closed = s.conn.NotifyClose(make(chan *amqp.Error, 1))
	s.wire.frameMax.Store(int64(s.conn.Config.FrameSize))
	return s, nil
}

// hungUp is true if the connection broke before the broker said a word. After that the client has
// errors of its own for it.
func hungUp(err error) bool {
	var fault *amqp.Error
	return errors.As(err, new(*net.OpError)) || errors.As(err, &fault) && (fault.Code == amqp.FrameError || errors.Is(fault, amqp.ErrClosed))
}

// secured opens the socket and, for amqps, speaks TLS on it.
func secured(ctx context.Context, cfg *ConnectionConfig, e endpoint, open openSocket) (net.Conn, error) {
	conn, err := open(ctx, "tcp", e.address())
	if err != nil || !e.tls {
		return conn, err
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if set := cfg.TLS.Get(); set != nil {
		// Loaded for each connection, so a renewed certificate is used from the next one on.
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

// request does one request. A broker that is well enough to send heartbeats may still never answer
// it, so after a while the connection is cut, which ends the request.
func (s *session) request(do func() error) error {
	timer := time.AfterFunc(s.patience, func() {
		s.mute.Store(true)
		s.cut()
	})
	err := do()
	timer.Stop()
	if err != nil && s.mute.Load() {
		return fmt.Errorf("%w within %v: %w", errNoAnswer, s.patience, err)
	}
	return err
}

// cause is why the connection ended, if it has: err may be just where that showed first, such as an
// acknowledgement that could not be sent. The client has one code for a connection that broke and for
// bytes that it cannot parse; only the wire knows whether the socket was still good.
func (s *session) cause(err error) error {
	if err == nil || !s.conn.IsClosed() {
		return err
	}
	if s.mute.Load() {
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	impatience := time.AfterFunc(s.patience, s.cut)
	defer impatience.Stop()
	why := <-s.closed
	switch {
	case why == nil:
		return err
	case why.Server || s.wire.ended.Load():
		return fmt.Errorf("connection closed: %w", why)
	}
	return fmt.Errorf("%w: %w", errUnreadable, why)
}

// cut ends the connection without a word. It may be called at any time and by any goroutine.
func (s *session) cut() { _ = s.wire.Close() }

// closeTimeout is how long a broker may take to answer that we close; a dead one never will.
const closeTimeout = 3 * time.Second

// close ends the session. An error would change nothing: the broker drops what it cannot reach.
func (s *session) close() { _ = s.conn.CloseDeadline(time.Now().Add(closeTimeout)) }

// channel opens a channel.
func (s *session) channel() (channel *amqp.Channel, err error) {
	err = s.request(func() error {
		channel, err = s.conn.Channel()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	return channel, nil
}

// closeChannel gives everything unsettled on the channel back to its queue. An error would change
// nothing: the channel has gone already, or the connection has.
func (s *session) closeChannel(channel *amqp.Channel) { _ = s.request(channel.Close) }
