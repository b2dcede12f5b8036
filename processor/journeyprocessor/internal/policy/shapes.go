package policy

import (
	"sync"
	"time"
)

// shapes counts the journeys of each shape that a rule has let through. Any
// goroutine may use it. It holds at most max counts, of about 80 bytes.
type shapes struct {
	max int

	mu        sync.Mutex // for all below
	seen      map[shapeKey]shapeCount
	swept     time.Time // when the counts were last looked through
	untracked int64     // journeys whose shape found no room
}

// shapeKey is a shape as one condition sees it.
type shapeKey struct {
	condition int
	shape     uint64
}

// shapeCount is how many journeys have come in the interval that ends at until.
type shapeCount struct {
	until time.Time
	count int
}

// sweepEvery bounds how often a full table looks for counts whose interval is
// over: it takes 0.1 ms for 10,000 of them.
const sweepEvery = time.Second

// take says whether this journey is one of the first k of its shape in its
// interval, and counts it if so. The interval begins with its first journey.
func (s *shapes) take(key shapeKey, k int, every time.Duration, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	count, known := s.seen[key]
	if !known && len(s.seen) >= s.max && !s.sweep(now) {
		s.untracked++
		return false
	}
	if !known || !now.Before(count.until) {
		count = shapeCount{until: now.Add(every)}
	}
	if count.count >= k {
		return false
	}
	count.count++
	s.seen[key] = count
	return true
}

// sweep forgets counts whose interval is over and says whether there is room.
func (s *shapes) sweep(now time.Time) bool {
	if now.Sub(s.swept) < sweepEvery {
		return false
	}
	s.swept = now
	for key, count := range s.seen {
		if !now.Before(count.until) {
			delete(s.seen, key)
		}
	}
	return len(s.seen) < s.max
}
