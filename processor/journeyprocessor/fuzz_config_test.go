package journeyprocessor

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.yaml.in/yaml/v3"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/metadata"
)

// FuzzConfig holds that no configuration makes the processor panic, and that
// one that is valid also compiles, starts, decides and stops.
func FuzzConfig(f *testing.F) {
	f.Add("{journeys: [{name: a, match: {service: a*}}], sampling: {rules: [{name: b, when: {journey: a}, keep: 3%}]}}")
	f.Add("{completion: {quiet: 1s}, buffer: {memory: 1GiB}}")
	f.Add("{sampling: {rules: [{name: a, keep: 0.0000000000000000001%}]}}")
	f.Add(strangersConfig)
	files, err := filepath.Glob("testdata/scenarios/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		var s scenario
		require.NoError(f, yaml.Unmarshal(text, &s))
		config, err := yaml.Marshal(&s.Config)
		require.NoError(f, err)
		f.Add(string(config))
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := load(text)
		if err != nil {
			return
		}
		p, _, set, err := compile(c, ignoreFailure)
		if err != nil {
			require.ErrorContains(t, err, "keep")
			return
		}
		require.Len(t, p.Rules, len(c.Sampling.Rules))
		require.GreaterOrEqual(t, set.Len(), len(c.Journeys))
		if c.isModest() {
			synctest.Test(t, func(t *testing.T) { run(t, c) })
		}
	})
}

// isModest says that to start the processor with c takes neither much memory
// nor much time.
func (c *Config) isModest() bool {
	return c.Release.Consumers <= 100 && c.Release.Retry.MaxInterval >= c.Release.Retry.InitialInterval &&
		c.Decisions.Kept <= 1e6 && c.Decisions.Dropped <= 1e7
}

// run sends a stranger's batches through a processor with that configuration.
func run(t *testing.T, c *Config) {
	t.Helper()
	h := &harness{t: t, sink: &sink{}, settings: processortest.NewNopSettings(metadata.Type)}
	h.withShelf()
	if c.Storage != nil {
		c.Storage = &shelfID
	}
	e, err := newEngine(h.settings.ID, h.settings.TelemetrySettings, c)
	require.NoError(t, err)
	require.NoError(t, e.setTraces(h.sink))
	require.NoError(t, e.setLogs(h.sink))
	require.NoError(t, e.Start(t.Context(), h))
	s := newStranger(1)
	for range 3 {
		_ = e.ConsumeTraces(t.Context(), s.traces()) // may not fit
		_ = e.ConsumeLogs(t.Context(), s.logs())
		h.wait(c.Completion.Quiet.d % (1 << 32))
	}
	require.NoError(t, e.Shutdown(t.Context()))
	require.Zero(t, e.store.memory().Blocks())
	require.Zero(t, e.store.buffer.used.Load())
}
