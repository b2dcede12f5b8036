package amqptracereceiver

import "time"

// hold knows since when, at the most, the oldest unsettled delivery of a subscription has been held,
// without a time for each delivery. The broker sends at most prefetch deliveries ahead of the
// acknowledgements, so a delivery whose tag is more than prefetch beyond the last one settled at some
// moment was sent after that moment.
//
// A broker closes the channel of a consumer that holds a delivery for longer than its
// consumer_timeout, 30 minutes unless set. Owned by the run loop's goroutine.
type hold struct {
	since    time.Time // no unsettled delivery was sent before this
	prefetch uint64

	// Deliveries beyond nextTag were sent after next.
	nextTag uint64
	next    time.Time
}

func newHold(now time.Time, prefetch int) hold {
	h := hold{prefetch: uint64(prefetch)}
	h.drained(now, 0)
	return h
}

// drained notes that nothing is waiting: all deliveries up to lastTag are settled and no other has come.
func (h *hold) drained(now time.Time, lastTag uint64) {
	h.since, h.next, h.nextTag = now, now, lastTag+h.prefetch
}

// settled notes that all deliveries up to lastTag are settled.
func (h *hold) settled(now time.Time, lastTag uint64) {
	if lastTag >= h.nextTag {
		h.since, h.next, h.nextTag = h.next, now, lastTag+h.prefetch
	}
}
