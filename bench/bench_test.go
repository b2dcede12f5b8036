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

	s, err = parse([]string{"-fault", "reload,kill", "-shop-rate", "2000"})
	require.NoError(t, err)
	assert.True(t, s.atPace)
	assert.Equal(t, 140_000, s.load.Spans, "70 s, unless -spans says otherwise")
	assert.Equal(t, 1, s.rounds)
	s, err = parse([]string{"-overload", "3", "-rounds", "2"})
	require.NoError(t, err)
	assert.Equal(t, 3*time.Minute, s.lasts)
	assert.Equal(t, 2, s.rounds)

	_, err = parse([]string{"-fault", "flood"})
	require.ErrorContains(t, err, `there is no "flood"`)
	_, err = parse([]string{"-fault", "kill", "-soak", "1m"})
	require.ErrorContains(t, err, "runs of their own")
	_, err = parse([]string{"-soak", "1m", "-systems", "journey,passthrough"})
	require.ErrorContains(t, err, "one system")
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
		"passthrough+queue", "passthrough+persistent_queue", "tail_sampling+limiter_1gib+queue",
		"tail_sampling+limiter_1gib", "journey+buffer_512mib", "journey+buffer_512mib+gomemlimit", "journey+profile",
		"journey+rules_twice", "journey+one_core", "journey+soak", "journey+ottl", "journey+storage",
		"tail_sampling+wait_60s", "journey+wait_60s", "journey+wait_100s", "passthrough+wait_60s",
		"journey+page", "journey+shadow", "journey+page+profile", "journey+storage+page+shadow+unlimited+requests_10000",
	} {
		t.Run(system, func(t *testing.T) {
			output, err := validate(t, collector, system)
			assert.NoError(t, err, output)
		})
	}
}

func validate(t *testing.T, collector, system string) (output string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	args := []string{"validate"}
	files, err := withExtensions(configs(system))
	require.NoError(t, err)
	for _, path := range files {
		args = append(args, "--config", path)
	}
	command := exec.CommandContext(ctx, collector, args...)
	command.Env = append(os.Environ(), "OTLP_GRPC_ENDPOINT=localhost:1", "SINK_ENDPOINT=localhost:2",
		"HEALTH_ENDPOINT=localhost:3", "METRICS_PORT=4", "PPROF_ENDPOINT=localhost:5",
		"JOURNEYS_ENDPOINT=localhost:6", "CPU_PROFILE=unused", "STORAGE_DIRECTORY="+t.TempDir())
	b, err := command.CombinedOutput()
	return strings.TrimSpace(string(b)), err
}

func TestASystemIsMadeOfItsParts(t *testing.T) {
	assert.Equal(t, []string{"configs/base.yaml", "configs/journey.yaml"}, configs("journey+one_core"))
	env, err := environment("journey+one_core+gomemlimit")
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"GOMAXPROCS": "1", "GOMEMLIMIT": "920MiB"}, env)
	c := &campaign{settings: &settings{wait: 10 * time.Second}}
	assert.Equal(t, 10*time.Second, c.waitOf("journey+storage"))
	assert.Equal(t, time.Minute, c.waitOf("journey+wait_60s"))
	assert.Zero(t, c.waitOf("passthrough+wait_60s"))
}
