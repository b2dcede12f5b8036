package grafana

import (
	"fmt"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// Metric is what a component's metadata.yaml says about one of its metrics.
type Metric struct {
	// Labels are its attributes, the labels that Prometheus adds to each target,
	// the component's id, and the bounds of a histogram.
	Labels []string
	// Values are those a label can have, where there is a fixed list.
	Values map[string][]string
}

type metadata struct {
	Status     struct{ Class string }
	Attributes map[string]struct{ Enum []string }
	Telemetry  struct {
		Metrics map[string]struct {
			Enabled    bool
			Attributes []string
			Histogram  *yaml.Node
		}
	}
}

// Metrics are those of all components of this repository, by the name under which
// the published configuration exposes them: without suffixes for type and unit.
func Metrics(root string) (map[string]Metric, error) {
	files, err := filepath.Glob(filepath.Join(root, "*", "*", "metadata.yaml"))
	if err != nil {
		return nil, fmt.Errorf("look for metadata: %w", err)
	}
	out := make(map[string]Metric)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read metadata: %w", err)
		}
		var m metadata
		if err := yaml.Unmarshal(text, &m); err != nil {
			return nil, fmt.Errorf("read metadata %s: %w", file, err)
		}
		m.addTo(out)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no component below %s has metrics", root)
	}
	return out, nil
}

func (m metadata) addTo(out map[string]Metric) {
	for name, metric := range m.Telemetry.Metrics {
		if !metric.Enabled {
			continue
		}
		// internal/ownmetrics adds the component's id under the name of its class.
		labels := append([]string{"instance", "job", m.Status.Class}, metric.Attributes...)
		if metric.Histogram != nil {
			labels = append(labels, "le")
		}
		values := make(map[string][]string)
		for _, attribute := range metric.Attributes {
			values[attribute] = m.Attributes[attribute].Enum
		}
		out["otelcol_"+name] = Metric{Labels: labels, Values: values}
	}
}
