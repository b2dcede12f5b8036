package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const guide = "../../docs/migrating-from-tail-sampling.md"

// fence is a block of YAML that begins with one of the two processors.
var fence = regexp.MustCompile("(?s)```yaml\n((?:tail_sampling|journey):\n.*?)```\n")

// In the guide each block of tail_sampling is followed by what is printed for
// it, without the comments.
func TestTheGuideShowsWhatIsPrinted(t *testing.T) {
	text, err := os.ReadFile(guide)
	require.NoError(t, err)
	blocks := fence.FindAllStringSubmatch(string(text), -1)
	pairs := 0
	for i, block := range blocks {
		if !strings.HasPrefix(block[1], "tail_sampling:") {
			continue
		}
		pairs++
		require.Less(t, i+1, len(blocks), block[1])
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitOK, run(nil, strings.NewReader(block[1]), &stdout, &stderr), stderr.String())
		require.Equal(t, blocks[i+1][1], withoutComments(stdout.String()), "for\n%s", block[1])
	}
	require.Greater(t, pairs, 15)
}

func withoutComments(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}
