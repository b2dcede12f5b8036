package journeysextension

import (
	"slices"
	"time"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// book is what is known of one journey besides its aggregates.
type book struct {
	seen         time.Time // last
	trends       [windows]trend
	kept, failed []journey.Trace // the latest, the latest last
}

// bookSize is the memory of a book with its traces.
const bookSize = 48 << 10

// note adds traces to a list of the latest, with texts fit to be held. Reports
// of several shards overlap in time.
func note(list, more []journey.Trace, limits *journey.Limits) []journey.Trace {
	for _, t := range more[max(0, len(more)-journey.MaxLatest):] {
		t.OutcomeReason, _ = journey.Text(t.OutcomeReason, journey.MaxReason)
		t.Reason, _ = journey.Text(t.Reason, journey.MaxReason)
		t.Rule, _ = limits.Name(t.Rule)
		t.Service, _ = limits.Name(t.Service)
		t.Operation, _ = limits.Name(t.Operation)
		list = append(list, t)
	}
	slices.SortStableFunc(list, func(a, b journey.Trace) int { return a.At.Compare(b.At) })
	return slices.Clone(list[max(0, len(list)-journey.MaxLatest):])
}

// trend is counts by steps of time. Its zero value is one of nothing.
type trend struct {
	points [stepsPerWindow]journey.Counts
	last   int64 // place of the latest step
}

// at returns the point of a step that is not before the latest.
func (t *trend) at(step int64) *journey.Counts {
	t.advance(step)
	return &t.points[t.last%stepsPerWindow]
}

// advance empties the points of the steps up to step.
func (t *trend) advance(step int64) {
	if step-t.last >= stepsPerWindow {
		clear(t.points[:])
		t.last = step
	}
	for t.last < step {
		t.last++
		t.points[t.last%stepsPerWindow] = journey.Counts{}
	}
}

// values are the points up to step, the oldest first.
func (t *trend) values(step int64, of func(*journey.Counts) int64) []int64 {
	t.advance(step)
	list := make([]int64, 0, stepsPerWindow)
	for i := range int64(stepsPerWindow) {
		list = append(list, max(of(&t.points[(t.last+1+i)%stepsPerWindow]), 0))
	}
	return list
}
