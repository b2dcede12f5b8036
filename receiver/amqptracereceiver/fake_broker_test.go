package amqptracereceiver

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// fakeBroker is just enough of a broker for one receiver and its one queue, in memory and in a
// synctest bubble's time. It routes nothing. What a real broker cannot be told to do it does by a
// hook. It is as strict as RabbitMQ 4.3 where that matters: it refuses queues that are neither
// exclusive nor durable, and closes a channel that acknowledges what is not outstanding on it.
type fakeBroker struct {
	mu sync.Mutex // guards all that follows and all connections
	// hooks answer a method in place of the default; they return false to have the default as well.
	hooks map[method]func(c *fakeConn, f *fakeFrame) bool
	// refuse is the error of dialling, if not nil.
	refuse     error
	mechanisms string
	tune       []any // channel max, frame max, heartbeat in seconds
	deaf       bool  // does not read what clients send, nor answer

	dials  []string // addresses dialled
	conns  []*fakeConn
	queue  fakeQueue
	faults []string // what no client may do
}

type fakeQueue struct {
	name      string
	flags     byte
	arguments map[string]any
	bound     []string // routing keys
	waiting   []fakeMessage
}

type fakeMessage struct {
	key         string
	headers     amqp.Table
	redelivered bool
	// content is sent in place of headers and body, if not nil.
	content func(channel uint16) []byte
}

func (m *fakeMessage) encoded(channel uint16) []byte {
	if m.content != nil {
		return m.content(channel)
	}
	return encodedContent(channel, m.headers, []byte("a body"))
}

// fakeConn is one client's connection. Its reader handles what the client sends; its writer sends
// what is in out, so that the two can never wait for each other.
type fakeConn struct {
	broker   *fakeBroker
	socket   net.Conn
	out      chan []byte // nil in it closes the connection; has room for more than any test writes
	channels map[uint16]*fakeChannel
	mute     bool // answers nothing any more
	over     bool
	gone     chan struct{} // closed with over
}

type fakeChannel struct {
	prefetch int
	tag      string // of the consumer; "" for none
	nextTag  uint64
	unacked  map[uint64]fakeMessage
}

func newFakeBroker(t *testing.T) *fakeBroker {
	b := &fakeBroker{
		hooks:      map[method]func(*fakeConn, *fakeFrame) bool{},
		mechanisms: "PLAIN AMQPLAIN",
		tune:       []any{uint16(2047), uint32(128 << 10), uint16(60)},
	}
	t.Cleanup(func() {
		b.hangUp()
		for _, fault := range b.faults {
			t.Error(fault)
		}
	})
	return b
}

// dial is an openSocket.
func (b *fakeBroker) dial(_ context.Context, network, address string) (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dials = append(b.dials, address)
	if b.refuse != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: b.refuse}
	}
	client, server := net.Pipe()
	c := &fakeConn{broker: b, socket: server, out: make(chan []byte, 100_000), channels: map[uint16]*fakeChannel{}, gone: make(chan struct{})}
	b.conns = append(b.conns, c)
	go c.write()
	if !b.deaf {
		go c.read()
	}
	return client, nil
}

// with runs f while nothing else happens in the broker.
func (b *fakeBroker) with(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// dialled is how often a client has tried to connect.
func (b *fakeBroker) dialled() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.dials)
}

// put adds a message to the queue and hands out what can be handed out.
func (b *fakeBroker) put(m fakeMessage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue.waiting = append(b.queue.waiting, m)
	b.deliver()
}

// counts says how many messages wait and how many are with clients.
func (b *fakeBroker) counts() (waiting, unacked int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		for _, ch := range c.channels {
			unacked += len(ch.unacked)
		}
	}
	return len(b.queue.waiting), unacked
}

// consumer is the connection and channel that consume, or nil.
func (b *fakeBroker) consumer() (c *fakeConn, channel uint16) {
	for _, c := range b.conns {
		for id, ch := range c.channels {
			if ch.tag != "" {
				return c, id
			}
		}
	}
	return nil, 0
}

// toConsumer sends bytes to the client that consumes, in the middle of everything.
func (b *fakeBroker) toConsumer(bytes func(channel uint16) []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c, channel := b.consumer(); c != nil {
		c.out <- bytes(channel)
	}
}

func (b *fakeBroker) hangUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		c.end()
	}
}

// deliver hands messages to the consumer as far as its prefetch allows.
func (b *fakeBroker) deliver() {
	c, id := b.consumer()
	if c == nil {
		return
	}
	ch := c.channels[id]
	for len(b.queue.waiting) > 0 && (ch.prefetch == 0 || len(ch.unacked) < ch.prefetch) {
		m := b.queue.waiting[0]
		b.queue.waiting = b.queue.waiting[1:]
		ch.nextTag++
		ch.unacked[ch.nextTag] = m
		redelivered := map[bool]uint8{true: 1}[m.redelivered]
		c.send(id, basicDeliver, ch.tag, ch.nextTag, redelivered, traceExchange, m.key)
		c.out <- m.encoded(id)
	}
}

func (c *fakeConn) send(channel uint16, m method, args ...any) {
	c.out <- encodedMethod(channel, m, args...)
}

func (c *fakeConn) write() {
	for bytes := range c.out {
		if bytes == nil {
			break
		}
		if _, err := c.socket.Write(bytes); err != nil {
			break
		}
	}
	_ = c.socket.Close()
}

func (c *fakeConn) read() {
	in := bufio.NewReader(c.socket)
	var protocol [8]byte
	if _, err := io.ReadFull(in, protocol[:]); err != nil {
		return
	}
	c.handle(&fakeFrame{kind: frameMethod}) // the protocol header, as method 0.0
	for {
		f, err := readFrame(in)
		if err != nil {
			c.broker.with(c.end)
			return
		}
		c.handle(&f)
	}
}

// end closes the connection and puts back what was unacknowledged on it. An exclusive queue goes,
// and takes what is in it along.
func (c *fakeConn) end() {
	if c.over {
		return
	}
	c.over = true
	close(c.gone)
	for id := range c.channels {
		c.endChannel(id)
	}
	if c.broker.queue.flags&queueExclusive != 0 {
		c.broker.queue = fakeQueue{}
	}
	c.out <- nil
}

// endChannel puts unacknowledged messages back in front, in their order.
func (c *fakeConn) endChannel(id uint16) {
	ch := c.channels[id]
	if ch == nil {
		return
	}
	var back []fakeMessage
	for tag := range ch.nextTag {
		if m, ok := ch.unacked[tag+1]; ok {
			m.redelivered = true
			back = append(back, m)
		}
	}
	c.broker.queue.waiting = append(back, c.broker.queue.waiting...)
	delete(c.channels, id)
}

// refuse closes the channel for an error, as a broker does.
func (c *fakeConn) refuse(channel, code uint16, reason string, m method) {
	c.endChannel(channel)
	c.send(channel, channelClose, code, reason, m[0], m[1])
}

func (b *fakeBroker) fault(format string, args ...any) {
	b.faults = append(b.faults, fmt.Sprintf("client: "+format, args...))
}
