package policy

import (
	"fmt"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
)

// Outcome is how a journey ended.
type Outcome uint8

// The outcomes. An error goes before incomplete: a journey that failed often
// lacks what would have come later.
const (
	OK Outcome = iota
	Error
	Incomplete
)

var outcomeNames = [...]string{OK: "ok", Error: "error", Incomplete: "incomplete"}

func (o Outcome) String() string { return outcomeNames[o] }

// ParseOutcome is the inverse of String.
func ParseOutcome(s string) (Outcome, error) {
	for o, name := range outcomeNames {
		if s == name {
			return Outcome(o), nil
		}
	}
	return OK, fmt.Errorf("must be ok, error or incomplete, got %q", s)
}

// outcome says how the journey ended and why, in words; an ok one needs none.
func (p *Policy) outcome(f *facts.Facts, steps []Step, ending Ending) (Outcome, string) {
	if fault := p.fault(f); fault != "" {
		return Error, fault
	}
	if f.Unroutable != nil {
		return Incomplete, fmt.Sprintf("a message was unroutable: %q", f.Unroutable.Name)
	}
	if from, to, ok := f.DeadLettered(); ok && p.Outcomes.DeadLetteredIsIncomplete {
		return Incomplete, fmt.Sprintf("a message was dead-lettered from %q to %q", from, to)
	}
	if ending == Early {
		return OK, ""
	}
	if queue := f.OpenQueue(); queue != "" {
		return Incomplete, fmt.Sprintf("a message in %q was not delivered", queue)
	}
	for i := range steps {
		if !f.Held.Has(steps[i].Match) {
			return Incomplete, fmt.Sprintf("step %q is missing", steps[i].Name)
		}
	}
	if f.Root() == nil && f.Spans > 0 && p.Outcomes.RootlessIsIncomplete {
		return Incomplete, "the root span is missing"
	}
	return OK, ""
}

// ShowsFault says whether something went wrong by these facts alone, by the
// settings or by a span's status; nothing is concluded from what they lack.
func (p *Policy) ShowsFault(f *facts.Facts) bool {
	if f.Error != nil {
		return true
	}
	outcome, _ := p.outcome(f, nil, Early)
	return outcome != OK
}

// fault says in words what makes the journey an error; "" if nothing does.
func (p *Policy) fault(f *facts.Facts) string {
	switch p.Outcomes.ErrorOn {
	case ErrorOnRootSpan:
		if root := f.Root(); root != nil && root.Failed {
			return fmt.Sprintf("root span %q of %q failed", root.Name, root.Service)
		}
	case ErrorOnCondition:
		if f.Held.Has(p.Outcomes.Condition) {
			return fmt.Sprintf("a span fulfils outcome::condition (%s)", p.Outcomes.Described)
		}
	case ErrorOnAnySpan:
		if f.Error != nil {
			return failure(f.Error)
		}
	}
	return ""
}

func failure(fault *facts.Fault) string {
	words := fmt.Sprintf("%q of %q failed", fault.Name, fault.Service)
	if fault.Message != "" {
		words += ": " + fault.Message
	}
	return words
}
