package journeyprocessor

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"go.yaml.in/yaml/v3"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/metadata"
)

func TestRulesInAnOrderThatIsProbablyNotMeantAreNamed(t *testing.T) {
	const (
		shadowed = `sampling rule "b" can never match: all that it matches is matched by rule "a" before it, and the first is final`
		thinned  = `failed journeys that match sampling rule "a" are thinned to 10% before rule "b", which keeps them, is asked`
	)
	for _, test := range []struct{ name, a, b, want string }{
		{"a catch-all", "keep: 10%", "when: {slower_than: 1s}, keep: 100%", shadowed},
		{"the same", "when: {outcome: error}, keep: 10%", "when: {outcome: error}, keep: 100%", shadowed},
		{"a subset of conditions", "when: {outcome: error}, keep: 100%", "when: {outcome: error, journey: a b}, keep: 1%", shadowed},
		{"a lower limit", "when: {slower_than: 1s}, keep: 100%", "when: {slower_than: 2s}, keep: 1%", shadowed},
		{"a higher limit", "when: {slower_than: 2s}, keep: 100%", "when: {slower_than: 1s}, keep: 1%", ""},
		{"a lower percentile", "when: {slower_than: p90}, keep: 100%", "when: {slower_than: p99}, keep: 1%", shadowed},
		{"a percentile and a duration", "when: {slower_than: p90}, keep: 100%", "when: {slower_than: 1s}, keep: 1%", ""},
		{"the whole is longer than its root", "when: {longer_than: 1s}, keep: 100%", "when: {slower_than: 1s}, keep: 1%", shadowed},
		{"the root may be shorter", "when: {slower_than: 1s}, keep: 100%", "when: {longer_than: 1s}, keep: 1%", ""},
		{"fewer spans", "when: {spans_over: 10}, keep: 100%", "when: {spans_over: 20}, keep: 1%", shadowed},
		{"a weaker match", "when: {match: {service: s}}, keep: 100%", "when: {match: {service: s, kind: server, attributes: {x: y}}}, keep: 1%", shadowed},
		{"another match", "when: {match: {service: s, root: true}}, keep: 100%", "when: {match: {service: s}}, keep: 1%", ""},
		{"another attribute", "when: {match: {attributes: {x: z}}}, keep: 100%", "when: {match: {attributes: {x: y}}}, keep: 1%", ""},
		{"nested in all", "when: {outcome: error}, keep: 100%", "when: {all: [{outcome: error}, {spans_over: 3}]}, keep: 1%", shadowed},
		{"one of any", "when: {any: [{outcome: error}, {spans_over: 3}]}, keep: 100%", "when: {outcome: error}, keep: 1%", shadowed},
		{"any is not each", "when: {outcome: error}, keep: 100%", "when: {any: [{outcome: error}, {spans_over: 3}]}, keep: 1%", ""},
		{"the same exception", "when: {not: {outcome: ok}}, keep: 100%", "when: {not: {outcome: ok}, spans_over: 3}, keep: 1%", shadowed},
		{"first_of_shape lets the others through", "when: {first_of_shape: 1, every: 1h}, keep: 100%", "when: {first_of_shape: 1, every: 1h}, keep: 1%", ""},
		{"failed ones thinned", "when: {match: {service: s}}, keep: 10%", "when: {outcome: error}, keep: 100%", thinned},
		{"incomplete ones thinned", "when: {spans_over: 5}, keep: 10%", "when: {outcome: incomplete}, keep: 100%", `incomplete journeys that match sampling rule "a" are thinned to 10% before rule "b", which keeps them, is asked`},
		{"other failed ones", "when: {journey: a b}, keep: 10%", "when: {outcome: error, journey: c d}, keep: 100%", ""},
		{"only good ones thinned", "when: {outcome: ok, spans_over: 5}, keep: 10%", "when: {outcome: error}, keep: 100%", ""},
		{"failed ones excepted", "when: {spans_over: 5, not: {outcome: error}}, keep: 10%", "when: {outcome: error}, keep: 100%", ""},
		{"too much excepted", "when: {spans_over: 5, not: {outcome: error, journey: a b}}, keep: 10%", "when: {outcome: error}, keep: 100%", thinned},
		{"failed ones kept", "when: {match: {service: s}}, keep: 100%", "when: {outcome: error}, keep: 100%", ""},
		{"thinned on purpose", "when: {match: {service: s}}, keep: 10%", "when: {outcome: error}, keep: 50%", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := load(fmt.Sprintf("{sampling: {rules: [{name: a, %s}, {name: b, %s}]}}", test.a, test.b))
			require.NoError(t, err)
			got := ruleWarnings(c.Sampling.Rules)
			if test.want == "" {
				require.Empty(t, got)
			} else {
				require.Equal(t, []string{test.want}, got)
			}
		})
	}
}

func TestWarningsAreLoggedAtStart(t *testing.T) {
	c, err := load("{sampling: {rules: [{name: all, keep: 10%}, {name: failed, when: {outcome: error}, keep: 100%}]}}")
	require.NoError(t, err)
	core, logs := observer.New(zap.WarnLevel)
	settings := processortest.NewNopSettings(metadata.Type).TelemetrySettings
	settings.Logger = zap.New(core)
	_, err = newEngine(component.NewID(metadata.Type), settings, c)
	require.NoError(t, err)
	require.Equal(t, 1, logs.FilterMessageSnippet(`sampling rule "failed" can never match`).Len())
}

func TestThePublishedConfigGivesNoWarning(t *testing.T) {
	text, err := os.ReadFile("../../otelcol-config.yaml")
	require.NoError(t, err)
	var published struct {
		Processors struct {
			Journey yaml.Node `yaml:"journey"`
		} `yaml:"processors"`
	}
	require.NoError(t, yaml.Unmarshal(text, &published))
	journey, err := yaml.Marshal(&published.Processors.Journey)
	require.NoError(t, err)
	c, err := load(string(journey))
	require.NoError(t, err)
	require.NotEmpty(t, c.Sampling.Rules)
	require.Empty(t, ruleWarnings(c.Sampling.Rules))
}
