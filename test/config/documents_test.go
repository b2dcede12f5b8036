package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// block is one fenced block of YAML in a document.
type block struct {
	file string
	line int // of its first line
	text string
}

func (b block) name() string {
	return fmt.Sprintf("%s:%d", strings.TrimPrefix(filepath.ToSlash(b.file), root+"/"), b.line)
}

// documentBlocks are the YAML blocks of all documents in the repository.
func documentBlocks(t *testing.T) []block {
	t.Helper()
	var out []block
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && passOver(entry.Name()) {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		out = append(out, fences(path, string(text))...)
		return nil
	})
	if err != nil {
		t.Fatalf("look for documents: %v", err)
	}
	return out
}

// passOver names folders with files that are not the repository's own.
func passOver(folder string) bool {
	return strings.HasPrefix(folder, ".") || slices.Contains([]string{"_build", "bin", "node_modules", "testdata"}, folder)
}

func fences(file, text string) []block {
	var out []block
	var open *block
	indent := ""
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case open == nil && (trimmed == "```yaml" || trimmed == "```yml"):
			open = &block{file: file, line: i + 2}
			indent, _, _ = strings.Cut(line, "`")
		case open != nil && trimmed == "```":
			out = append(out, *open)
			open = nil
		case open != nil:
			open.text += strings.TrimPrefix(line, indent) + "\n"
		}
	}
	return out
}

// notCollector says that a block is YAML of something else.
const notCollector = "not a collector's configuration"

// minimal is laid under a block that shows single components.
const minimal = `
receivers: {otlp: {protocols: {grpc: {endpoint: localhost:4317}}}}
exporters: {debug: {}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
`

// usual are components that documents name in pipelines without showing them.
const usual = `
exporters:
  otlp_grpc: {endpoint: "localhost:4317", tls: {insecure: true}}
  otlp_http: {endpoint: "http://localhost:4318"}
  file: {path: ./out.jsonl}
  debug: {}
processors: {batch: {}, memory_limiter: {check_interval: 1s, limit_mib: 512}}
`

// sections are the top-level keys of a collector's configuration.
var sections = []string{"receivers", "processors", "exporters", "connectors", "extensions", "service"}

// others are top-level keys of files that are not for a collector.
var others = []string{"services", "apiVersion", "dist", "x-hardened", "volumes", "rule_files", "scrape_configs"}

// ours are the settings of the two components, by which a block that shows only
// a part of one is recognised, and where it belongs. Of tail_sampling, which
// documents compare with, only whole blocks are shown.
var ours = map[string][]string{
	"processors/journey":   {"journeys", "completion", "sampling", "buffer", "logs"},
	"receivers/amqp_trace": {"connection", "firehose", "tap", "spans"},

	"processors/tail_sampling": nil,
}

// complete makes a whole configuration of what a document shows, or returns
// notCollector.
func complete(text string) (string, error) {
	var node map[string]any
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		return "", fmt.Errorf("not a YAML mapping: %w", err)
	}
	keys := slices.Sorted(maps.Keys(node))
	switch {
	case subset(keys, sections):
		return fill(node)
	case intersects(keys, others):
		return notCollector, nil
	}
	for place, settings := range ours {
		section, component, _ := strings.Cut(place, "/")
		isID := func(key string) bool { return key == component || strings.HasPrefix(key, component+"/") }
		switch {
		case subset(keys, settings):
			return fill(map[string]any{section: map[string]any{component: node}})
		case slices.ContainsFunc(keys, isID):
			return fill(map[string]any{section: node})
		}
	}
	return "", fmt.Errorf("cannot tell what %v is a part of: show it below its section, or teach this test", keys)
}

// fill makes a block runnable. One that shows pipelines gets the components that
// it names and does not show; another is laid over the minimal configuration, so
// that a block that shows `tap` does not meet the published `firehose`.
func fill(node map[string]any) (string, error) {
	service, _ := node["service"].(map[string]any)
	var err error
	if _, ok := service["pipelines"]; ok {
		err = addNamed(node, service)
	} else {
		err = addAll(node, minimal)
	}
	if err != nil {
		return "", err
	}
	encoded, err := yaml.Marshal(node)
	return string(encoded), err
}

// addNamed adds the components that the pipelines name, as the published
// configuration or usual has them. What neither has is left for the binary to find.
func addNamed(node, service map[string]any) error {
	text, err := os.ReadFile(published)
	if err != nil {
		return err
	}
	known := make(map[string]any)
	for _, source := range []string{string(text), usual} {
		if err := addAll(known, source); err != nil {
			return err
		}
	}
	pipelines, _ := service["pipelines"].(map[string]any)
	for _, pipeline := range pipelines {
		parts, _ := pipeline.(map[string]any)
		for section, names := range parts {
			list, _ := names.([]any)
			addComponents(node, known, section, list)
		}
	}
	return nil
}

func addComponents(node, known map[string]any, section string, names []any) {
	have, _ := known[section].(map[string]any)
	for _, name := range names {
		id := fmt.Sprint(name)
		if component, ok := have[id]; ok {
			addMissing(node, section, id, component)
		}
	}
}

func addAll(node map[string]any, text string) error {
	var from map[string]any
	if err := yaml.Unmarshal([]byte(text), &from); err != nil {
		return err
	}
	for section, components := range from {
		add, ok := components.(map[string]any)
		if !ok {
			return errors.New(section + " is not a mapping")
		}
		for id, component := range add {
			addMissing(node, section, id, component)
		}
	}
	return nil
}

func addMissing(node map[string]any, section, id string, component any) {
	into, ok := node[section].(map[string]any)
	if !ok {
		into = make(map[string]any)
		node[section] = into
	}
	if _, shown := into[id]; !shown {
		into[id] = component
	}
}

func subset(keys, of []string) bool {
	return len(keys) > 0 && !slices.ContainsFunc(keys, func(key string) bool { return !slices.Contains(of, key) })
}

func intersects(keys, with []string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { return slices.Contains(with, key) })
}
