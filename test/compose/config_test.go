package compose

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// reference is one ${env:NAME:-default} of a collector's configuration.
type reference struct{ name, byDefault string }

var references = regexp.MustCompile(`\$\{env:([A-Z0-9_]+)(?::-([^}]*))?\}`)

// referencesOf are the variables that the configuration files read.
func referencesOf(t *testing.T, files ...string) []reference {
	t.Helper()
	var out []reference
	for _, file := range files {
		for _, match := range references.FindAllStringSubmatch(readFile(t, file), -1) {
			out = append(out, reference{name: match[1], byDefault: match[2]})
		}
	}
	return out
}

func readFile(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// resolved is the configuration file as a collector with these variables sees it.
func resolved(t *testing.T, file string, env map[string]string) map[string]any {
	t.Helper()
	text := references.ReplaceAllStringFunc(readFile(t, file), func(found string) string {
		match := references.FindStringSubmatch(found)
		if value, set := env[match[1]]; set {
			return value
		}
		return match[2]
	})
	var out map[string]any
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return out
}

// listeners are the addresses the configured collector or Jaeger listens on:
// every `endpoint` of a receiver or an extension, and the metrics.
func listeners(config map[string]any) []string {
	var out []string
	for _, kind := range []string{"receivers", "extensions"} {
		out = append(out, endpoints(config[kind])...)
	}
	return append(out, metricsAddresses(config["service"])...)
}

func endpoints(node any) []string {
	fields, ok := node.(map[string]any)
	if !ok {
		return nil
	}
	var out []string
	for name, value := range fields {
		if address, ok := value.(string); ok && name == "endpoint" {
			out = append(out, address)
		}
		out = append(out, endpoints(value)...)
	}
	return out
}

// metricsAddresses finds every host and port that stand side by side.
func metricsAddresses(node any) []string {
	var out []string
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			out = append(out, metricsAddresses(item)...)
		}
	case map[string]any:
		if host, ok := node["host"].(string); ok {
			out = append(out, host+":"+number(node["port"]))
		}
		for _, value := range node {
			out = append(out, metricsAddresses(value)...)
		}
	}
	return out
}

// number is the YAML number as it is written.
func number(node any) string {
	text, err := yaml.Marshal(node)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}

func TestListenersAreFound(t *testing.T) {
	got := slices.Sorted(slices.Values(listeners(resolved(t, "otelcol-config.yaml", nil))))
	want := []string{"localhost:13133", "localhost:4317", "localhost:4318", "localhost:8686", "localhost:8888"}
	if !slices.Equal(got, want) {
		t.Errorf("the published configuration listens on %v, want %v", got, want)
	}
}
