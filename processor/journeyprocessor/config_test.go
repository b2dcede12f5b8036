package journeyprocessor

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

func TestTheDefaultConfigIsValid(t *testing.T) {
	require.NoError(t, confmap.Validate(createDefaultConfig()))
}

func TestEveryMistakeNamesItsKeyAndTheValueFound(t *testing.T) {
	for _, test := range []struct{ name, yaml, key, found string }{
		{"unknown key", "{journies: []}", "journies", "invalid keys"},
		{"journey without a name", "{journeys: [{match: {service: a}}]}", "journeys::0", "name must be set"},
		{"journey without a match", "{journeys: [{name: a}]}", "journeys::0::match", "must ask for something"},
		{"two journeys of one name", "{journeys: [{name: a, match: {service: a}}, {name: a, match: {service: b}}]}", "journeys::1::name", `"a" is also the name of journeys::0`},
		{"two steps of one name", "{journeys: [{name: a, match: {service: a}, steps: [{name: s, match: {span: s}}, {name: s, match: {span: t}}]}]}", "steps::1::name", `"s"`},
		{"step without a name", "{journeys: [{name: a, match: {service: a}, steps: [{match: {span: s}}]}]}", "journeys::0::steps::0", "name must be set"},
		{"kind", "{journeys: [{name: a, match: {kind: sever}}]}", "journeys::0::match", `kind must be one of client, consumer, internal, producer, server, got "sever"`},
		{"status", "{journeys: [{name: a, match: {status: bad}}]}", "journeys::0::match", `status must be one of error, ok, unset, got "bad"`},
		{"quiet", "{completion: {quiet: 0s}}", "completion", "quiet must be positive, got 0s"},
		{"quiet without a unit", "{completion: {quiet: soon}}", "completion.quiet", `"soon"`},
		{"quiet as a number", "{completion: {quiet: 5}}", "completion.quiet", `such as 1.5s or 10m, got "5"`},
		{"missing_wait", "{completion: {quiet: 5s, missing_wait: 4s}}", "completion", "missing_wait must be at least quiet (5s), got 4s"},
		{"message_wait", "{completion: {quiet: 5s, message_wait: 4s}}", "completion", "message_wait must be at least quiet (5s), got 4s"},
		{"max_wait", "{completion: {max_wait: 1m}}", "completion", "max_wait must be at least message_wait (15m0s), got 1m0s"},
		{"outcome error", "{outcome: {error: all}}", "outcome", `error must be one of any_span, root_span, condition, got "all"`},
		{"outcome missing_root", "{outcome: {missing_root: bad}}", "outcome", `missing_root must be one of incomplete, ok, got "bad"`},
		{"rule without a name", "{sampling: {rules: [{keep: 1%}]}}", "sampling::rules::0", "name must be set"},
		{"rule without keep", "{sampling: {rules: [{name: a}]}}", "sampling::rules::0", `keep must be set for rule "a"`},
		{"keep over 100", "{sampling: {rules: [{name: a, keep: 120%}]}}", "sampling.rules[0].keep", `got "120%"`},
		{"keep below 0", "{sampling: {rules: [{name: a, keep: -1%}]}}", "sampling.rules[0].keep", `got "-1%"`},
		{"keep not a number", "{sampling: {rules: [{name: a, keep: NaN%}]}}", "sampling.rules[0].keep", `got "NaN%"`},
		{"keep without a percent sign", "{sampling: {rules: [{name: a, keep: '10'}]}}", "sampling.rules[0].keep", `got "10"`},
		{"keep as a number", "{sampling: {rules: [{name: a, keep: 1}]}}", "sampling.rules[0].keep", `such as 2.5%, got "1"`},
		{"when outcome", "{sampling: {rules: [{name: a, when: {outcome: failed}, keep: 1%}]}}", "sampling::rules::0::when", `outcome must be ok, error or incomplete, got "failed"`},
		{"when journey", "{sampling: {rules: [{name: a, when: {journey: chekout}, keep: 1%}]}}", "sampling::rules::0::when::journey", `no journey is named "chekout"`},
		{"when slower_than", "{sampling: {rules: [{name: a, when: {slower_than: -1s}, keep: 1%}]}}", "sampling::rules::0::when", "slower_than must not be negative, got -1s"},
		{"when longer_than", "{sampling: {rules: [{name: a, when: {longer_than: -1s}, keep: 1%}]}}", "sampling::rules::0::when", "longer_than must not be negative, got -1s"},
		{"outcome dead_lettered", "{outcome: {dead_lettered: bad}}", "outcome", `dead_lettered must be one of incomplete, ok, got "bad"`},
		{"outcome without its condition", "{outcome: {error: condition}}", "outcome", "condition must be set with error: condition"},
		{"outcome with a condition too many", "{outcome: {condition: {status: error}}}", "outcome", "condition is only for error: condition, got error: any_span"},
		{"an empty outcome condition", "{outcome: {error: condition, condition: {}}}", "outcome::condition", "must ask for something"},
		{"journey's quiet", "{journeys: [{name: a, match: {service: a}, completion: {quiet: 0s}}]}", "journeys::0::completion", "quiet must be positive, got 0s"},
		{"journey's max_wait", "{journeys: [{name: a, match: {service: a}, completion: {max_wait: 1m}}]}", "journeys::0::completion", "max_wait must be at least message_wait (15m0s), got 1m0s"},
		{"journey's wait as a number", "{journeys: [{name: a, match: {service: a}, completion: {quiet: 5}}]}", "quiet", `such as 1.5s or 10m, got "5"`},
		{"percentile", "{sampling: {rules: [{name: a, when: {slower_than: p100}, keep: 1%}]}}", "slower_than", `"p100"`},
		{"percentile without a number", "{sampling: {rules: [{name: a, when: {longer_than: px}, keep: 1%}]}}", "longer_than", `"px"`},
		{"limit without a unit", "{sampling: {rules: [{name: a, when: {slower_than: 2}, keep: 1%}]}}", "slower_than", `got "2"`},
		{"min_journeys", "{sampling: {percentiles: {min_journeys: 0}}}", "sampling::percentiles", "min_journeys must be positive, got 0"},
		{"window", "{sampling: {percentiles: {window: 0s}}}", "sampling::percentiles", "window must be positive, got 0s"},
		{"shapes", "{sampling: {shapes: {max: 0}}}", "sampling::shapes", "max must be positive, got 0"},
		{"spans_over", "{sampling: {rules: [{name: a, when: {spans_over: -1}, keep: 1%}]}}", "sampling::rules::0::when", "spans_over must not be negative, got -1"},
		{"first_of_shape without every", "{sampling: {rules: [{name: a, when: {first_of_shape: 3}, keep: 1%}]}}", "sampling::rules::0::when", "every must be positive with first_of_shape"},
		{"every without first_of_shape", "{sampling: {rules: [{name: a, when: {every: 1h}, keep: 1%}]}}", "sampling::rules::0::when", "every (1h0m0s) is the interval of first_of_shape"},
		{"two first_of_shape", "{sampling: {rules: [{name: a, when: {any: [{first_of_shape: 1, every: 1h}, {first_of_shape: 2, every: 1m}]}, keep: 1%}]}}", "sampling::rules::0", `rule "a" has 2`},
		{"negated first_of_shape", "{sampling: {rules: [{name: a, when: {not: {all: [{first_of_shape: 1, every: 1h}]}}, keep: 1%}]}}", "sampling::rules::0::when", "not must not hold first_of_shape, got 1"},
		{"empty not", "{sampling: {rules: [{name: a, when: {not: {}}, keep: 1%}]}}", "sampling::rules::0::when", "not must ask for something"},
		{"empty alternative", "{sampling: {rules: [{name: a, when: {any: [{outcome: ok}, {}]}, keep: 1%}]}}", "sampling::rules::0::when", "any::1 must ask for something"},
		{"nested outcome", "{sampling: {rules: [{name: a, when: {all: [{outcome: bad}]}, keep: 1%}]}}", "sampling::rules::0::when::all::0", `got "bad"`},
		{"nested journey", "{sampling: {rules: [{name: a, when: {any: [{not: {journey: chekout}}]}, keep: 1%}]}}", "sampling::rules::0::when", `no journey is named "chekout"`},
		{"condition", "{journeys: [{name: a, match: {condition: 'name =='}}]}", "journeys::0::match", "condition: compile \"name ==\""},
		{"condition with an unknown path", "{journeys: [{name: a, match: {condition: 'title == \"a\"'}}]}", "journeys::0::match", "title"},
		{"resource_condition", "{sampling: {rules: [{name: a, when: {match: {resource_condition: 'name == \"a\"'}}, keep: 1%}]}}", "sampling::rules::0::when::match", "resource_condition: compile"},
		{"when match", "{sampling: {rules: [{name: a, when: {match: {}}, keep: 1%}]}}", "sampling::rules::0::when::match", "must ask for something"},
		{"memory too small", "{buffer: {memory: 10KiB, trace: 1KiB}}", "buffer", "memory must be at least 1MiB, got 10KiB"},
		{"memory without a unit", "{buffer: {memory: '12'}}", "buffer.memory", `got "12"`},
		{"memory as a number", "{buffer: {memory: 512.5}}", "buffer.memory", `such as 512MiB or 2GB, got "512.5"`},
		{"two rules of one name", "{sampling: {rules: [{name: a, keep: 1%}, {name: a, keep: 2%}]}}", "sampling::rules::1::name", `"a" is also the name of sampling::rules::0`},
		{"max_batch_bytes", "{release: {max_batch_bytes: 0B}}", "release", "max_batch_bytes must be positive, got 0B"},
		{"shutdown_timeout", "{release: {shutdown_timeout: 0s}}", "release", "shutdown_timeout must be positive, got 0s"},
		{"trace too large", "{buffer: {memory: 8MiB, trace: 3MiB}}", "buffer", "a quarter of memory (2MiB), got 3MiB"},
		{"decisions", "{decisions: {kept: -1}}", "decisions", "kept must not be negative, got -1"},
		{"dropped decisions", "{decisions: {dropped: -2}}", "decisions", "dropped must not be negative, got -2"},
		{"max_batch", "{release: {max_batch: 0}}", "release", "max_batch must be positive, got 0"},
		{"consumers", "{release: {consumers: -1}}", "release", "consumers must be positive, got -1"},
		{"retry", "{release: {retry: {initial_interval: -1s}}}", "release::retry", "initial_interval"},
		{"always_keep", "{logs: {always_keep: LOUD}}", "logs", `always_keep must be TRACE, DEBUG, INFO, WARN, ERROR, FATAL or NONE, got "LOUD"`},
		{"without_trace", "{logs: {without_trace: lose}}", "logs", `without_trace must be one of keep, drop, got "lose"`},
		{"wait_for_spans", "{logs: {wait_for_spans: 0s}}", "logs", "wait_for_spans must be positive, got 0s"},
		{"max_journeys", "{telemetry: {max_journeys: 0}}", "telemetry", "max_journeys must be positive, got 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(test.yaml)
			require.Error(t, err)
			require.ErrorContains(t, err, test.key)
			require.ErrorContains(t, err, test.found)
		})
	}
}

func TestEveryMistakeIsReportedAtOnce(t *testing.T) {
	_, err := load("{completion: {quiet: 0s}, sampling: {rules: [{name: a}, {keep: 1%}]}, telemetry: {max_journeys: 0}}")
	for _, part := range []string{"quiet must", "keep must be set", "rules::1", "max_journeys must"} {
		require.ErrorContains(t, err, part)
	}
}

func TestThePublishedConfigMeansWhatItSays(t *testing.T) {
	c, err := load("{completion: {quiet: 3s}, buffer: {memory: 2GB}, sampling: {rules: [{name: a, keep: 2.5%}]}, logs: {always_keep: error}}")
	require.NoError(t, err)
	require.Equal(t, 3*time.Second, c.Completion.Quiet.d)
	require.Equal(t, 15*time.Minute, c.Completion.MessageWait.d, "a default stays")
	require.Equal(t, ByteSize(2e9), c.Buffer.Memory)
	require.InDelta(t, 0.025, c.Sampling.Rules[0].Keep.share, 1e-12)
}

func TestSizesAndSharesReadWhatTheyWrite(t *testing.T) {
	for _, n := range []ByteSize{1, 1023, 1 << 10, 3 << 20, 5 << 30, 7 << 40, 1_000_001} {
		var got ByteSize
		require.NoError(t, got.UnmarshalText([]byte(n.String())))
		require.Equal(t, n, got)
	}
	for _, s := range []string{"0%", "0.25%", "12.5%", "100%"} {
		var p Percent
		require.NoError(t, p.UnmarshalText([]byte(s)))
		require.Equal(t, s, p.String())
	}
}

// TestTheConfigsOfTheREADMELoad loads every YAML block that configures the
// processor.
func TestTheConfigsOfTheREADMELoad(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(".", "README.md"))
	require.NoError(t, err)
	loaded := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		_, body, ok := strings.Cut(block[1], "  journey:\n")
		if !ok {
			continue
		}
		_, err := load(body)
		require.NoError(t, err, body)
		loaded++
	}
	require.Positive(t, loaded)
}
