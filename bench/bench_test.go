package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFlags(t *testing.T) {
	s, err := parse([]string{"-spans", "5", "-systems", "journey,passthrough", "-at-pace"})
	require.NoError(t, err)
	assert.Equal(t, 5, s.load.Spans)
	assert.Equal(t, []string{"journey", "passthrough"}, s.systems)
	assert.True(t, s.atPace)

	_, err = parse([]string{"-rounds", "0"})
	require.ErrorContains(t, err, "-rounds must be positive, got 0")
}

func TestSystemsAreChecked(t *testing.T) {
	t.Chdir(t.TempDir())
	collector := filepath.Join(t.TempDir(), "collector")
	require.NoError(t, os.WriteFile(collector, nil, 0o755))
	_, err := newCampaign(&settings{binary: collector, systems: []string{"nobody"}}, "", os.Stdout)
	require.ErrorContains(t, err, `system "nobody"`)
	_, err = newCampaign(&settings{binary: collector, profile: "journey"}, "", os.Stdout)
	require.ErrorContains(t, err, "-profile")
	_, err = newCampaign(&settings{binary: "missing"}, "", os.Stdout)
	require.ErrorContains(t, err, "make build")
}

// Every configuration here is one that the collector takes.
func TestConfigurationsAreValid(t *testing.T) {
	collector, err := filepath.Abs("../bin/otelcol-journey")
	require.NoError(t, err)
	if _, err := os.Stat(collector); err != nil {
		t.Skip("the collector is not built (make build)")
	}
	for _, system := range []string{
		"passthrough", "tail_sampling", "journey",
		"tail_sampling+limiter_1gib", "journey+buffer_512mib", "journey+profile",
	} {
		output, err := validate(t.Context(), collector, system)
		assert.NoError(t, err, "%s: %s", system, strings.TrimSpace(string(output)))
	}
}

func validate(ctx context.Context, collector, system string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	args := []string{"validate"}
	for _, path := range configs(system) {
		args = append(args, "--config", path)
	}
	command := exec.CommandContext(ctx, collector, args...)
	command.Env = append(os.Environ(), "OTLP_GRPC_ENDPOINT=localhost:1", "SINK_ENDPOINT=localhost:2",
		"HEALTH_ENDPOINT=localhost:3", "METRICS_PORT=4", "PPROF_ENDPOINT=localhost:5", "CPU_PROFILE=unused")
	return command.CombinedOutput()
}
