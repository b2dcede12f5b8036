// Package policy names a journey, says how it ended, when it is finished, and
// whether it is kept. All of it is a function of the trace's facts, of what the
// user configured, and of what was learned from earlier journeys, which is
// passed in: no clock, no pipeline.
package policy

import (
	"cmp"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/match"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/weight"
)

// Policy is everything that decides about a trace. It does not change once it
// is in use, and may then be used by any number of goroutines.
type Policy struct {
	Journeys []Journey // the first whose match has held gives the name
	Waits    Waits     // of journeys that have none of their own
	Outcomes Outcomes
	Rules    []Rule // the first that matches is final
	// UsesShapes says that a rule asks for the shape, which facts gather only
	// then. NewLearned sets it.
	UsesShapes bool
}

// Journey is a named journey.
type Journey struct {
	Name  string
	Match match.Index
	Steps []Step
	Waits Waits
}

// Step is a part of a journey without which it is incomplete.
type Step struct {
	Name  string
	Match match.Index
}

// Waits are the times after which a trace is decided, each counted from the
// last arrival of a span but Max, which is counted from the first.
type Waits struct {
	Quiet, Missing, Message, Max time.Duration
}

// Outcomes says what makes a journey an error and what makes it incomplete.
type Outcomes struct {
	ErrorOn ErrorOn
	// Condition is what a span fulfils that makes its journey an error, and
	// Described how the user wrote it; with ErrorOnCondition.
	Condition match.Index
	Described string

	RootlessIsIncomplete     bool
	DeadLetteredIsIncomplete bool
}

// ErrorOn is what makes a journey an error.
type ErrorOn uint8

// The error status of any span, that of the root span, or a condition.
const (
	ErrorOnAnySpan ErrorOn = iota
	ErrorOnRootSpan
	ErrorOnCondition
)

// Rule is one line of the sampling rules.
type Rule struct {
	Name      string
	When      When
	Threshold sampling.Threshold // of the probability with which it keeps
	// Sampled is the reason a journey is given that this rule samples.
	Sampled string
}

// Ending is how a trace came to be decided.
type Ending uint8

const (
	// Waited is the end of the wait that its facts asked for.
	Waited Ending = iota
	// Early is a decision before that: nothing is concluded from what is
	// missing, because it was not waited for.
	Early
)

// Decision is what was decided about one journey.
type Decision struct {
	Journey     string
	Outcome     Outcome
	Why         string // it is not ok
	Complete    bool   // nothing is known to be missing
	Steps       []Step
	Reached     int // how many of Steps
	Kept        bool
	Rule        string
	RuleIndex   int  // of Rule in the policy; NoRule if none matched
	MustKeep    bool // the rule keeps all that it matches
	Reason      string
	Threshold   sampling.Threshold
	Probability float64
}

// NoRule is the RuleIndex of what no rule matches.
const NoRule = -1

// NoRuleName is what stands for its rule's name.
const NoRuleName = "no rule"

// unmatched is the rule for what no rule matches: it is kept, since nobody
// decided to drop it.
var unmatched = Rule{Name: NoRuleName, Threshold: sampling.AlwaysSampleThreshold, Sampled: "no rule matches"}

// Decide decides about the trace id with the given facts, by what has been
// learned until now. The caller adds this journey to it afterwards.
func (p *Policy) Decide(id pcommon.TraceID, f *facts.Facts, ending Ending, learned *Learned, now time.Time) Decision {
	journey := p.journey(f)
	d := Decision{Journey: journey.Name, Steps: journey.Steps, Reached: reached(f, journey.Steps)}
	d.Complete = d.Reached == len(d.Steps) && IsWhole(f)
	d.Outcome, d.Why = p.outcome(f, journey.Steps, ending)

	rule, index, reason := p.rule(&asking{facts: f, decision: &d, ending: ending, learned: learned, now: now})
	d.Rule, d.RuleIndex = rule.Name, index
	d.Threshold, d.Probability = rule.Threshold, rule.Threshold.Probability()
	d.MustKeep = index != NoRule && rule.Threshold == sampling.AlwaysSampleThreshold
	switch {
	case reason != "":
		d.Reason = reason
	case rule.When.Outcome != nil && d.Why != "":
		d.Reason = d.Why
	default:
		d.Reason = rule.Sampled
	}
	d.Kept = rule.Threshold.ShouldSample(weight.Randomness(id, f.Randomness, f.HasRandomness))
	return d
}

// journey finds the name. Without a match it is "<root service> <root span>",
// or the same of the earliest span while there is no root.
func (p *Policy) journey(f *facts.Facts) Journey {
	if j := p.named(f); j != nil {
		return *j
	}
	if span := cmp.Or(f.Root(), f.First()); span != nil {
		return Journey{Name: span.Service + " " + span.Name}
	}
	return Journey{Name: "no spans"}
}

// rule returns the first rule that matches, and a reason if it has one that is
// better than the rule's own.
func (p *Policy) rule(a *asking) (rule *Rule, index int, reason string) {
	for i := range p.Rules {
		if ok, reason := p.Rules[i].When.holds(a); ok {
			return &p.Rules[i], i, reason
		}
	}
	return &unmatched, NoRule, ""
}

// reached counts the steps that have been reached.
func reached(f *facts.Facts, steps []Step) int {
	n := 0
	for i := range steps {
		if f.Held.Has(steps[i].Match) {
			n++
		}
	}
	return n
}

// StepNames lists the names of the decision's steps that were reached and of
// those that were not, in the journey's order.
func (d *Decision) StepNames(f *facts.Facts) (reached, missing []string) {
	for i := range d.Steps {
		if f.Held.Has(d.Steps[i].Match) {
			reached = append(reached, d.Steps[i].Name)
		} else {
			missing = append(missing, d.Steps[i].Name)
		}
	}
	return reached, missing
}
