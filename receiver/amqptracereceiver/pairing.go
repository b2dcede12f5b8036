package amqptracereceiver

import (
	"container/list"
	"time"
)

// pairs remembers when messages were published until all their first deliveries were seen, so that a
// delivery can tell its time in the queue. It is only needed for brokers that do not stamp messages,
// and is owned by the run loop's goroutine. It outlives a connection: publish and delivery may fall
// on two sides of a reconnect.
type pairs struct {
	maxEntries int
	ttl        time.Duration
	byMessage  map[messageKey]*list.Element
	oldest     *list.List // of *pair, in the order of insertion
	evicted    int64      // the intake empties it
}

type pair struct {
	message   messageKey
	published time.Time // on this receiver's clock
	remaining int       // deliveries still to come, one for each queue the message was routed to
	// ambiguous: a second message has the same key, so nobody can tell which of the two a delivery
	// belongs to, and none gets a duration.
	ambiguous bool
}

func newPairs(limits LimitsConfig) *pairs {
	return &pairs{
		maxEntries: limits.MaxPending,
		ttl:        limits.PendingTTL,
		byMessage:  map[messageKey]*list.Element{},
		oldest:     list.New(),
	}
}

func (p *pairs) len() int { return len(p.byMessage) }

// put remembers a publish that was routed to so many queues. again is true if the broker has handed
// us this event before; the first time we saw it stays.
func (p *pairs) put(message messageKey, published time.Time, queues int, again bool) {
	p.evict(published)
	if queues == 0 {
		return
	}
	if known, ok := p.byMessage[message]; ok {
		if entry := known.Value.(*pair); !again {
			entry.ambiguous = true
			entry.remaining += queues
		}
		return
	}
	p.byMessage[message] = p.oldest.PushBack(&pair{message: message, published: published, remaining: queues})
}

// take returns when the message was published. The last first delivery removes the entry; a
// redelivery removes nothing.
func (p *pairs) take(message messageKey, redelivery bool) (published time.Time, ok bool) {
	known, ok := p.byMessage[message]
	if !ok {
		return time.Time{}, false
	}
	entry := known.Value.(*pair)
	if !redelivery {
		entry.remaining--
	}
	if entry.remaining <= 0 {
		p.remove(known)
	}
	return entry.published, !entry.ambiguous
}

// evict makes room for one entry and lets go of what is too old.
func (p *pairs) evict(now time.Time) {
	for front := p.oldest.Front(); front != nil; front = p.oldest.Front() {
		if p.len() < p.maxEntries && now.Sub(front.Value.(*pair).published) < p.ttl {
			return
		}
		p.remove(front)
		p.evicted++
	}
}

func (p *pairs) remove(e *list.Element) {
	delete(p.byMessage, e.Value.(*pair).message)
	p.oldest.Remove(e)
}
