package policy

import (
	"time"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
)

// Deadline is when a trace is to be decided if no more of it arrives: its
// first span arrived at first, its last one at last. A trace of which nothing
// is known to be missing waits only for quiet; what it does lack gives it
// longer, a message in a queue longest. Nothing waits beyond Max.
func (p *Policy) Deadline(f *facts.Facts, first, last time.Time) time.Time {
	var wait time.Duration
	switch {
	case f.OpenMessages() > 0:
		wait = p.Waits.Message
	case !IsWhole(f) || p.lacksStep(f):
		wait = p.Waits.Missing
	default:
		wait = p.Waits.Quiet
	}
	at, limit := last.Add(max(wait, p.Waits.Quiet)), first.Add(p.Waits.Max)
	if at.After(limit) {
		return limit
	}
	return at
}

func (p *Policy) lacksStep(f *facts.Facts) bool {
	for i := range p.Journeys {
		if f.Held.Has(p.Journeys[i].Match) {
			return reached(f, p.Journeys[i].Steps) < len(p.Journeys[i].Steps)
		}
	}
	return false
}

// IsWhole says that by all that is known the trace has all of its spans.
func IsWhole(f *facts.Facts) bool {
	return f.Root != nil && f.MissingParents() == 0 && f.OpenMessages() == 0
}
