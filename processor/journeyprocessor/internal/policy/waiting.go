package policy

import (
	"time"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
)

// Waiting is what can be said of a trace before its decision.
type Waiting struct {
	Journey string
	Steps   []Step
	Outcome Outcome // not ok if that is certain
	Why     string
	Whole   bool // nothing is known to be missing
	Lacks   []Lack
	Max     time.Duration // from the arrival of the first span
}

// Lack is something that a trace is waited for, for so long after its last span
// arrived.
type Lack struct {
	What  journey.LackOf
	Name  string
	Count int
	Wait  time.Duration
}

// Waiting says what a trace waits for: whatever makes its Deadline later than
// quiet would. The longest of its waits is the deadline's.
func (p *Policy) Waiting(f *facts.Facts, learned *Learned) Waiting {
	j := p.journey(f)
	waits := p.Waits
	if named := p.named(f); named != nil {
		waits = named.Waits
	}
	w := Waiting{Journey: j.Name, Steps: j.Steps, Max: waits.Max}
	w.Outcome, w.Why = p.outcome(f, j.Steps, Early)
	w.Whole = IsWhole(f) && reached(f, j.Steps) == len(j.Steps)
	w.addMissing(f, &waits)
	w.addCalls(f, &waits, learned)
	if len(w.Lacks) == 0 {
		w.Lacks = []Lack{{What: journey.LackQuiet, Wait: waits.Quiet}}
	}
	return w
}

// addMissing adds what is known to be missing.
func (w *Waiting) addMissing(f *facts.Facts, waits *Waits) {
	missing := max(waits.Quiet, waits.Missing)
	if f.Root() == nil {
		w.add(journey.LackRoot, missing, facts.Lack{Count: 1})
	}
	if f.MissingParents() > 0 {
		w.add(journey.LackParent, missing, f.Orphans()...)
	}
	for i := range w.Steps {
		if f.Unroutable == nil && !f.Held.Has(w.Steps[i].Match) {
			w.add(journey.LackStep, missing, facts.Lack{Name: w.Steps[i].Name, Count: 1})
		}
	}
	w.add(journey.LackDelivery, max(missing, waits.Message), f.OpenQueues()...)
}

// addCalls adds the calls that are waited for longer than for quiet.
func (w *Waiting) addCalls(f *facts.Facts, waits *Waits, learned *Learned) {
	longest := waits.Quiet
	calls := f.OpenCalls(func(key facts.CallKey) bool {
		wait := waits.forCall(key.IsProducer(), learned.calls.ask(key))
		longest = max(longest, wait)
		return wait > waits.Quiet
	})
	w.add(journey.LackAnswer, longest, calls...)
}

func (w *Waiting) add(what journey.LackOf, wait time.Duration, lacks ...facts.Lack) {
	for _, l := range lacks {
		w.Lacks = append(w.Lacks, Lack{What: what, Name: l.Name, Count: l.Count, Wait: wait})
	}
}
