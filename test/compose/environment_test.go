package compose

import (
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/otelcol-journey/otelcol-journey/demo-services/variables"
)

// ofGo are the variables that the Go runtime of every program reads.
var ofGo = []string{"GOMEMLIMIT", "GOMAXPROCS", "GOGC"}

// configurations are the files from which a collector or Jaeger takes its settings.
func configurations(service string) []string {
	switch service {
	case "collector":
		return []string{"otelcol-config.yaml", "deploy/compare.yaml", "deploy/compose/plain.yaml", "deploy/grafana/collector.yaml"}
	case "jaeger", "jaeger-all":
		return []string{"deploy/jaeger/config.yaml"}
	default:
		return nil
	}
}

// readBy are the variables that mean something to the service.
func readBy(t *testing.T, service string) []reference {
	t.Helper()
	out := referencesOf(t, configurations(service)...)
	for _, v := range variables.Of(service) {
		out = append(out, reference{name: v.Name, byDefault: v.Default})
	}
	return out
}

func TestEveryVariableIsRead(t *testing.T) {
	eachService(t, func(t *testing.T, _ *types.Project, s types.ServiceConfig) {
		known := slices.Concat(ofGo, grafanaSettings[s.Name])
		for _, v := range readBy(t, s.Name) {
			known = append(known, v.name)
		}
		for name := range settings(s) {
			if !slices.Contains(known, name) {
				t.Errorf("%s means nothing to %s", name, s.Name)
			}
		}
	})
}

// What is by default on this machine is somewhere else in a network of containers.
func TestNothingIsLeftOnLocalhost(t *testing.T) {
	// Asked from inside the container only.
	inside := []string{"HEALTH_ENDPOINT", "HEALTH_ADDRESS"}
	eachService(t, func(t *testing.T, _ *types.Project, s types.ServiceConfig) {
		set := settings(s)
		for _, v := range readBy(t, s.Name) {
			if !strings.Contains(v.byDefault, "localhost") || slices.Contains(inside, v.name) || v.name == "RABBITMQ_URL" {
				continue
			}
			if value := set[v.name]; value == "" || strings.Contains(value, "localhost") {
				t.Errorf("%s is %q; its default is %q", v.name, value, v.byDefault)
			}
		}
	})
}

func TestChoicesAreAmongTheChoices(t *testing.T) {
	eachService(t, func(t *testing.T, _ *types.Project, s types.ServiceConfig) {
		set := settings(s)
		for _, v := range variables.Of(s.Name) {
			value, given := set[v.Name]
			if given && v.Kind == variables.Choice && !slices.Contains(v.Choices, value) {
				t.Errorf("%s is %q, not one of %v", v.Name, value, v.Choices)
			}
		}
	})
}
