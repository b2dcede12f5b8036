package journeyprocessor

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

// RuleConfig is one sampling rule.
type RuleConfig struct {
	Name string     `mapstructure:"name"`
	When WhenConfig `mapstructure:"when"`
	// Keep is the share of the matching journeys to keep, such as "100%" or "0.5%".
	Keep Percent `mapstructure:"keep"`
}

// WhenConfig holds if all that is set in it holds; empty, it always holds.
type WhenConfig struct {
	Outcome string `mapstructure:"outcome"`
	Journey string `mapstructure:"journey"`
	// SlowerThan is about the root span, LongerThan about the time from the
	// first start to the last end.
	SlowerThan Limit        `mapstructure:"slower_than"`
	LongerThan Limit        `mapstructure:"longer_than"`
	SpansOver  int          `mapstructure:"spans_over"`
	Match      *MatchConfig `mapstructure:"match"`
	// FirstOfShape holds for so many journeys of each shape in every interval
	// Every: what is rare or new is kept without a rule that names it.
	FirstOfShape int      `mapstructure:"first_of_shape"`
	Every        Duration `mapstructure:"every"`
	// All, Any and Not are nested. They are pointers because the Collector's
	// own check of configurations walks through types, without an end.
	All *WhenList   `mapstructure:"all"`
	Any *WhenList   `mapstructure:"any"`
	Not *WhenConfig `mapstructure:"not"`
}

// WhenList is a list of nested conditions.
type WhenList []WhenConfig

// list returns the conditions, none of a nil list.
func (l *WhenList) list() []WhenConfig {
	if l == nil {
		return nil
	}
	return *l
}

// PercentilesConfig says how slower_than and longer_than learn percentiles.
type PercentilesConfig struct {
	// MinJourneys is how many journeys of a name must have been seen before
	// one of that name is held against a percentile.
	MinJourneys int `mapstructure:"min_journeys"`
	// Window is how far back journeys count. Of a name of which fewer than
	// min_journeys come in half of it, the last ones count however old they are.
	Window Duration `mapstructure:"window"`
}

// ShapesConfig bounds the memory of first_of_shape, about 80 bytes a shape.
type ShapesConfig struct {
	// Max is how many shapes are told apart. While there are more, new ones do
	// not match.
	Max int `mapstructure:"max"`
}

// Validate checks the name, that keep was not forgotten, and that asking the
// rule counts at most once.
func (c *RuleConfig) Validate() error {
	errs := []error{required("name", c.Name)}
	if !c.Keep.set {
		errs = append(errs, fmt.Errorf("keep must be set for rule %q, such as 100%% or 0%%", c.Name))
	}
	shapes := 0
	c.When.each(func(w *WhenConfig) { shapes += min(w.FirstOfShape, 1) })
	if shapes > 1 {
		errs = append(errs, fmt.Errorf("when: a rule may have one first_of_shape, rule %q has %d", c.Name, shapes))
	}
	return errors.Join(errs...)
}

// each calls f with c and all that is nested in it.
func (c *WhenConfig) each(f func(*WhenConfig)) {
	f(c)
	for _, nested := range []*WhenList{c.All, c.Any} {
		list := nested.list()
		for i := range list {
			list[i].each(f)
		}
	}
	if c.Not != nil {
		c.Not.each(f)
	}
}

func (c *WhenConfig) isEmpty() bool {
	return c.Outcome == "" && c.Journey == "" && !c.SlowerThan.isSet() && !c.LongerThan.isSet() && c.SpansOver == 0 &&
		c.Match == nil && c.FirstOfShape == 0 && len(c.All.list()) == 0 && len(c.Any.list()) == 0 && c.Not == nil
}

// Validate checks this condition; the Collector calls that of nested ones.
func (c *WhenConfig) Validate() error {
	errs := []error{
		notNegative("slower_than", c.SlowerThan.d), notNegative("longer_than", c.LongerThan.d),
		notNegative("spans_over", c.SpansOver), notNegative("first_of_shape", c.FirstOfShape),
		c.validateNested(),
	}
	if c.Outcome != "" {
		if _, err := policy.ParseOutcome(c.Outcome); err != nil {
			errs = append(errs, fmt.Errorf("outcome %w", err))
		}
	}
	switch {
	case c.FirstOfShape > 0 && c.Every.d <= 0:
		errs = append(errs, fmt.Errorf("every must be positive with first_of_shape, such as 1h, got %v", c.Every))
	case c.FirstOfShape == 0 && c.Every.d != 0:
		errs = append(errs, fmt.Errorf("every (%v) is the interval of first_of_shape, which is not set", c.Every))
	}
	return errors.Join(errs...)
}

// validateNested refuses what always or never holds, and a negated count: a
// journey that did not match would have been counted as one that did.
func (c *WhenConfig) validateNested() error {
	var errs []error
	for key, nested := range map[string]*WhenList{"all": c.All, "any": c.Any} {
		list := nested.list()
		for i := range list {
			if list[i].isEmpty() {
				errs = append(errs, fmt.Errorf("%s::%d must ask for something", key, i))
			}
		}
	}
	if c.Not == nil {
		return errors.Join(errs...)
	}
	if c.Not.isEmpty() {
		errs = append(errs, errors.New("not must ask for something"))
	}
	c.Not.each(func(w *WhenConfig) {
		if w.FirstOfShape > 0 {
			errs = append(errs, fmt.Errorf("not must not hold first_of_shape, got %d", w.FirstOfShape))
		}
	})
	return errors.Join(errs...)
}

// Validate checks counts and times.
func (c *PercentilesConfig) Validate() error {
	return errors.Join(positive("min_journeys", c.MinJourneys), positive("window", c.Window.d))
}

// Validate checks the count.
func (c *ShapesConfig) Validate() error { return positive("max", c.Max) }

// checkJourneys says which conditions of the rule ask for a journey that is
// not there. Every named journey is listed; other names are made of services
// and spans, and have a space between them.
func (c *RuleConfig) checkJourneys(key string, known map[string]bool) error {
	var errs []error
	c.When.each(func(w *WhenConfig) {
		if w.Journey != "" && !known[w.Journey] && !strings.Contains(w.Journey, " ") {
			errs = append(errs, fmt.Errorf("%s::when::journey: no journey is named %q", key, w.Journey))
		}
	})
	return errors.Join(errs...)
}

// CompletionOverride is a journey's own completion; what is not set is as in
// the processor's.
type CompletionOverride struct {
	Quiet       *Duration `mapstructure:"quiet"`
	MissingWait *Duration `mapstructure:"missing_wait"`
	MessageWait *Duration `mapstructure:"message_wait"`
	MaxWait     *Duration `mapstructure:"max_wait"`
}

// over returns the completion that holds for the journey.
func (c *CompletionOverride) over(general CompletionConfig) CompletionConfig {
	for _, one := range []struct {
		own *Duration
		is  *Duration
	}{
		{c.Quiet, &general.Quiet},
		{c.MissingWait, &general.MissingWait},
		{c.MessageWait, &general.MessageWait},
		{c.MaxWait, &general.MaxWait},
	} {
		if one.own != nil {
			*one.is = *one.own
		}
	}
	return general
}

func (c *CompletionConfig) waits() policy.Waits {
	return policy.Waits{Quiet: c.Quiet.d, Missing: c.MissingWait.d, Message: c.MessageWait.d, Max: c.MaxWait.d}
}

// Limit is a duration, or a percentile of those that a journey usually takes.
type Limit struct {
	d        time.Duration
	quantile float64 // from 0 to 1; 0 if it is a duration
}

func (l Limit) isSet() bool { return l.d != 0 || l.quantile != 0 }

func (l Limit) compile() policy.Limit { return policy.Limit{Fixed: l.d, Quantile: l.quantile} }
