package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// ErrNoBroker says that there is no way to a broker on this machine.
var ErrNoBroker = errors.New("no RabbitMQ to be had: set AMQP_URL to a broker, or start a Docker engine, " +
	"or install the package rabbitmq-server (as root on Debian or Ubuntu this is done for you)")

// ErrNotOwned is the answer of Kill, Restart and Control for a broker given in
// AMQP_URL: it is somebody else's.
var ErrNotOwned = errors.New("the broker of AMQP_URL is not ours to control")

// dialTimeout bounds one attempt to open a connection; a loopback broker that
// is up answers in milliseconds.
const dialTimeout = 3 * time.Second

// BrokerSpec says which broker to start. The ways are tried in this order:
// AMQP_URL, a Docker engine that answers, an installed package, apt-get.
type BrokerSpec struct {
	// Dir holds everything the broker writes. It must outlive the Broker.
	Dir string
	// Port for AMQP on loopback; 0 picks a free one.
	Port int
	// Plugins to enable, such as rabbitmq_management. None starts fastest.
	Plugins []string
	// Log receives one line per step that takes time; nil discards them.
	Log io.Writer
	// NoInstall leaves apt-get out: a test skips rather than installs.
	NoInstall bool
	// Config returns further lines of rabbitmq.conf, and may write the files that
	// they name into dir. Only an installed package can have it, so no other way
	// is tried.
	Config func(dir string) ([]string, error)
}

// Broker is a RabbitMQ broker whose virtual host "/" has the firehose on from
// the first second (except a broker of AMQP_URL, which is taken as it is).
// Its methods must not be called at the same time.
type Broker struct {
	// URL is the AMQP address with user and password.
	URL string
	// ManagementURL is the management API's address, when that plugin was asked for.
	ManagementURL string
	// Origin says where the broker comes from, for messages.
	Origin string

	engine engine
}

// engine is one way to own a broker. Calls never overlap.
type engine interface {
	// start brings the broker up on the same data and port as before; the
	// channel it returns is closed when the broker has ended by itself, after
	// which end tells why.
	start(ctx context.Context) error
	// ended is closed when the broker of the last start is no longer running.
	ended() <-chan struct{}
	pid() int
	// reason explains an end nobody asked for.
	reason() error
	// kill ends the broker at once, keeping its data.
	kill(ctx context.Context) error
	// remove ends whatever start began and what belongs to it.
	remove(ctx context.Context) error
	// control runs rabbitmqctl against the broker.
	control(ctx context.Context, args ...string) ([]byte, error)
}

// StartBroker starts a broker and returns when it accepts connections. On an
// error nothing is left running.
func StartBroker(ctx context.Context, spec BrokerSpec) (*Broker, error) {
	if url := os.Getenv("AMQP_URL"); url != "" && spec.Config == nil {
		b := &Broker{URL: url, Origin: "AMQP_URL"}
		if err := b.awaitReady(ctx, nil); err != nil {
			return nil, fmt.Errorf("start broker: %w", err)
		}
		return b, nil
	}
	dir, err := filepath.Abs(spec.Dir)
	if err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	spec.Dir = dir
	if spec.Log == nil {
		spec.Log = io.Discard
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	b, err := newBroker(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	if err := b.start(ctx); err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), defaultGrace)
		defer cancel()
		return nil, errors.Join(fmt.Errorf("start broker: %w", err), b.Stop(cleanup))
	}
	return b, nil
}

// newBroker picks the way and fills in what does not need a running broker.
func newBroker(ctx context.Context, spec BrokerSpec) (*Broker, error) {
	ports, err := brokerPorts(spec)
	if err != nil {
		return nil, err
	}
	b := &Broker{URL: fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", ports.amqp)}
	if ports.management != 0 {
		b.ManagementURL = fmt.Sprintf("http://127.0.0.1:%d", ports.management)
	}
	if docker := dockerEngine(ctx); docker != "" && spec.Config == nil {
		b.Origin = "Docker image " + brokerImage
		b.engine = newContainer(docker, spec, ports)
		return b, nil
	}
	sbin, err := server(ctx, spec)
	if err != nil {
		return nil, err
	}
	b.Origin = "installed package in " + sbin
	b.engine, err = newNode(sbin, spec, ports)
	return b, err
}

// CanStartBroker says whether StartBroker could have a broker without
// installing anything.
func CanStartBroker(ctx context.Context) bool {
	return os.Getenv("AMQP_URL") != "" || dockerEngine(ctx) != "" || installedServer() != ""
}

// CanStartNode says whether StartBroker could have a broker with a Config.
func CanStartNode() bool { return installedServer() != "" }

// Owned is false for a broker of AMQP_URL.
func (b *Broker) Owned() bool { return b.engine != nil }

// Exited is closed when the broker of the last start is no longer running. It
// is nil, and so never closed, for a broker of AMQP_URL.
func (b *Broker) Exited() <-chan struct{} {
	if !b.Owned() {
		return nil
	}
	return b.engine.ended()
}

// PID is the process to kill for a crash of the broker: the Erlang machine, or
// the client of its container. 0 for a broker of AMQP_URL.
func (b *Broker) PID() int {
	if !b.Owned() {
		return 0
	}
	return b.engine.pid()
}

func (b *Broker) start(ctx context.Context) error {
	if err := b.engine.start(ctx); err != nil {
		return err
	}
	return b.awaitReady(ctx, b.engine.ended())
}

// Kill ends the broker at once, as kill -9 or a power cut would. Its data stays.
func (b *Broker) Kill(ctx context.Context) error {
	if !b.Owned() {
		return ErrNotOwned
	}
	if err := b.engine.kill(ctx); err != nil {
		return fmt.Errorf("kill broker: %w", err)
	}
	return nil
}

// Restart starts the broker again on the same data and port, killing it first
// if it still runs, and returns when it accepts connections.
func (b *Broker) Restart(ctx context.Context) error {
	if err := b.Kill(ctx); err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return fmt.Errorf("restart broker: %w", err)
	}
	return nil
}

// Stop ends the broker and everything that belongs to it. It kills rather than
// asks, which takes milliseconds instead of six seconds: the data ends with its
// directory, and clients are stopped before their broker. A broker of AMQP_URL
// is left alone.
func (b *Broker) Stop(ctx context.Context) error {
	if !b.Owned() {
		return nil
	}
	if err := b.engine.remove(ctx); err != nil {
		return fmt.Errorf("stop broker: %w", err)
	}
	return nil
}

// Control runs rabbitmqctl with args against the broker and returns its output.
// Starting Erlang for it takes about a second.
func (b *Broker) Control(ctx context.Context, args ...string) ([]byte, error) {
	if !b.Owned() {
		return nil, ErrNotOwned
	}
	return b.engine.control(ctx, args...)
}

// Sync has the broker write what was declared to its disk. Mnesia, where
// RabbitMQ up to 3.13 keeps queues, buffers its log in memory for a moment: a
// node that is killed in it forgets a durable queue, confirmed messages and
// all. RabbitMQ 4 with Khepri has nothing to write; the catch is for it.
func (b *Broker) Sync(ctx context.Context) error {
	if out, err := b.Control(ctx, "eval", "catch mnesia:sync_log()."); err != nil {
		return fmt.Errorf("mnesia:sync_log: %w: %s", err, out)
	}
	return nil
}

// awaitReady polls until the broker completes an AMQP handshake: an open port
// comes some milliseconds before.
func (b *Broker) awaitReady(ctx context.Context, ended <-chan struct{}) error {
	var last error
	err := poll(ctx, func() (bool, error) {
		select {
		case <-ended: // nil for a broker that is not ours: never ready
			return false, b.engine.reason()
		default:
		}
		last = handshake(b.URL)
		return last == nil, nil
	})
	if err != nil && last != nil && ctx.Err() != nil {
		return fmt.Errorf("wait for the broker of %s: %w (last attempt: %w)", b.Origin, err, last)
	}
	return err
}

func handshake(url string) error {
	conn, err := amqp.DialConfig(url, amqp.Config{Dial: amqp.DefaultDial(dialTimeout)})
	if err != nil {
		return err
	}
	return conn.Close()
}
