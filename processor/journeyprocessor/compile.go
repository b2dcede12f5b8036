package journeyprocessor

import (
	"fmt"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/match"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/weight"
)

// compiler turns a valid configuration into what decides, and all its matches
// into one set.
type compiler struct {
	set    *match.Set
	failed conditionFailed
}

// compile makes the policy, what it learns, and the set of its matches. Failed
// is told of OTTL conditions that fail while they are evaluated.
func compile(c *Config, failed conditionFailed) (*policy.Policy, *policy.Learned, *match.Set, error) {
	x := &compiler{set: &match.Set{}, failed: failed}
	p := &policy.Policy{Waits: c.Completion.waits()}
	if err := x.outcomes(&c.Outcome, &p.Outcomes); err != nil {
		return nil, nil, nil, prefixed("outcome", err)
	}
	for i := range c.Journeys {
		journey, err := x.journey(&c.Journeys[i], c.Completion)
		if err != nil {
			return nil, nil, nil, prefixed(fmt.Sprintf("journeys::%d", i), err)
		}
		p.Journeys = append(p.Journeys, journey)
	}
	for i := range c.Sampling.Rules {
		rule, err := x.rule(&c.Sampling.Rules[i])
		if err != nil {
			return nil, nil, nil, prefixed(fmt.Sprintf("sampling::rules::%d", i), err)
		}
		p.Rules = append(p.Rules, rule)
	}
	return p, p.NewLearned(c.learns()), x.set, nil
}

// learns is what bounds what is learned.
func (c *Config) learns() (percentiles policy.Percentiles, maxShapes int) {
	return policy.Percentiles{
		MinJourneys: c.Sampling.Percentiles.MinJourneys, Window: c.Sampling.Percentiles.Window.d,
		MaxNames: c.Telemetry.MaxJourneys,
	}, c.Sampling.Shapes.Max
}

func (x *compiler) add(c *MatchConfig) (match.Index, error) {
	condition, err := c.compile(x.failed)
	if err != nil {
		return 0, prefixed("match", err)
	}
	return x.set.Add(condition), nil
}

var errorOn = map[string]policy.ErrorOn{
	"any_span": policy.ErrorOnAnySpan, "root_span": policy.ErrorOnRootSpan, "condition": policy.ErrorOnCondition,
}

func (x *compiler) outcomes(c *OutcomeConfig, out *policy.Outcomes) (err error) {
	*out = policy.Outcomes{
		ErrorOn:                  errorOn[c.Error],
		RootlessIsIncomplete:     c.MissingRoot == "incomplete",
		DeadLetteredIsIncomplete: c.DeadLettered == "incomplete",
	}
	if c.Condition != nil {
		out.Described = c.Condition.String()
		out.Condition, err = x.add(c.Condition)
	}
	return err
}

func (x *compiler) journey(c *JourneyConfig, general CompletionConfig) (journey policy.Journey, err error) {
	completion := c.Completion.over(general)
	journey = policy.Journey{Name: c.Name, Waits: completion.waits()}
	if journey.Match, err = x.add(&c.Match); err != nil {
		return journey, err
	}
	for i := range c.Steps {
		index, err := x.add(&c.Steps[i].Match)
		if err != nil {
			return journey, prefixed(fmt.Sprintf("steps::%d", i), err)
		}
		journey.Steps = append(journey.Steps, policy.Step{Name: c.Steps[i].Name, Match: index})
	}
	return journey, nil
}

func (x *compiler) rule(c *RuleConfig) (policy.Rule, error) {
	threshold, err := weight.Threshold(c.Keep.share)
	if err != nil {
		return policy.Rule{}, fmt.Errorf("keep: %s is too small to be told from 0%%: %w", c.Keep, err)
	}
	when, err := x.when(&c.When)
	if err != nil {
		return policy.Rule{}, prefixed("when", err)
	}
	return policy.Rule{Name: c.Name, When: when, Threshold: threshold, Sampled: fmt.Sprintf("rule keeps %s", c.Keep)}, nil
}

func (x *compiler) when(c *WhenConfig) (policy.When, error) {
	w := policy.When{
		Journey: c.Journey, SlowerThan: c.SlowerThan.compile(), LongerThan: c.LongerThan.compile(),
		SpansOver: c.SpansOver, FirstOfShape: c.FirstOfShape, Every: c.Every.d,
	}
	if c.Outcome != "" {
		outcome, err := policy.ParseOutcome(c.Outcome)
		if err != nil {
			return w, fmt.Errorf("outcome %w", err)
		}
		w.Outcome = &outcome
	}
	if c.Match != nil {
		index, err := x.add(c.Match)
		if err != nil {
			return w, err
		}
		w.Match = &index
	}
	return w, x.nested(c, &w)
}

func (x *compiler) nested(c *WhenConfig, w *policy.When) (err error) {
	if w.All, err = x.whens("all", c.All.list()); err != nil {
		return err
	}
	if w.Any, err = x.whens("any", c.Any.list()); err != nil || c.Not == nil {
		return err
	}
	not, err := x.when(c.Not)
	w.Not = &not
	return prefixed("not", err)
}

func (x *compiler) whens(key string, list []WhenConfig) ([]policy.When, error) {
	var out []policy.When
	for i := range list {
		w, err := x.when(&list[i])
		if err != nil {
			return nil, prefixed(fmt.Sprintf("%s::%d", key, i), err)
		}
		out = append(out, w)
	}
	return out, nil
}
