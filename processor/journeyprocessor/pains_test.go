package journeyprocessor

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestThePainsHaveTheirCures holds the table of testdata/scenarios/README.md
// against what there is: every scenario and test that it names exists, and it
// names every scenario.
func TestThePainsHaveTheirCures(t *testing.T) {
	const folder = "testdata/scenarios"
	text, err := os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	tests := testNames(t)
	rows, named := 0, map[string]bool{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], " ---") || cells[1] == " pain " {
			continue
		}
		rows++
		cures := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[3], -1)
		require.NotEmpty(t, cures, "nothing shows %q", cells[1])
		for _, cure := range cures {
			named[cure[1]] = true
			if strings.HasSuffix(cure[1], ".yaml") {
				require.FileExists(t, filepath.Join(folder, cure[1]), cells[1])
				continue
			}
			require.Contains(t, tests, cure[1], "%q is to be shown by a test that is not there", cells[1])
		}
	}
	require.Greater(t, rows, 20)
	files, err := filepath.Glob(folder + "/*.yaml")
	require.NoError(t, err)
	for _, file := range files {
		require.Contains(t, named, filepath.Base(file), "a scenario that the table does not have")
	}
}

// testNames are the tests and fuzz targets of the processor's packages.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, pattern := range []string{"*_test.go", "internal/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, found := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllStringSubmatch(string(source), -1) {
				names[found[1]] = true
			}
		}
	}
	return names
}
