package recording

import (
	"slices"
	"time"
)

const (
	// ahead is how many batches a clock looks at before it believes one that
	// is far ahead.
	ahead = 16
	// stride is what it believes at once.
	stride = time.Minute
	// quorum is how many of them there must be.
	quorum = 3
)

// clock dates batches that are not stamped. What a batch has is when its last
// span ended, by the clock of the host that sent it; file order is the order in
// which batches came. So time goes on with the latest of what came. But a
// single host whose clock is an hour fast must not make an hour pass for all
// the others: more than a stride at once is believed only as far as the median
// of the next batches goes, too.
type clock struct {
	now time.Time
	// disbelieved is how many batches claimed a later time than they were given.
	disbelieved int
}

// date gives the first batch of the window the time at which it came. The
// others are those after it.
func (c *clock) date(window []Batch) time.Time {
	at := window[0].At
	if !window[0].stamped && at.Sub(c.now) > stride {
		if believed := c.median(window); believed.Before(at) {
			c.disbelieved++
			at = believed
		}
	}
	if at.After(c.now) {
		c.now = at
	}
	return c.now
}

// median is the middle of the times of a window; what has none does not count.
// Too few, at the end of a file, are not believed to be later than what was
// before them; if there was nothing, the first is.
func (c *clock) median(window []Batch) time.Time {
	var times []time.Time
	for i := range window {
		if !window[i].At.IsZero() {
			times = append(times, window[i].At)
		}
	}
	switch {
	case len(times) >= quorum:
		slices.SortFunc(times, time.Time.Compare)
		return times[(len(times)-1)/2]
	case c.now.IsZero():
		return window[0].At
	default:
		return c.now
	}
}
