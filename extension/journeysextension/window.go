package journeysextension

import (
	"time"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// windowSpec is a time that can be looked back over.
type windowSpec struct {
	name   string
	length time.Duration
}

var windowSpecs = [...]windowSpec{{"5m", 5 * time.Minute}, {"1h", time.Hour}, {"24h", 24 * time.Hour}}

const (
	windows = len(windowSpecs)
	// panesPerWindow is in how many parts a window moves on: it covers up to a
	// tenth more than its name says.
	panesPerWindow = 10
	// stepsPerWindow is how many points a trend has.
	stepsPerWindow = 60
)

func (s *windowSpec) pane() time.Duration { return s.length / panesPerWindow }
func (s *windowSpec) step() time.Duration { return s.length / stepsPerWindow }

// place is the number of the pane or step, d long, that now falls into.
func place(now time.Time, d time.Duration) int64 { return now.UnixNano() / int64(d) }

// window is the aggregates of the last time, each of one part of it. The
// latest is not over yet.
type window struct {
	*windowSpec
	panes []pane // oldest first
}

type pane struct {
	place int64
	*journey.Aggregate
}

// forget lets go of what is too long ago.
func (w *window) forget(now time.Time) {
	oldest := place(now, w.pane()) - panesPerWindow
	n := 0
	for n < len(w.panes) && w.panes[n].place < oldest {
		w.panes[n].Free()
		n++
	}
	if n > 0 {
		w.panes = append([]pane(nil), w.panes[n:]...)
	}
}

// current is the pane of now, which is made if there is none.
func (w *window) current(now time.Time, limits journey.Limits, room *journey.Room) *journey.Aggregate {
	at := place(now, w.pane())
	if n := len(w.panes); n > 0 && w.panes[n-1].place >= at {
		return w.panes[n-1].Aggregate // or a clock was set back
	}
	w.forget(now)
	w.panes = append(w.panes, pane{at, journey.NewAggregate(limits, room)})
	return w.panes[len(w.panes)-1].Aggregate
}

// covers says what time the window is about now, which began when the extension
// was started at the earliest.
func (w *window) covers(started, now time.Time) (from, to time.Time) {
	from = time.Unix(0, (place(now, w.pane())-panesPerWindow)*int64(w.pane()))
	if from.Before(started) {
		from = started
	}
	return from, now
}
