package journeyprocessor

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"go.opentelemetry.io/collector/confmap"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/budget"
)

// BudgetConfig bounds what leaves: spans of kept journeys with those that come
// late, and where bytes count also log records. Exactly one of SpansPerSecond,
// BytesPerDay and MoneyPerMonth is set. It is the budget of one instance.
type BudgetConfig struct {
	SpansPerSecond float64 `mapstructure:"spans_per_second"`
	// BytesPerDay is of OTLP before compression.
	BytesPerDay ByteSize `mapstructure:"bytes_per_day"`
	// MoneyPerMonth is in the currency of the prices; a month is 30.4375 days.
	MoneyPerMonth        float64 `mapstructure:"money_per_month"`
	PricePerMillionSpans float64 `mapstructure:"price_per_million_spans"`
	PricePerGB           float64 `mapstructure:"price_per_gb"` // of 10^9 bytes, spans and log records
	// MustKeep is wins: rules that keep 100 % are charged and never thinned,
	// even if they alone exceed the budget; or within: they are thinned too,
	// when all other rules are down to almost nothing.
	MustKeep string `mapstructure:"must_keep"`
	// Carry is for how long what was not used can be used later, and for how
	// long others pay for what must-keep rules used too much.
	Carry Duration `mapstructure:"carry"`
}

const (
	// month is a twelfth of a year of 365.25 days: 30.4375 days.
	month = 43_830 * time.Minute
	day   = 24 * time.Hour
)

// What a budget can be in, as the metrics name it.
const (
	unitSpans = "spans"
	unitBytes = "bytes"
	unitMoney = "money"
)

var (
	_ confmap.Validator   = (*BudgetConfig)(nil)
	_ confmap.Unmarshaler = (*BudgetConfig)(nil)
)

// Unmarshal reads what is written on top of the defaults.
func (c *BudgetConfig) Unmarshal(conf *confmap.Conf) error {
	type plain BudgetConfig // without this method, which would be called again
	*c = BudgetConfig{MustKeep: "wins", Carry: Duration{time.Second}}
	return conf.Unmarshal((*plain)(c))
}

// Validate checks that there is one budget, and what it needs.
func (c *BudgetConfig) Validate() error {
	set := c.units()
	errs := []error{oneOf("must_keep", c.MustKeep, "wins", "within")}
	if len(set) != 1 {
		found := "none"
		if len(set) > 0 {
			found = strings.Join(set, " and ")
		}
		errs = append(errs, fmt.Errorf("exactly one of spans_per_second, bytes_per_day and money_per_month must be set, got %s", found))
	}
	for _, number := range []struct {
		key   string
		value float64
	}{
		{"spans_per_second", c.SpansPerSecond},
		{"bytes_per_day", float64(c.BytesPerDay)},
		{"money_per_month", c.MoneyPerMonth},
		{"price_per_million_spans", c.PricePerMillionSpans},
		{"price_per_gb", c.PricePerGB},
	} {
		if !(number.value >= 0 && number.value <= math.MaxInt64) {
			errs = append(errs, fmt.Errorf("%s must be a positive number, got %v", number.key, number.value))
		}
	}
	hasPrice := c.PricePerMillionSpans != 0 || c.PricePerGB != 0
	if c.MoneyPerMonth != 0 && !hasPrice {
		errs = append(errs, fmt.Errorf(
			"price_per_million_spans or price_per_gb must be set with money_per_month (%v): a budget in money needs to know what things cost", c.MoneyPerMonth))
	}
	if c.MoneyPerMonth == 0 && hasPrice {
		errs = append(errs, fmt.Errorf("price_per_million_spans (%v) and price_per_gb (%v) need money_per_month",
			c.PricePerMillionSpans, c.PricePerGB))
	}
	return errors.Join(append(errs, atLeast("carry", c.Carry, "the tenth of a second after which the budget is dealt out anew", Duration{budget.Interval}))...)
}

// units lists the keys of the budgets that are set.
func (c *BudgetConfig) units() (set []string) {
	if c.SpansPerSecond != 0 {
		set = append(set, "spans_per_second")
	}
	if c.BytesPerDay != 0 {
		set = append(set, "bytes_per_day")
	}
	if c.MoneyPerMonth != 0 {
		set = append(set, "money_per_month")
	}
	return set
}

// price is what things cost, in the unit of the budget.
type price struct{ span, byte float64 }

// perSecond is the budget of a second, what counts against it, and its unit.
func (c *BudgetConfig) perSecond() (limit float64, p price, unit string) {
	switch {
	case c.BytesPerDay != 0:
		return float64(c.BytesPerDay) / day.Seconds(), price{byte: 1}, unitBytes
	case c.MoneyPerMonth != 0:
		return c.MoneyPerMonth / month.Seconds(), price{span: c.PricePerMillionSpans / 1e6, byte: c.PricePerGB / 1e9}, unitMoney
	default:
		return c.SpansPerSecond, price{span: 1}, unitSpans
	}
}

// budgetWarnings says of a budget that it can do nothing about what leaves.
func budgetWarnings(c *SamplingConfig) []string {
	if c.Budget == nil || c.Budget.MustKeep != "wins" {
		return nil
	}
	for i := range c.Rules {
		if r := &c.Rules[i]; r.Keep.share == 1 && len(r.When.atoms()) == 0 {
			return []string{fmt.Sprintf(
				"sampling rule %q keeps 100%% of all that reaches it, so sampling::budget cannot thin that: leave the rule away (what no rule matches is kept, and thinned), let it keep 99%%, or set must_keep to within",
				r.Name)}
		}
	}
	return nil
}
