package journey

import (
	"math/bits"
	"time"
)

// Sketch is a histogram of durations whose buckets are 1/16 of a power of two
// wide, so that a quantile is at most 3.2 % off, between 1 µs and 39 hours. It
// holds the buckets from the least to the greatest that was seen: some 400
// bytes of a usual journey, 2.4 KiB at most. The zero value is empty.
type Sketch struct {
	counts []uint32
	first  int // the bucket of counts[0]
	total  uint64
}

const (
	subBits          = 4
	minBits, maxBits = 10, 47
	// SketchError is how far off a quantile can be, as a share of it.
	SketchError = 0.032
	// lengthStep is by how many buckets a sketch grows at least.
	lengthStep = 16
	bucketSize = 4
)

func bucketOf(ns uint64) int {
	ns = min(max(ns, 1<<minBits), 1<<maxBits-1)
	power := bits.Len64(ns) - 1
	return (power-minBits)<<subBits | int(ns>>(power-subBits)&(1<<subBits-1))
}

func middleOf(bucket int) time.Duration {
	power, sub := bucket>>subBits+minBits, uint64(bucket&(1<<subBits-1))
	width := uint64(1) << (power - subBits)
	return time.Duration((1<<subBits+sub)*width + width/2)
}

// Add adds a duration in nanoseconds.
func (s *Sketch) Add(ns uint64) { s.count(bucketOf(ns), 1, nil) }

// Total is how many durations were added.
func (s *Sketch) Total() uint64 { return s.total }

// count adds n durations of a bucket. If there is no room to grow, they are
// counted in the nearest bucket that there is.
func (s *Sketch) count(bucket int, n uint32, a *Aggregate) {
	if len(s.counts) == 0 || bucket < s.first || bucket >= s.first+len(s.counts) {
		if !s.grow(bucket, a) {
			bucket = min(max(bucket, s.first), s.first+len(s.counts)-1)
		}
	}
	s.total += uint64(n)
	if len(s.counts) > 0 {
		s.counts[bucket-s.first] += n
	}
}

// grow makes room for a bucket, and says whether it could.
func (s *Sketch) grow(bucket int, a *Aggregate) bool {
	first, last := bucket, bucket
	if len(s.counts) > 0 {
		first, last = min(first, s.first), max(last, s.first+len(s.counts)-1)
	}
	first -= first % lengthStep
	last += lengthStep - 1 - last%lengthStep
	if more := last + 1 - first - len(s.counts); a != nil && !a.take(int64(more*bucketSize)) {
		return false
	}
	counts := make([]uint32, last+1-first)
	if len(s.counts) > 0 {
		copy(counts[s.first-first:], s.counts)
	}
	s.counts, s.first = counts, first
	return true
}

// merge adds what other has seen; a, if not nil, accounts for the room.
func (s *Sketch) merge(other *Sketch, a *Aggregate) {
	for i, n := range other.counts {
		if n > 0 {
			s.count(other.first+i, n, a)
		}
	}
}

// Merge adds what other has seen. It only reads other.
func (s *Sketch) Merge(other *Sketch) { s.merge(other, nil) }

// Quantile returns the duration below which the share q of those seen lies,
// and false if nothing has been seen.
func (s *Sketch) Quantile(q float64) (time.Duration, bool) {
	if s.total == 0 || len(s.counts) == 0 {
		return 0, false
	}
	rank, below := min(uint64(q*float64(s.total)), s.total-1), uint64(0)
	for i, n := range s.counts {
		if below += uint64(n); below > rank {
			return middleOf(s.first + i), true
		}
	}
	return middleOf(s.first + len(s.counts) - 1), true
}
