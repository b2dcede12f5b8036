package amqptracereceiver

import (
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// proxy stands between receiver and broker and can swallow what passes, as a firewall that has
// forgotten a connection does: nothing is closed, nothing arrives.
type proxy struct {
	listener net.Listener
	broker   string
	wg       sync.WaitGroup

	mu     sync.Mutex // guards what follows
	links  []*link
	closed bool // to everybody who comes
}

type link struct {
	ends      [2]net.Conn
	swallowed atomic.Bool
}

func startProxy(t *testing.T, brokerURL string) *proxy {
	t.Helper()
	u, err := url.Parse(brokerURL)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: listener, broker: u.Host}
	p.wg.Go(p.serve)
	t.Cleanup(p.stop)
	return p
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.DialTimeout("tcp", p.broker, time.Second)
		if err != nil || p.isCut() {
			if err == nil {
				_ = server.Close()
			}
			_ = client.Close()
			continue
		}
		l := &link{ends: [2]net.Conn{client, server}}
		p.mu.Lock()
		p.links = append(p.links, l)
		p.mu.Unlock()
		p.wg.Go(func() { l.copy(0, 1) })
		p.wg.Go(func() { l.copy(1, 0) })
	}
}

// copy passes on what arrives until one end closes, and then closes the other.
func (l *link) copy(from, to int) {
	defer l.ends[to].Close()
	buf := make([]byte, 4096)
	for {
		n, err := l.ends[from].Read(buf)
		if err != nil {
			return
		}
		if l.swallowed.Load() {
			continue
		}
		if _, err := l.ends[to].Write(buf[:n]); err != nil {
			return
		}
	}
}

// swallow makes every link there is now go silent.
func (p *proxy) swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		l.swallowed.Store(true)
	}
}

func (p *proxy) isCut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// cut ends all links and lets nobody in until restore.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, l := range p.links {
		_ = l.ends[0].Close()
		_ = l.ends[1].Close()
	}
}

func (p *proxy) restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = false
}

func (p *proxy) stop() {
	_ = p.listener.Close()
	p.cut()
	p.wg.Wait()
}

// A connection that is silently dead is given up after three missed heartbeats.
func TestSilentConnectionIsGivenUp(t *testing.T) {
	b := broker.Get(t).URL
	p := startProxy(t, b)
	cfg := configFor(t, b)
	cfg.Connection.Endpoints = []string{"amqp://" + p.listener.Addr().String()}
	cfg.Connection.Heartbeat = time.Second
	spans := &collected{}
	r := startReceiver(t, cfg, spans)
	r.reading(1)
	p.swallow()
	began := time.Now()
	r.reading(2)
	assert.Less(t, time.Since(began), 30*time.Second)
	app := dialApplication(t, b)
	seen(t, spans, app, app.queue(unique("q"), "", ""))
}
