package amqptracereceiver

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// publisher publishes without pause, as an application does, and notes what the broker has confirmed.
type publisher struct {
	parent parent
	queue  string
	stop   context.CancelFunc
	wg     sync.WaitGroup

	mu        sync.Mutex // guards what follows
	confirmed []string   // message ids
	slowest   time.Duration
}

// startPublisher publishes to the queue until the test or finish ends it, over a new connection
// whenever one breaks.
func startPublisher(t *testing.T, url, queue string) *publisher {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &publisher{parent: newParent(), queue: queue, stop: cancel}
	p.wg.Go(func() {
		for ctx.Err() == nil {
			p.connection(ctx, url)
			sleep(ctx, 20*time.Millisecond)
		}
	})
	t.Cleanup(func() { p.finish() })
	return p
}

// connection publishes over one connection until it breaks.
func (p *publisher) connection(ctx context.Context, url string) {
	conn, err := amqp.Dial(url)
	if err != nil {
		return
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil || ch.Confirm(false) != nil {
		return
	}
	if _, err := ch.QueueDeclare(p.queue, false, true, false, false, nil); err != nil {
		return
	}
	for p.one(ctx, ch) {
	}
}

func (p *publisher) one(ctx context.Context, ch *amqp.Channel) bool {
	message := p.parent.message()
	began := time.Now()
	confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", p.queue, false, false, message)
	if err != nil {
		return false
	}
	if acked, err := confirm.WaitContext(ctx); err != nil || !acked {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.confirmed = append(p.confirmed, message.MessageId)
	p.slowest = max(p.slowest, time.Since(began))
	return true
}

// ids are the messages confirmed so far.
func (p *publisher) ids() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.confirmed)
}

// more waits for so many further messages.
func (p *publisher) more(t *testing.T, n int) {
	t.Helper()
	have := len(p.ids())
	eventually(t, "further messages are confirmed", func() bool { return len(p.ids()) >= have+n })
}

// finish stops publishing and returns all that was confirmed.
func (p *publisher) finish() []string {
	p.stop()
	p.wg.Wait()
	return p.ids()
}

// spanIDs are the span ids under which the messages of a trace arrived; the law is one for each.
func (c *collected) spanIDs(p parent, operation string) map[string][]string {
	ids := map[string][]string{}
	for _, s := range c.of(p.trace, operation) {
		message, id := s.text("messaging.message.id"), s.SpanID().String()
		if !slices.Contains(ids[message], id) {
			ids[message] = append(ids[message], id)
		}
	}
	return ids
}

// requireOneEach fails unless every one of the messages has a span, and none has two ids.
func (c *collected) requireOneEach(t *testing.T, p *publisher, messages []string) {
	t.Helper()
	const operation = "publish amq.default"
	missing := func() (n int) {
		seen := c.spanIDs(p.parent, operation)
		for _, id := range messages {
			if len(seen[id]) == 0 {
				n++
			}
		}
		return n
	}
	eventually(t, "a span of every message", func() bool { return missing() == 0 })
	c.requireNoTwoIDs(t, p)
}

func (c *collected) requireNoTwoIDs(t *testing.T, p *publisher) {
	t.Helper()
	for message, ids := range c.spanIDs(p.parent, "publish amq.default") {
		require.Len(t, ids, 1, "message %s", message)
	}
}
