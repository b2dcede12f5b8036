// Package deadline keeps things by the time they are due.
package deadline

import "time"

// Queue hands out what is due. It is a timing wheel without a horizon: adding
// takes constant time, and so does each thing handed out, whether it waits a
// second or half an hour. Nothing can be taken out early: an owner whose thing
// was decided or moved ignores it when it comes up, and should see to it that
// the entry holds no memory until then. One goroutine at a time.
type Queue[T any] struct {
	tick  time.Duration
	began time.Time // where slots are counted from; keeps its monotonic reading
	slots map[int64][]T
	next  int64 // the first slot that has not been handed out
}

// New makes a queue that hands things out at most one tick after they are due.
func New[T any](tick time.Duration, now time.Time) *Queue[T] {
	return &Queue[T]{tick: tick, began: now, slots: make(map[int64][]T)}
}

// Add puts v in to be handed out at at or up to a tick later; at the next call
// of Due if that has passed.
func (q *Queue[T]) Add(at time.Time, v T) {
	slot := max(q.slot(at)+1, q.next)
	q.slots[slot] = append(q.slots[slot], v)
}

// Due calls f with everything that is due, in the order of its slots. F may
// call Add.
func (q *Queue[T]) Due(now time.Time, f func(v T)) {
	for last := q.slot(now); q.next <= last; {
		slot := q.next
		q.next++
		for _, v := range q.slots[slot] {
			f(v)
		}
		delete(q.slots, slot)
	}
}

// slot goes by the monotonic clock of times that have its reading: a wall clock
// that is set back must not hold up what is due.
func (q *Queue[T]) slot(at time.Time) int64 { return int64(at.Sub(q.began) / q.tick) }
