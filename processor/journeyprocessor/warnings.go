package journeyprocessor

import (
	"fmt"
	"reflect"
)

// ruleWarnings says of which rules the order is probably not what the user
// means: those that are never reached, and those that come too late to keep
// all that they are for.
func ruleWarnings(rules []RuleConfig) []string {
	var warnings []string
	asked := make([][]WhenConfig, len(rules))
	for i := range rules {
		asked[i] = rules[i].When.atoms()
	}
	for later := range rules {
		warnings = append(warnings, orderWarnings(rules, asked, later)...)
	}
	return warnings
}

// orderWarnings is what there is to say about one rule and those before it.
func orderWarnings(rules []RuleConfig, asked [][]WhenConfig, later int) []string {
	var warnings []string
	for earlier := range later {
		if implies(asked[later], asked[earlier]) {
			return []string{fmt.Sprintf("sampling rule %q can never match: all that it matches is matched by rule %q before it, and the first is final",
				rules[later].Name, rules[earlier].Name)}
		}
		outcome := keepsAll(&rules[later], asked[later])
		if outcome != "" && rules[earlier].Keep.share < 1 && !excludes(asked[earlier], asked[later]) {
			warnings = append(warnings, fmt.Sprintf("%s journeys that match sampling rule %q are thinned to %s before rule %q, which keeps them, is asked",
				failedWords[outcome], rules[earlier].Name, rules[earlier].Keep, rules[later].Name))
		}
	}
	return warnings
}

var failedWords = map[string]string{"error": "failed", "incomplete": "incomplete"}

// keepsAll returns the outcome whose journeys the rule is there to keep: error
// or incomplete, and "" for other rules.
func keepsAll(rule *RuleConfig, asked []WhenConfig) string {
	if rule.Keep.share < 1 {
		return ""
	}
	for i := range asked {
		if failedWords[asked[i].Outcome] != "" {
			return asked[i].Outcome
		}
	}
	return ""
}

// atoms takes a condition apart into conditions that ask for one thing each
// and of which all must hold.
func (c *WhenConfig) atoms() []WhenConfig {
	var atoms []WhenConfig
	add := func(isSet bool, atom WhenConfig) {
		if isSet {
			atoms = append(atoms, atom)
		}
	}
	add(c.Outcome != "", WhenConfig{Outcome: c.Outcome})
	add(c.Journey != "", WhenConfig{Journey: c.Journey})
	add(c.SlowerThan.isSet(), WhenConfig{SlowerThan: c.SlowerThan})
	add(c.LongerThan.isSet(), WhenConfig{LongerThan: c.LongerThan})
	add(c.SpansOver > 0, WhenConfig{SpansOver: c.SpansOver})
	add(c.Match != nil, WhenConfig{Match: c.Match})
	add(c.FirstOfShape > 0, WhenConfig{FirstOfShape: c.FirstOfShape, Every: c.Every})
	add(len(c.Any.list()) > 0, WhenConfig{Any: c.Any})
	add(c.Not != nil, WhenConfig{Not: c.Not})
	all := c.All.list()
	for i := range all {
		atoms = append(atoms, all[i].atoms()...)
	}
	return atoms
}

// implies says that whatever fulfils all of strong fulfils all of weak. False
// only means that it cannot be told.
func implies(strong, weak []WhenConfig) bool {
	for i := range weak {
		found := false
		for j := range strong {
			found = found || atomImplies(&strong[j], &weak[i])
		}
		if !found {
			return false
		}
	}
	return true
}

func atomImplies(strong, weak *WhenConfig) bool {
	switch {
	case weak.FirstOfShape > 0:
		return false // it holds for a few only, and the rest goes on
	case weak.SlowerThan.isSet():
		return weak.SlowerThan.isBelow(strong.SlowerThan)
	case weak.LongerThan.isSet():
		// The whole lasts at least as long as its root.
		return weak.LongerThan.isBelow(strong.LongerThan) ||
			weak.LongerThan.d > 0 && weak.LongerThan.isBelow(strong.SlowerThan)
	case weak.SpansOver > 0:
		return strong.SpansOver >= weak.SpansOver
	case weak.Match != nil:
		return strong.Match != nil && strong.Match.implies(weak.Match)
	case weak.Any != nil:
		return anyImplied(strong, weak)
	}
	return reflect.DeepEqual(strong, weak)
}

// anyImplied says that strong is one of weak's alternatives, or stricter.
func anyImplied(strong, weak *WhenConfig) bool {
	alternatives := weak.Any.list()
	for i := range alternatives {
		if implies([]WhenConfig{*strong}, alternatives[i].atoms()) {
			return true
		}
	}
	return reflect.DeepEqual(strong, weak)
}

// isBelow says that whatever exceeds other exceeds l.
func (l Limit) isBelow(other Limit) bool {
	return l.d > 0 && other.d >= l.d || l.quantile > 0 && other.quantile >= l.quantile
}

// implies says that a span that fulfils c fulfils weak.
func (c *MatchConfig) implies(weak *MatchConfig) bool {
	for _, pair := range [][2]string{
		{weak.Service, c.Service},
		{weak.Span, c.Span},
		{weak.Kind, c.Kind},
		{weak.Status, c.Status},
		{weak.Condition, c.Condition},
		{weak.EventCondition, c.EventCondition},
		{weak.ResourceCondition, c.ResourceCondition},
	} {
		if pair[0] != "" && pair[0] != pair[1] {
			return false
		}
	}
	for key, value := range weak.Attributes {
		if own, ok := c.Attributes[key]; !ok || own != value {
			return false
		}
	}
	return !weak.Root || c.Root
}

// excludes says that no journey fulfils both.
func excludes(a, b []WhenConfig) bool {
	for i := range a {
		for j := range b {
			x, y := &a[i], &b[j]
			if x.Outcome != "" && y.Outcome != "" && x.Outcome != y.Outcome ||
				x.Journey != "" && y.Journey != "" && x.Journey != y.Journey ||
				x.Not != nil && implies(b, x.Not.atoms()) ||
				y.Not != nil && implies(a, y.Not.atoms()) {
				return true
			}
		}
	}
	return false
}
