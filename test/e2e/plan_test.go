package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// record adds the overlay that records what comes in, and returns the file.
func (p *parts) record(t *testing.T) string {
	t.Helper()
	p.configs = append(p.configs, filepath.Join(world.root, "deploy", "record.yaml"))
	file := filepath.Join(p.dir, "recording.otlp")
	p.env["RECORDING_FILE"] = file
	return file
}

// planDecision is one line of bin/plan's decisions.
type planDecision struct {
	TraceID string `json:"trace_id"`
	Journey string `json:"journey"`
	Outcome string `json:"outcome"`
	Kept    bool   `json:"kept"`
}

// requireAsPlanned plans the collector's own configuration over what it has
// recorded: the plan must be what it has done.
func (p *parts) requireAsPlanned(t *testing.T, recording string, done account, journeys []journeyTruth) {
	t.Helper()
	decisions := filepath.Join(p.dir, "decisions.jsonl")
	args := []string{"-format", "json", "-decisions", decisions}
	for _, config := range p.configs {
		args = append(args, "-config", config)
	}
	plan := exec.CommandContext(t.Context(), program("plan"), append(args, recording)...)
	plan.Env = os.Environ()
	for name, value := range p.env {
		plan.Env = append(plan.Env, name+"="+value)
	}
	var stderr bytes.Buffer
	plan.Stderr = &stderr
	text, err := plan.Output()
	require.NoError(t, err, "%s", &stderr)
	var planned struct {
		With struct {
			Total struct{ Received, Kept struct{ Spans int } }
		}
	}
	require.NoError(t, json.Unmarshal(text, &planned))
	require.Equal(t, done.received, planned.With.Total.Received.Spans, "spans received")
	require.Equal(t, done.kept, planned.With.Total.Kept.Spans, "spans kept")

	kept := readDecisions(t, decisions)
	for _, j := range journeys {
		_, err := p.lookUp(j.TraceID)
		require.Equal(t, !errors.Is(err, errNotStored), kept[j.TraceID].Kept, "%s %s %s is kept: in Jaeger, by the plan", j.TraceID, j.Journey, j.Class)
		require.Equal(t, j.Outcome, kept[j.TraceID].Outcome, "%s %s %s", j.TraceID, j.Journey, j.Class)
	}
}

func readDecisions(t *testing.T, path string) map[string]planDecision {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	all := map[string]planDecision{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var d planDecision
		require.NoError(t, json.Unmarshal(lines.Bytes(), &d))
		all[d.TraceID] = d
	}
	require.NoError(t, lines.Err())
	return all
}
