// Package compose checks docker-compose.yaml, which nothing else here can run: a
// Docker engine is not part of the tests. It loads the file as Compose does and
// holds it against the configurations and the programs that it names.
package compose

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/otelcol-journey/otelcol-journey/demo-services/variables"
)

const root = "../.."

// variant is one way in which the comment at the file's head says to start it.
type variant struct {
	name     string
	profiles []string
	env      []string
	services []string // beside the demo services
	overlay  string   // the collector's second configuration file
}

var variants = []variant{
	{
		name:     "default",
		services: []string{"rabbitmq", "jaeger", "collector"},
		overlay:  "deploy/compose/plain.yaml",
	},
	{
		name: "compare", profiles: []string{"compare"},
		env:      []string{"COLLECTOR_OVERLAY=./deploy/compare.yaml"},
		services: []string{"rabbitmq", "jaeger", "jaeger-all", "collector"},
		overlay:  "deploy/compare.yaml",
	},
	{
		name: "grafana", profiles: []string{"grafana"},
		env:      []string{"COLLECTOR_OVERLAY=./deploy/grafana/collector.yaml"},
		services: []string{"rabbitmq", "jaeger", "collector", "prometheus", "grafana"},
		overlay:  "deploy/grafana/collector.yaml",
	},
}

// eachVariant runs the check on every way to start the file. The environment of
// the machine is not looked at.
func eachVariant(t *testing.T, check func(t *testing.T, v variant, p *types.Project)) {
	t.Helper()
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) { check(t, v, load(t, v)) })
	}
}

func load(t *testing.T, v variant) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yaml")},
		cli.WithProfiles(v.profiles), cli.WithEnv(v.env))
	if err != nil {
		t.Fatalf("prepare to load: %v", err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return project
}

// eachService runs the check on every service of every variant.
func eachService(t *testing.T, check func(t *testing.T, p *types.Project, s types.ServiceConfig)) {
	t.Helper()
	eachVariant(t, func(t *testing.T, _ variant, p *types.Project) {
		for _, name := range slices.Sorted(maps.Keys(p.Services)) {
			t.Run(name, func(t *testing.T) { check(t, p, p.Services[name]) })
		}
	})
}

// settings are the service's environment variables.
func settings(s types.ServiceConfig) map[string]string {
	out := make(map[string]string, len(s.Environment))
	for name, value := range s.Environment {
		if value != nil {
			out[name] = *value
		}
	}
	return out
}

// isShop says whether the service is a program of the demo shop.
func isShop(name string) bool {
	return slices.Contains(variables.Programs(), name)
}

func TestEveryVariantHasItsServices(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant, p *types.Project) {
		want := slices.Sorted(slices.Values(slices.Concat(v.services, variables.Programs())))
		if got := slices.Sorted(maps.Keys(p.Services)); !slices.Equal(got, want) {
			t.Errorf("services are %v, want %v", got, want)
		}
	})
}
