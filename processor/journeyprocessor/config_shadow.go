package journeyprocessor

import (
	"errors"
	"fmt"
)

// ShadowConfig is sampling that decides about the same journeys as the rules
// in use and only counts what it would keep: to see what a change does to live
// traffic before it is made. Percentiles and shapes are learned for it apart,
// with the settings of the rules in use.
type ShadowConfig struct {
	// Rules are those of the shadow; without any, the rules in use, to try
	// another budget with them.
	Rules []RuleConfig `mapstructure:"rules"`
	// Budget is the shadow's own. None: no limit, whatever is in use.
	Budget *BudgetConfig `mapstructure:"budget"`
}

// Validate checks that the shadow has something of its own. Faults inside a
// rule or the budget are reported by their own Validate.
func (c *ShadowConfig) Validate() error {
	errs := []error{unique("rules", names(c.Rules, func(r RuleConfig) string { return r.Name }))}
	if len(c.Rules) == 0 && c.Budget == nil {
		errs = append(errs, errors.New("rules or budget must be set: a shadow without both would count what is kept already"))
	}
	return errors.Join(errs...)
}

// checkJourneys is RuleConfig.checkJourneys for all rules of a shadow that is set.
func (c *ShadowConfig) checkJourneys(key string, known map[string]bool) error {
	if c == nil {
		return nil
	}
	var errs []error
	for i := range c.Rules {
		errs = append(errs, c.Rules[i].checkJourneys(fmt.Sprintf("%s::rules::%d", key, i), known))
	}
	return errors.Join(errs...)
}
