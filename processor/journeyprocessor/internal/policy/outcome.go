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
	if f.Root == nil && f.Spans > 0 && p.Outcomes.RootlessIsIncomplete {
		return Incomplete, "the root span is missing"
	}
	return OK, ""
}

func (p *Policy) fault(f *facts.Facts) string {
	switch {
	case p.Outcomes.ErrorOnRootOnly && f.Root != nil && f.Root.Failed:
		return fmt.Sprintf("root span %q of %q failed", f.Root.Name, f.Root.Service)
	case !p.Outcomes.ErrorOnRootOnly && f.Error != nil && f.Error.Message != "":
		return fmt.Sprintf("%q of %q failed: %s", f.Error.Name, f.Error.Service, f.Error.Message)
	case !p.Outcomes.ErrorOnRootOnly && f.Error != nil:
		return fmt.Sprintf("%q of %q failed", f.Error.Name, f.Error.Service)
	}
	return ""
}
