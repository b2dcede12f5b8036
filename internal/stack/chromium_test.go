package stack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAChromiumOnThePathIsTaken(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir) // nor is there an apt-get
	_, err := Chromium(t.Context(), t.Output())
	require.ErrorIs(t, err, ErrNoChromium)

	browser := filepath.Join(dir, "chromium")
	require.NoError(t, os.WriteFile(browser, nil, 0o755))
	path, err := Chromium(t.Context(), t.Output())
	require.NoError(t, err)
	require.Equal(t, browser, path)
}
