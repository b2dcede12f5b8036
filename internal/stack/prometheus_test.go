package stack

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrometheusSaysWhatItLacks(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // nor is there an apt-get
	_, err := StartPrometheus(t.Context(), PrometheusSpec{Dir: t.TempDir(), Log: t.Output()})
	require.ErrorIs(t, err, ErrNoPrometheus)
}

// A Prometheus that cannot start says why, with the end of its log.
func TestPrometheusReadsItsConfiguration(t *testing.T) {
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed; the end-to-end tests install it")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yaml")
	require.NoError(t, os.WriteFile(config, []byte("scrape_configs: [{nonsense: true}]"), 0o600))
	_, err = StartPrometheus(t.Context(), PrometheusSpec{Path: path, Config: config, Dir: dir, Log: t.Output()})
	require.ErrorContains(t, err, "nonsense")
}
