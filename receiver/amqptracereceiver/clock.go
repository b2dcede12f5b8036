package amqptracereceiver

import "time"

// clock gives every event its times and says where they come from. It guesses nothing: without a
// trustworthy beginning a delivery has no duration. Owned by the run loop's goroutine.
type clock struct {
	pairs   *pairs
	ids     identity
	clamped int64 // deliveries that seemed to precede their publish; the intake empties it
}

// stamp sets e's times. now is when the event reached this receiver; again is true if the broker
// has handed us this event before.
func (c *clock) stamp(e *event, now time.Time, again bool) {
	e.start, e.end, e.timeSource = now, now, timeFromReceiver
	if e.kind == eventPublish {
		c.stampPublish(e, again)
		return
	}
	// After a dead letter the broker's stamp and the publish belong to another queue.
	if len(e.deaths) > 0 {
		return
	}
	published, source := e.brokerTime, timeFromBroker
	if published.IsZero() {
		var known bool
		source = timeFromPair
		if published, known = c.pairs.take(c.ids.message(e), e.redelivered); !known {
			return
		}
	}
	if published.After(now) {
		published = now
		c.clamped++
	}
	e.start, e.inQueue, e.timeSource = published, true, source
}

func (c *clock) stampPublish(e *event, again bool) {
	if !e.brokerTime.IsZero() {
		e.start, e.end, e.timeSource = e.brokerTime, e.brokerTime, timeFromBroker
		return
	}
	if e.routedKnown && e.attempt == 0 {
		c.pairs.put(c.ids.message(e), e.start, len(e.routed), again)
	}
}
