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
	attrErrorType        = "error.type"
	unroutable           = "unroutable"
)

// messages counts what the broker saw: a publish opens a message in every
// queue it was routed to, its first delivery closes it, and so does the
// delivery from another queue that it was dead-lettered to. A balance, not a
// state, so that a delivery may come in before its publish.
type messages []message

type message struct {
	// parent is the span that published: publish and deliver spans of one
	// message are both its children.
	parent SpanID
	queue  string
	opened int32 // publishes minus first deliveries
}

func (m *messages) add(parent SpanID, span ptrace.Span) {
	attributes := span.Attributes()
	if queues, ok := attributes.Get(attrRoutedQueues); ok {
		m.addEach(parent, queues, 1)
		return
	}
	queue, ok := attributes.Get(attrQueue)
	if !ok {
		return
	}
	if attempt, ok := attributes.Get(attrAttempt); !ok || attempt.Int() == 0 {
		m.addOne(parent, queue.AsString(), -1)
	}
	if dead, ok := attributes.Get(attrDeadLetterQueues); ok {
		m.addEach(parent, dead, -1)
	}
}

func (m *messages) addEach(parent SpanID, queues pcommon.Value, n int32) {
	if queues.Type() != pcommon.ValueTypeSlice {
		return
	}
	for _, q := range queues.Slice().All() {
		m.addOne(parent, q.AsString(), n)
	}
}

func (m *messages) addOne(parent SpanID, queue string, n int32) {
	key := message{parent: parent, queue: bounded(queue)}
	i, found := slices.BinarySearchFunc(*m, key, message.compare)
	if !found {
		*m = slices.Insert(*m, i, key)
	}
	(*m)[i].opened += n
}

func (m message) compare(other message) int {
	return cmp.Or(cmp.Compare(m.parent, other.parent), cmp.Compare(m.queue, other.queue))
}

func (m *messages) merge(other messages) {
	if len(*m) == 0 {
		*m = other
		return
	}
	for _, o := range other {
		m.addOne(o.parent, o.queue, o.opened)
	}
}

// open counts the messages that wait in a queue. A balance below zero is a
// delivery whose publish was not traced, or of a message that reached the
// queue by dead-lettering: nothing waits there.
func (m messages) open() int {
	n := 0
	for _, one := range m {
		n += int(max(one.opened, 0))
	}
	return n
}

func (m messages) openQueue() string {
	for _, one := range m {
		if one.opened > 0 {
			return one.queue
		}
	}
	return ""
}

func (m messages) size() int64 { return int64(48 * cap(m)) }

func isUnroutable(span ptrace.Span) bool {
	v, ok := span.Attributes().Get(attrErrorType)
	return ok && v.Type() == pcommon.ValueTypeStr && v.Str() == unroutable
}
