package facts

import (
	"cmp"
	"slices"
	"unsafe"

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
	attrDeadLetterQueue  = "amqp.dead_letter.queue"
	attrDeadLetterReason = "amqp.dead_letter.reason"
	eventDeadLetter      = "dead_letter"
	// expired is the reason of a death by the queue's or message's time to live.
	expired       = "expired"
	attrMessageID = "messaging.message.id"
	attrErrorType = "error.type"
	unroutable    = "unroutable"
)

// maxMessages is how many messages of a trace are told apart, with queue and
// id. Of more, those first in order stay: always the same ones. The others are
// not waited for.
const maxMessages = 1024

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
	// died says that this queue has dead-lettered it.
	died bool
	// delivered is when it was last delivered from the queue, and dead when it
	// was last delivered from it as from a dead-letter queue, having died in
	// deadFrom; ns since the Unix epoch, 0 for never.
	delivered, dead uint64
	deadFrom        string
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
	if queue, ok := attributes.Get(attrQueue); ok {
		key.queue = bounded(queue.AsString())
		m.addDelivery(key, span)
	}
}

func (m *messages) addDelivery(key messageKey, span ptrace.Span) {
	at := uint64(span.EndTimestamp())
	one := message{delivered: at}
	if attempt, ok := span.Attributes().Get(attrAttempt); !ok || attempt.Int() == 0 {
		one.first = 1
	} else {
		one.left = true
	}
	if queues, ok := span.Attributes().Get(attrDeadLetterQueues); ok {
		m.each(key, queues, func(gave *message) { gave.left, gave.died = true, true })
		from, reason := latestDeath(span.Events())
		if from != "" && reason != expired && !contains(queues, key.queue) {
			one.dead, one.deadFrom = at, from
		}
	}
	if have := m.at(key); have != nil {
		have.join(&one)
	}
}

// latestDeath returns the queue that gave the message up last, and why: the
// broker writes the latest first. An expiry is how queues delay and retry.
func latestDeath(events ptrace.SpanEventSlice) (queue, reason string) {
	for _, event := range events.All() {
		if event.Name() != eventDeadLetter {
			continue
		}
		if v, ok := event.Attributes().Get(attrDeadLetterQueue); ok {
			queue = bounded(v.AsString())
		}
		if v, ok := event.Attributes().Get(attrDeadLetterReason); ok {
			reason = bounded(v.AsString())
		}
		return queue, reason
	}
	return "", ""
}

// each calls f with the message in every one of the queues.
func (m *messages) each(key messageKey, queues pcommon.Value, f func(*message)) {
	if queues.Type() != pcommon.ValueTypeSlice {
		return
	}
	for _, q := range queues.Slice().All() {
		key.queue = bounded(q.AsString())
		if one := m.at(key); one != nil {
			f(one)
		}
	}
}

func contains(queues pcommon.Value, queue string) bool {
	if queues.Type() != pcommon.ValueTypeSlice {
		return false
	}
	for _, q := range queues.Slice().All() {
		if q.AsString() == queue {
			return true
		}
	}
	return false
}

// at finds or makes the message; it is valid until the next call. It is nil if
// there are too many.
func (m *messages) at(key messageKey) *message {
	i, found := slices.BinarySearchFunc(*m, key, func(one message, k messageKey) int { return one.key.compare(k) })
	switch {
	case found:
		return &(*m)[i]
	case i == maxMessages:
		return nil
	case len(*m) == maxMessages:
		*m = (*m)[:maxMessages-1]
	}
	*m = slices.Insert(*m, i, message{key: key})
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
	for i := range other {
		if one := m.at(other[i].key); one != nil {
			one.join(&other[i])
		}
	}
}

// join adds what other knows of the same message in the same queue.
func (m *message) join(other *message) {
	m.published += other.published
	m.first += other.first
	m.left = m.left || other.left
	m.died = m.died || other.died
	m.delivered = max(m.delivered, other.delivered)
	if other.dead > m.dead || other.dead == m.dead && other.deadFrom > m.deadFrom {
		m.dead, m.deadFrom = other.dead, other.deadFrom
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

// deadLettered returns the first message that ended in a dead-letter queue:
// where it died and where it went. One that was later delivered from a queue
// it had died in has been taken back.
func (m messages) deadLettered() (from, to string, ok bool) {
	for i := range m {
		if m[i].dead > 0 && !m.takenBack(&m[i]) {
			return m[i].deadFrom, m[i].key.queue, true
		}
	}
	return "", "", false
}

func (m messages) takenBack(dead *message) bool {
	for i := range m {
		if m[i].died && m[i].delivered > dead.dead && m[i].key.isSameMessage(dead.key) {
			return true
		}
	}
	return false
}

// isSameMessage says that both are about one message: a message id follows it
// even when it is published again, below another span.
func (k messageKey) isSameMessage(other messageKey) bool {
	return k.id == other.id && (k.id != "" || k.parent == other.parent)
}

// size estimates bytes of memory, texts included.
func (m messages) size() int64 {
	n := int64(cap(m)) * int64(unsafe.Sizeof(message{}))
	for i := range m {
		n += int64(len(m[i].key.queue) + len(m[i].key.id) + len(m[i].deadFrom))
	}
	return n
}

func isUnroutable(span ptrace.Span) bool {
	v, ok := span.Attributes().Get(attrErrorType)
	return ok && v.Type() == pcommon.ValueTypeStr && v.Str() == unroutable
}
