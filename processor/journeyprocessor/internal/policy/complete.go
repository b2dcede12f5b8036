package policy

import (
	"time"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
)

// Deadline is when a trace is to be decided if no more of it arrives: its
// first span arrived at first, its last one at last. A trace of which nothing
// is known to be missing waits only for quiet; what it does lack gives it
// longer, a message in a queue longest. More that is missing never makes the
// wait shorter but for a message that was unroutable: it explains why a step is
// missing, and nobody will take that step. Nothing waits beyond Max.
func (p *Policy) Deadline(f *facts.Facts, learned *Learned, first, last time.Time) time.Time {
	waits, steps := p.Waits, []Step(nil)
	if j := p.named(f); j != nil {
		waits, steps = j.Waits, j.Steps
	}
	wait := waits.Quiet
	if !IsWhole(f) || f.Unroutable == nil && reached(f, steps) < len(steps) {
		wait = max(wait, waits.Missing)
	}
	if f.OpenMessages() > 0 {
		wait = max(wait, waits.Message)
	}
	if wait < max(waits.Missing, waits.Message) {
		wait = max(wait, waits.forCalls(f, learned))
	}
	at, limit := last.Add(wait), first.Add(waits.Max)
	if at.After(limit) {
		return limit
	}
	return at
}

// named returns the journey the trace is known to be; nil as long as it is none.
func (p *Policy) named(f *facts.Facts) *Journey {
	for i := range p.Journeys {
		if f.Held.Has(p.Journeys[i].Match) {
			return &p.Journeys[i]
		}
	}
	return nil
}

// IsWhole says that by all that is known the trace has all of its spans.
func IsWhole(f *facts.Facts) bool {
	return f.Root() != nil && f.MissingParents() == 0 && f.OpenMessages() == 0
}

// forCalls is how long the trace waits for what its open calls ask for.
func (w *Waits) forCalls(f *facts.Facts, learned *Learned) time.Duration {
	var wait time.Duration
	for call := range f.Calls {
		if call.Answered < call.Seen {
			wait = max(wait, w.forCall(call.Key.IsProducer(), learned.calls.ask(call.Key)))
		}
	}
	return wait
}

// forCall is how long an open call keeps its trace waiting. That a message is
// never consumed is unusual, so of a producer nothing is known to speak against
// it; that a server sends no spans is usual (databases do not), so a client's
// call has to have been answered before.
func (w *Waits) forCall(isProducer bool, known experience) time.Duration {
	switch {
	case known == unansweredCall:
		return w.Quiet
	case isProducer && known == answeredCall:
		return w.Message
	case isProducer || known == answeredCall:
		return w.Missing
	}
	return w.Quiet
}
