package journeyprocessor

import (
	"fmt"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/match"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/weight"
)

// compile turns a valid configuration into what decides, and all its matches
// into one set.
func compile(c *Config) (*policy.Policy, *match.Set, error) {
	set := &match.Set{}
	p := &policy.Policy{
		Waits: policy.Waits{
			Quiet: c.Completion.Quiet.d, Missing: c.Completion.MissingWait.d,
			Message: c.Completion.MessageWait.d, Max: c.Completion.MaxWait.d,
		},
		Outcomes: policy.Outcomes{
			ErrorOnRootOnly:      c.Outcome.Error == "root_span",
			RootlessIsIncomplete: c.Outcome.MissingRoot == "incomplete",
		},
	}
	for _, j := range c.Journeys {
		journey := policy.Journey{Name: j.Name, Match: set.Add(j.Match.condition())}
		for _, s := range j.Steps {
			journey.Steps = append(journey.Steps, policy.Step{Name: s.Name, Match: set.Add(s.Match.condition())})
		}
		p.Journeys = append(p.Journeys, journey)
	}
	for i, r := range c.Sampling.Rules {
		rule, err := compileRule(&r, set)
		if err != nil {
			return nil, nil, fmt.Errorf("sampling::rules::%d: %w", i, err)
		}
		p.Rules = append(p.Rules, rule)
	}
	return p, set, nil
}

func compileRule(c *RuleConfig, set *match.Set) (policy.Rule, error) {
	threshold, err := weight.Threshold(c.Keep.share)
	if err != nil {
		return policy.Rule{}, fmt.Errorf("keep: %s is too small to be told from 0%%: %w", c.Keep, err)
	}
	rule := policy.Rule{
		Name: c.Name, Threshold: threshold, Sampled: fmt.Sprintf("rule keeps %s", c.Keep),
		When: policy.When{Journey: c.When.Journey, SlowerThan: c.When.SlowerThan.d, LongerThan: c.When.LongerThan.d},
	}
	if c.When.Outcome != "" {
		outcome, err := policy.ParseOutcome(c.When.Outcome)
		if err != nil {
			return policy.Rule{}, fmt.Errorf("when::outcome %w", err)
		}
		rule.When.Outcome = &outcome
	}
	if c.When.Match != nil {
		index := set.Add(c.When.Match.condition())
		rule.When.Match = &index
	}
	return rule, nil
}
