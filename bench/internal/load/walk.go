package load

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// Shares of the traces, and of the messages.
const (
	failedShare = 0.01
	slowShare   = 0.01
	// lateShare of the messages waits in its queue for up to maxLag.
	lateShare = 0.05
	maxLag    = 1500 * time.Millisecond
)

// faultBefore is how many spans every journey has for sure on the way that its
// user waits for. One of the first so many is where a fault or a delay sits.
const faultBefore = 4

// span is a span that is planned and not encoded. Times are since the shop
// opened.
type span struct {
	trace      pcommon.TraceID
	id, parent uint64 // 0: no parent
	start, end time.Duration
	step       *step
	instance   int
	failed     bool
	salt       uint64 // what makes attribute values differ
}

// trace is all that one user action set off.
type trace struct {
	id       pcommon.TraceID
	spans    []*span
	mustKeep bool
}

func (t *trace) mark() Mark {
	m := Mark{Spans: len(t.spans)}
	for _, s := range t.spans {
		m.IDs += s.id
	}
	return m
}

// walker makes traces; their times, faults and ids come from one source.
type walker struct {
	random *rand.Rand
	// Of the trace at hand: what it has, and at which of its spans it fails or
	// is slow (-1: nowhere).
	current        *trace
	failAt, slowAt int
}

// trace walks through a journey that begins at start.
func (w *walker) trace(start time.Duration) *trace {
	j := w.journey()
	t := &trace{mustKeep: j.rare}
	binary.BigEndian.PutUint64(t.id[:8], w.random.Uint64())
	binary.BigEndian.PutUint64(t.id[8:], w.random.Uint64())
	w.current, w.failAt, w.slowAt = t, -1, -1
	switch p := w.random.Float64(); {
	case p < failedShare:
		w.failAt, t.mustKeep = w.random.IntN(faultBefore), true
	case p < failedShare+slowShare:
		w.slowAt, t.mustKeep = w.random.IntN(faultBefore), true
	}
	w.visit(j.root, 0, start)
	return t
}

func (w *walker) journey() *journey {
	p := w.random.Float64()
	for i := range journeys {
		if p -= journeys[i].share; p < 0 {
			return &journeys[i]
		}
	}
	return &journeys[0]
}

// visit adds the span of one step and of all it calls, and says when the
// caller goes on and whether the step failed. Who calls a step that failed
// fails as well and calls nothing more.
func (w *walker) visit(s *step, parent uint64, start time.Duration) (end time.Duration, failed bool) {
	place := len(w.current.spans)
	v := &span{
		trace: w.current.id, id: w.random.Uint64() | 1, parent: parent, start: start, step: s,
		instance: int(s.service)*instancesPerService + w.random.IntN(instancesPerService), salt: w.random.Uint64(),
	}
	w.current.spans = append(w.current.spans, v)
	now := start + w.work()
	if place == w.slowAt {
		now += SlowAfter + time.Duration(w.random.Int64N(int64(SlowAfter)))
	}
	v.failed = place == w.failAt
	for i := 0; i < len(s.calls) && !v.failed; i++ {
		now, v.failed = w.call(s.calls[i], v.id, now)
	}
	v.end = now + w.work()
	return v.end, v.failed
}

// call visits a step as often as it happens. Nobody waits for a consumer or
// hears of its fault.
func (w *walker) call(s *step, parent uint64, now time.Duration) (end time.Duration, failed bool) {
	if s.async {
		w.visit(s, parent, now+w.lag())
		return now, false
	}
	times := 1
	if s.upTo > 1 {
		times += w.random.IntN(s.upTo)
	}
	for i := 0; i < times && !failed; i++ {
		now, failed = w.visit(s, parent, now)
	}
	return now, failed
}

// work is the time a step itself takes before and after its calls.
func (w *walker) work() time.Duration {
	return min(50*time.Microsecond+time.Duration(w.random.ExpFloat64()*float64(time.Millisecond)), 12*time.Millisecond)
}

// lag is the time a message waits in its queue.
func (w *walker) lag() time.Duration {
	if w.random.Float64() < lateShare {
		return time.Duration(w.random.Int64N(int64(maxLag)))
	}
	return min(time.Duration(w.random.ExpFloat64()*float64(8*time.Millisecond)), 80*time.Millisecond)
}
