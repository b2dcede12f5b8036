package apitest

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the samples to testdata/api")

// The page's author and openapi.yaml read the files.
func TestTheFilesAreTheSamples(t *testing.T) {
	for name, sample := range Samples() {
		want, err := json.MarshalIndent(sample, "", "  ")
		require.NoError(t, err)
		want = append(want, '\n')
		path := filepath.Join("..", "..", "testdata", "api", name+".json")
		if *update {
			require.NoError(t, os.WriteFile(path, want, 0o644))
		}
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "write it anew with -update")
	}
}
