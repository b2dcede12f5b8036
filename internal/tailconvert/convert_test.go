package tailconvert

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func TestFaultsNameKeyAndLine(t *testing.T) {
	for _, test := range []struct {
		name, input string
		says        []string
	}{
		{"nothing", "", []string{"no YAML mapping"}},
		{"not a mapping", "- a", []string{"no YAML mapping"}},
		{"not YAML", "a: [", []string{"read YAML"}},
		{"two documents", "policies: []\n---\npolicies: []", []string{"more than one document"}},
		{"an alias of itself", "a: &a {b: *a}", []string{"contains itself"}},
		{"no tail_sampling", "processors: {batch: {}}", []string{"line 1", "there is no tail_sampling"}},
		{"unknown option", "decision_wait: 1s\ndecision_weight: 2s", []string{"line 2", "decision_weight", "decision_wait,"}},
		{"beside tail_sampling", "tail_sampling: {}\nbatch: {}", []string{"line 2", "batch"}},
		{"option twice", "tail_sampling:\n  num_traces: 1\n  num_traces: 2", []string{"already defined"}},
		{"negative", "num_traces: -1", []string{"line 1: num_traces must not be negative, got -1"}},
		{"no duration", "decision_wait: soon", []string{`decision_wait must be a duration such as 30s, got "soon"`}},
		{"a variable", "num_traces: ${env:TRACES}", []string{"num_traces is ${env:TRACES}: put its value there"}},
		{"not a number", "num_traces: many", []string{`num_traces must be a whole number, got "many"`}},
		{"not a boolean", "block_on_overflow: perhaps", []string{"block_on_overflow must be true or false"}},
		{"strategy", "sampling_strategy: guess", []string{"sampling_strategy must be trace-complete or span-ingest"}},
		{"policies no list", "policies: {}", []string{"policies must be a list"}},
		{"policy no mapping", "policies: [always_sample]", []string{"policies::0 must be a mapping"}},
		{"no name", "policies: [{type: always_sample}]", []string{"policies::0: a policy must have a name"}},
		{"no type", "policies: [{name: a}]", []string{"policies::0: a policy must have a type"}},
		{"name twice", "policies:\n- {name: a, type: always_sample}\n- {name: a, type: always_sample}", []string{"line 3", `there is a policy "a" already`}},
		{"unknown type", "policies:\n  - name: a\n    type: psychic", []string{"line 3", `unknown type "psychic"`, "extension"}},
		{"unknown key of a policy", "policies: [{name: a, type: latency, letency: {}}]", []string{"policies::0::letency"}},
		{"unknown key of its settings", "policies: [{name: a, type: latency, latency: {treshold_ms: 1}}]", []string{"policies::0::latency::treshold_ms", "threshold_ms"}},
		{"and in and", "policies: [{name: a, type: and, and: {and_sub_policy: [{name: b, type: and}]}}]", []string{`and_sub_policy::0: policy "b": type "and" cannot stand in and`}},
		{"not in not", "policies: [{name: a, type: not, not: {not_sub_policy: {name: b, type: not}}}]", []string{`type "not" cannot stand in not`}},
		{"drop in composite", "policies: [{name: a, type: composite, composite: {composite_sub_policy: [{name: b, type: drop}]}}]", []string{"cannot stand in composite"}},
		{"no status", "policies: [{name: a, type: status_code}]", []string{"status_codes must name at least one"}},
		{"unknown status", "policies: [{name: a, type: status_code, status_code: {status_codes: [error]}}]", []string{`unknown status code "error"`}},
		{"no bounds", "policies: [{name: a, type: numeric_attribute, numeric_attribute: {key: a}}]", []string{"min_value or max_value must be set"}},
		{"no condition", "policies: [{name: a, type: ottl_condition}]", []string{"must have a condition"}},
		{"error mode", "policies: [{name: a, type: ottl_condition, ottl_condition: {error_mode: shout, span: [x]}}]", []string{"error_mode must be"}},
		{"pattern", "policies: [{name: a, type: string_attribute, string_attribute: {key: k, values: ['('], enabled_regex_matching: true}}]", []string{"values: error parsing regexp"}},
		{"salts", salted(7), []string{"line 7", "more than 6 different hash_salts"}},
		{"a journey is there", "processors: {journey: {}, tail_sampling: {}}", []string{"processors::journey is there already"}},
		{"several", "num_traces: -1\ncolour: red", []string{"line 1: num_traces", "line 2: unknown key colour"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			result, err := Convert([]byte(test.input))
			require.Error(t, err)
			require.Empty(t, result.YAML)
			for _, says := range test.says {
				require.ErrorContains(t, err, says)
			}
		})
	}
}

// salted are policies that draw with n different salts.
func salted(n int) string {
	lines := []string{"policies: ["}
	for i := range n {
		lines[i] += fmt.Sprintf("{name: a%d, type: probabilistic, probabilistic: {sampling_percentage: %d, hash_salt: s%d}},", i, 10+i, i)
		lines = append(lines, "")
	}
	return strings.Join(lines, "\n") + "]"
}

// Whatever is read, the output is YAML with rules, and it has a last one for
// everything: what no rule matches would be kept.
func FuzzConvert(f *testing.F) {
	examples, err := filepath.Glob("../../cmd/tailconvert/testdata/*.yaml")
	require.NoError(f, err)
	for _, example := range examples {
		text, err := os.ReadFile(example)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		result, err := Convert(input)
		if err != nil {
			require.Empty(t, result.YAML)
			return
		}
		var out map[string]any
		require.NoError(t, yaml.Unmarshal(result.YAML, &out), string(result.YAML))
		if processors, ok := out["processors"].(map[string]any); ok {
			out = processors
		}
		for id, settings := range out {
			rules := settings.(map[string]any)["sampling"].(map[string]any)["rules"].([]any)
			last := rules[len(rules)-1].(map[string]any)
			require.NotContains(t, last, "when", "%s: %s", id, result.YAML)
		}
	})
}

func TestNestedJoinsBecomeSimple(t *testing.T) {
	a, b := leaf("spans_over", integerNode(1)), leaf("spans_over", integerNode(2))
	outcome := leaf("outcome", textNode("error"))
	for _, test := range []struct {
		w    when
		want string
	}{
		{all(a, outcome), "{spans_over: 1, outcome: error}"},
		{all(a, b), "{all: [{spans_over: 1}, {spans_over: 2}]}"},
		{all(a, all(outcome, always)), "{spans_over: 1, outcome: error}"},
		{all(a, not(b)), "{spans_over: 1, not: {spans_over: 2}}"},
		{all(not(a), not(b)), "{all: [{not: {spans_over: 1}}, {not: {spans_over: 2}}]}"},
		{anyOf(a, anyOf(b, never)), "{any: [{spans_over: 1}, {spans_over: 2}]}"},
		{not(not(a)), "{spans_over: 1}"},
	} {
		var want any
		require.NoError(t, yaml.Unmarshal([]byte(test.want), &want))
		var got any
		require.NoError(t, test.w.node().Decode(&got))
		require.Equal(t, want, got)
	}
	for _, w := range []when{all(), anyOf(a, always), not(never), all(always, not(never))} {
		require.True(t, w.isAlways())
	}
	for _, w := range []when{anyOf(), all(a, never), not(always)} {
		require.True(t, w.isNever())
	}
}

func TestCommentsAreBrokenIntoLines(t *testing.T) {
	text := comment([]string{strings.Repeat("word ", 50), "next"})
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, len(line), width)
		require.True(t, strings.HasPrefix(line, "# "))
	}
	require.True(t, strings.HasSuffix(text, "\n# next"))
}
