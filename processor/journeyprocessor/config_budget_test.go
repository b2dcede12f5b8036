package journeyprocessor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEveryMistakeInABudgetNamesItsKeyAndTheValueFound(t *testing.T) {
	for _, test := range []struct{ name, budget, found string }{
		{"none", "{}", "exactly one of spans_per_second, bytes_per_day and money_per_month must be set, got none"},
		{"two", "{spans_per_second: 5, bytes_per_day: 1GB}", "must be set, got spans_per_second and bytes_per_day"},
		{"three", "{spans_per_second: 5, bytes_per_day: 1GB, money_per_month: 3, price_per_gb: 1}", "got spans_per_second and bytes_per_day and money_per_month"},
		{"spans below zero", "{spans_per_second: -5}", "spans_per_second must be a positive number, got -5"},
		{"spans not a number", "{spans_per_second: .nan}", "spans_per_second must be a positive number, got NaN"},
		{"money without prices", "{money_per_month: 200}", "price_per_million_spans or price_per_gb must be set with money_per_month (200)"},
		{"a price below zero", "{money_per_month: 200, price_per_gb: -0.5}", "price_per_gb must be a positive number, got -0.5"},
		{"a price without money", "{spans_per_second: 5, price_per_gb: 0.5}", "price_per_gb (0.5) need money_per_month"},
		{"bytes without a unit", "{bytes_per_day: 5000000}", `such as 512MiB or 2GB, got "5000000"`},
		{"must_keep", "{spans_per_second: 5, must_keep: always}", `must_keep must be one of wins, within, got "always"`},
		{"carry", "{spans_per_second: 5, carry: 50ms}", "carry must be at least the tenth of a second after which the budget is dealt out anew (100ms), got 50ms"},
		{"carry without a unit", "{spans_per_second: 5, carry: 1}", `such as 1.5s or 10m, got "1"`},
		{"unknown", "{spans_per_minute: 5}", "spans_per_minute"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := load("{sampling: {budget: " + test.budget + "}}")
			require.ErrorContains(t, err, test.found)
			require.ErrorContains(t, err, "sampling")
		})
	}
}

func TestABudgetIsPerSecondInItsUnit(t *testing.T) {
	for _, test := range []struct {
		budget string
		limit  float64
		price  price
		unit   string
	}{
		{"{spans_per_second: 500}", 500, price{span: 1}, unitSpans},
		{"{spans_per_second: 0.5}", 0.5, price{span: 1}, unitSpans},
		{"{bytes_per_day: 86.4GB}", 1e6, price{byte: 1}, unitBytes},
		{"{money_per_month: 2629.8, price_per_million_spans: 0.2, price_per_gb: 0.5}", 0.001, price{span: 0.2e-6, byte: 0.5e-9}, unitMoney},
	} {
		c, err := load("{sampling: {budget: " + test.budget + "}}")
		require.NoError(t, err)
		limit, p, unit := c.Sampling.Budget.perSecond()
		require.InEpsilon(t, test.limit, limit, 1e-9)
		require.InDelta(t, test.price.span, p.span, 1e-15)
		require.InDelta(t, test.price.byte, p.byte, 1e-15)
		require.Equal(t, test.unit, unit)
		require.Equal(t, "wins", c.Sampling.Budget.MustKeep)
		require.Equal(t, time.Second, c.Sampling.Budget.Carry.d)
	}
	c, err := load("{sampling: {budget: {bytes_per_day: 1GB, must_keep: within, carry: 2h}}}")
	require.NoError(t, err)
	require.Equal(t, "within", c.Sampling.Budget.MustKeep)
	require.Equal(t, 2*time.Hour, c.Sampling.Budget.Carry.d)
	c, err = load("{}")
	require.NoError(t, err)
	require.Nil(t, c.Sampling.Budget)
}

func TestABudgetThatCanThinNothingIsWarnedOf(t *testing.T) {
	for _, test := range []struct {
		sampling string
		warned   bool
	}{
		{"{rules: [{name: a, when: {outcome: error}, keep: 100%}, {name: rest, keep: 100%}], budget: {spans_per_second: 5}}", true},
		{"{rules: [{name: rest, keep: 100%}], budget: {spans_per_second: 5, must_keep: within}}", false},
		{"{rules: [{name: a, when: {outcome: error}, keep: 100%}], budget: {spans_per_second: 5}}", false},
		{"{rules: [{name: rest, keep: 99%}], budget: {spans_per_second: 5}}", false},
		{"{rules: [{name: rest, keep: 100%}]}", false},
	} {
		c, err := load("{sampling: " + test.sampling + "}")
		require.NoError(t, err)
		warnings := budgetWarnings(&c.Sampling)
		require.Equal(t, test.warned, len(warnings) == 1, test.sampling)
		if test.warned {
			require.Contains(t, warnings[0], `"rest"`)
		}
	}
}
