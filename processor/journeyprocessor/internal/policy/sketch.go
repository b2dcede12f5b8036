package policy

import (
	"math/bits"
	"time"
)

// sketch learns the distribution of a duration from a stream of them, in a
// fixed 9.5 KiB: a histogram whose buckets are 1/32 of a power of two wide, so
// that a quantile is at most 1.6 % off, between 1 µs and 39 hours.
//
// It has two generations. The younger fills while the older still counts;
// after half a window the older one goes, but not before the younger has seen
// enough by itself: of a rare journey the last ones count, however long ago
// they were.
//
// DDSketch (github.com/DataDog/sketches-go) has the same guarantee with a
// store that collapses; but a quantile over two generations would need a merge
// into a third, and its buckets grow with what strangers send.
type sketch struct {
	young, old *histogram
	since      time.Time // when the young generation began
}

const (
	// subBuckets is how many buckets a power of two has.
	subBuckets = 1 << subBits
	subBits    = 5
	// minBits and maxBits are the powers of two of nanoseconds between which
	// durations are told apart.
	minBits, maxBits = 10, 47
)

type histogram struct {
	counts [(maxBits - minBits) * subBuckets]uint32
	total  uint64
}

// bucket returns the place of a duration in nanoseconds.
func bucket(ns uint64) int {
	ns = min(max(ns, 1<<minBits), 1<<maxBits-1)
	power := bits.Len64(ns) - 1
	return (power-minBits)<<subBits | int(ns>>(power-subBits)&(subBuckets-1))
}

// middle is the middle of a bucket, in nanoseconds.
func middle(bucket int) uint64 {
	power, sub := bucket>>subBits+minBits, uint64(bucket&(subBuckets-1))
	width := uint64(1) << (power - subBits)
	return (subBuckets+sub)*width + width/2
}

// add learns one duration. The window turns when half of it is over and enough
// has been seen meanwhile.
func (s *sketch) add(ns uint64, now time.Time, window time.Duration, enough uint64) {
	switch {
	case s.young == nil:
		s.young, s.since = &histogram{}, now
	case s.young.total >= enough && now.Sub(s.since) >= window/2:
		s.old, s.young, s.since = s.young, s.spare(), now
	}
	s.young.counts[bucket(ns)]++
	s.young.total++
}

// spare is an empty histogram, of the memory of the one that goes.
func (s *sketch) spare() *histogram {
	if s.old == nil {
		return &histogram{}
	}
	*s.old = histogram{}
	return s.old
}

// seen is how many durations count.
func (s *sketch) seen() uint64 {
	n := uint64(0)
	for _, h := range []*histogram{s.young, s.old} {
		if h != nil {
			n += h.total
		}
	}
	return n
}

// quantile returns the duration in nanoseconds below which the share q of
// those seen lies; 0 if nothing has been seen.
func (s *sketch) quantile(q float64) uint64 {
	seen := s.seen()
	if seen == 0 {
		return 0
	}
	rank, below := uint64(q*float64(seen)), uint64(0)
	for i := range s.young.counts {
		below += uint64(s.young.counts[i])
		if s.old != nil {
			below += uint64(s.old.counts[i])
		}
		if below > min(rank, seen-1) {
			return middle(i)
		}
	}
	return 0
}
