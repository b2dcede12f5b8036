// Package config gives the real binary every configuration that a user is shown:
// the published one, the overlays, and each YAML block of the documents.
package config

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const root = "../.."

// published is the configuration the README explains.
const published = root + "/otelcol-config.yaml"

// validateTimeout is far above what a validation takes, a fifth of a second.
const validateTimeout = time.Minute

// binary is the collector to ask: OTELCOL_JOURNEY, or what `make build` made.
func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("OTELCOL_JOURNEY")
	if path == "" {
		path = root + "/bin/otelcol-journey"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s does not exist; `make build` makes it, or set OTELCOL_JOURNEY", path)
	}
	return path
}

// validate returns what the binary has against the configurations laid over one
// another, or "".
func validate(t *testing.T, configs ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), validateTimeout)
	defer cancel()
	args := []string{"validate"}
	for _, config := range configs {
		args = append(args, "--config="+config)
	}
	command := exec.CommandContext(ctx, binary(t), args...)
	// Nothing of this machine's environment: the defaults have to do.
	command.Env = []string{"HOME=" + t.TempDir()}
	out, err := command.CombinedOutput()
	if err == nil {
		return ""
	}
	if text := string(bytes.TrimSpace(out)); text != "" {
		return text
	}
	return err.Error()
}

func TestPublishedConfigurationIsValid(t *testing.T) {
	if fault := validate(t, published); fault != "" {
		t.Error(fault)
	}
}

func TestOverlaysAreValidOnThePublishedConfiguration(t *testing.T) {
	for _, overlay := range []string{"deploy/compare.yaml", "deploy/compose/plain.yaml", "deploy/grafana/collector.yaml", "deploy/record.yaml", "deploy/storage.yaml"} {
		if fault := validate(t, published, filepath.Join(root, overlay)); fault != "" {
			t.Errorf("%s: %s", overlay, fault)
		}
	}
}

// What tailconvert prints for a whole configuration is laid over it.
func TestAConvertedConfigurationIsValidOnTheOldOne(t *testing.T) {
	const old = root + "/cmd/tailconvert/testdata/collector"
	if fault := validate(t, old+".yaml", old+".journey.yaml"); fault != "" {
		t.Errorf("instead: %s", fault)
	}
	if fault := validate(t, old+".journey.yaml", old+".yaml"); fault != "" {
		t.Errorf("beside: %s", fault)
	}
}

// The check would be worth nothing if the binary accepted everything.
func TestMistakesAreFound(t *testing.T) {
	tests := map[string]string{
		"unknown component":         "processors: {jorney: {}}",
		"unknown setting":           "processors: {journey: {sampling: {rulez: []}}}",
		"share without a unit":      "processors: {journey: {sampling: {rules: [{name: all, keep: 10}]}}}",
		"both firehose and tap":     "receivers: {amqp_trace: {tap: {}}}",
		"pipeline without receiver": "service: {pipelines: {traces: {receivers: []}}}",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			if fault := validate(t, published, write(t, text)); fault == "" {
				t.Errorf("the binary accepts %s", text)
			}
		})
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestEveryConfigurationInTheDocumentsIsValid(t *testing.T) {
	blocks := documentBlocks(t)
	if len(blocks) == 0 {
		t.Fatal("no YAML was found in any document")
	}
	for _, block := range blocks {
		t.Run(block.name(), func(t *testing.T) {
			text, err := complete(block.text)
			if err != nil {
				t.Fatalf("%s:%d: %v", block.file, block.line, err)
			}
			if text == notCollector {
				return
			}
			if fault := validate(t, write(t, text)); fault != "" {
				t.Errorf("%s:%d: %s\n%s", block.file, block.line, strings.TrimSpace(fault), text)
			}
		})
	}
}
