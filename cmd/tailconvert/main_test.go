package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/*.journey.yaml anew")

// The output loads, or run would fail; that it keeps the same traces is tested
// in bench/internal/migration.
func TestExamplesAreConvertedAsTheyWere(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	for _, input := range inputs {
		if strings.HasSuffix(input, ".journey.yaml") {
			continue
		}
		t.Run(filepath.Base(input), func(t *testing.T) {
			want := exitOK
			if strings.Contains(input, "no_equivalent") {
				want = exitMissing
			}
			var stdout, stderr bytes.Buffer
			require.Equal(t, want, run([]string{input}, nil, &stdout, &stderr), stderr.String())
			require.Equal(t, want == exitMissing, strings.Contains(stdout.String(), "NO EQUIVALENT"))
			golden := strings.TrimSuffix(input, ".yaml") + ".journey.yaml"
			if *update {
				require.NoError(t, os.WriteFile(golden, stdout.Bytes(), 0o600))
			}
			expected, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(expected), stdout.String())
		})
	}
}

func TestReadsAFileOrStandardInputAndWritesAFileOrStandardOutput(t *testing.T) {
	text, err := os.ReadFile("testdata/latency.yaml")
	require.NoError(t, err)
	output := filepath.Join(t.TempDir(), "journey.yaml")
	var first, second, stderr bytes.Buffer
	require.Equal(t, exitOK, run(nil, bytes.NewReader(text), &first, &stderr), stderr.String())
	require.Equal(t, exitOK, run([]string{"-o", output, "-"}, bytes.NewReader(text), &second, &stderr), stderr.String())
	written, err := os.ReadFile(output)
	require.NoError(t, err)
	require.Empty(t, second.String())
	require.Equal(t, first.String(), string(written))
}

func TestExitCodesAndMessages(t *testing.T) {
	policy := func(text string) string { return "policies: [" + text + "]" }
	for _, test := range []struct {
		name  string
		args  []string
		input string
		code  int
		says  string
	}{
		{"help", []string{"-h"}, "", exitOK, "NO EQUIVALENT"},
		{"unknown flag", []string{"-x"}, "", exitUsage, "-x"},
		{"two files", []string{"a", "b"}, "", exitUsage, `"b"`},
		{"no such file", []string{"testdata/none.yaml"}, "", exitInput, "none.yaml"},
		{"output to no folder", []string{"-o", "testdata/none/x.yaml"}, "policies: []", exitInput, "none"},
		{"a condition that OTTL refuses", nil, policy(`{name: a, type: ottl_condition, ottl_condition: {span: ['colour ==']}}`), exitInput, "refuses the converted journey"},
		{"a function that the processor has not", nil, policy(`{name: a, type: ottl_condition, ottl_condition: {span: ['Colour() == 1']}}`), exitInput, "Colour"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, test.code, run(test.args, strings.NewReader(test.input), &stdout, &stderr), stderr.String())
			require.Contains(t, stderr.String(), test.says)
			require.Empty(t, stdout.String())
		})
	}
}

// The example of the usage works.
func TestTheUsageShowsAnExampleThatWorks(t *testing.T) {
	_, example, _ := strings.Cut(usage, "<<END\n")
	example, _, found := strings.Cut(example, "  END")
	require.True(t, found)
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitOK, run(nil, strings.NewReader(example), &stdout, &stderr), stderr.String())
	require.Contains(t, stdout.String(), "keep: 5%")
}
