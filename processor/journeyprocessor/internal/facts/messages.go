package facts

import (
	"cmp"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// BrokerScope is the instrumentation scope of the amqp_trace receiver's spans.
const BrokerScope = "github.com/otelcol-journey/otelcol-journey/receiver/amqptracereceiver"

// Attributes of the amqp_trace receiver's spans, as its README lists them.
const (
	attrRoutedQueues     = "amqp.routed_queues"
	attrQueue            = "amqp.queue"
	attrAttempt          = "amqp.delivery.attempt"
	attrDeadLetterQueues = "amqp.dead_letter.queues"
	attrMessageID        = "messaging.message.id"
	attrErrorType        = "error.type"
	unroutable           = "unroutable"
)

// messages counts what the broker saw: a publish opens a message in every
// queue it was routed to, and a delivery closes it. Counts, not a state, so
// that a delivery may come in before its publish. Ordered by key.
type messages []message

type message struct {
	key messageKey
	// published is how often it was put into the queue, first how often it
	// came out for the first time.
	published, first int32
	// left says that it is known to have left the queue at least once without
	// a first delivery that tells: it was redelivered (a broker that crashed
	// marks every message so, also one that was never delivered), or it was
	// delivered from another queue that this one dead-lettered it to.
	left bool
}

// messageKey is a message in a queue. Parent is the span that published it:
// publish and deliver spans of one message are both its children. Without a
// message id, messages that one span published to one queue share a key, and
// one that left counts for them all but once.
type messageKey struct {
	parent    SpanID
	queue, id string
}

func (m *messages) add(parent SpanID, span ptrace.Span) {
	attributes := span.Attributes()
	key := messageKey{parent: parent}
	if id, ok := attributes.Get(attrMessageID); ok {
		key.id = bounded(id.AsString())
	}
	if queues, ok := attributes.Get(attrRoutedQueues); ok {
		m.each(key, queues, func(one *message) { one.published++ })
		return
	}
	queue, ok := attributes.Get(attrQueue)
	if !ok {
		return
	}
	key.queue = bounded(queue.AsString())
	one := m.at(key)
	if attempt, ok := attributes.Get(attrAttempt); !ok || attempt.Int() == 0 {
		one.first++
	} else {
		one.left = true
	}
	if dead, ok := attributes.Get(attrDeadLetterQueues); ok {
		m.each(key, dead, func(one *message) { one.left = true })
	}
}

// each calls f with the message in every one of the queues.
func (m *messages) each(key messageKey, queues pcommon.Value, f func(*message)) {
	if queues.Type() != pcommon.ValueTypeSlice {
		return
	}
	for _, q := range queues.Slice().All() {
		key.queue = bounded(q.AsString())
		f(m.at(key))
	}
}

// at finds or makes the message; it is valid until the next call.
func (m *messages) at(key messageKey) *message {
	i, found := slices.BinarySearchFunc(*m, key, func(one message, k messageKey) int { return one.key.compare(k) })
	if !found {
		*m = slices.Insert(*m, i, message{key: key})
	}
	return &(*m)[i]
}

func (k messageKey) compare(other messageKey) int {
	return cmp.Or(cmp.Compare(k.parent, other.parent), cmp.Compare(k.queue, other.queue), cmp.Compare(k.id, other.id))
}

func (m *messages) merge(other messages) {
	if len(*m) == 0 {
		*m = other
		return
	}
	for _, o := range other {
		one := m.at(o.key)
		one.published += o.published
		one.first += o.first
		one.left = one.left || o.left
	}
}

// open is how many messages of this key wait in the queue. Below zero are
// deliveries whose publish was not traced: nothing waits then.
func (m *message) open() int {
	gone := m.first
	if gone == 0 && m.left {
		gone = 1
	}
	return int(max(m.published-gone, 0))
}

func (m messages) open() int {
	n := 0
	for i := range m {
		n += m[i].open()
	}
	return n
}

func (m messages) openQueue() string {
	for i := range m {
		if m[i].open() > 0 {
			return m[i].key.queue
		}
	}
	return ""
}

// size estimates bytes of memory.
func (m messages) size() int64 { return int64(56 * cap(m)) }

func isUnroutable(span ptrace.Span) bool {
	v, ok := span.Attributes().Get(attrErrorType)
	return ok && v.Type() == pcommon.ValueTypeStr && v.Str() == unroutable
}
