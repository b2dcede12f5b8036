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
	published, source := c.published(e, now)
	if published.IsZero() {
		return
	}
	if published.After(now) {
		published = now
		c.clamped++
	}
	e.start, e.inQueue, e.timeSource = published, true, source
}

// published is when the delivered message was, and who says so; zero if nobody trustworthy does.
func (c *clock) published(e *event, now time.Time) (time.Time, string) {
	if !e.brokerTime.IsZero() {
		return e.brokerTime, timeFromBroker
	}
	if published, known := c.pairs.take(c.ids.message(e), e.redelivered); known {
		return published, timeFromPair
	}
	if plausible(e.publisherTime, now) {
		return e.publisherTime, timeFromPublisher
	}
	return time.Time{}, ""
}

// plausible sorts out what was never meant as seconds: the firehose squeezes the property into 32 bits,
// so that milliseconds end up anywhere.
func plausible(t, now time.Time) bool {
	return t.After(now.Add(-maxMessageAge)) && t.Before(now.Add(maxClockSkew))
}

const (
	maxMessageAge = 7 * 24 * time.Hour
	maxClockSkew  = time.Minute
)

func (c *clock) stampPublish(e *event, again bool) {
	if !e.brokerTime.IsZero() {
		e.start, e.end, e.timeSource = e.brokerTime, e.brokerTime, timeFromBroker
		return
	}
	if e.routedKnown && e.attempt == 0 {
		c.pairs.put(c.ids.message(e), e.start, len(e.routed), again)
	}
}
