package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func TestPublishedConfigurationIsValid(t *testing.T) {
	t.Parallel()
	out, err := collectorCommand(t, "validate", "--config", published()).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestVersionIsTheOneOfTheBuilderConfiguration(t *testing.T) {
	t.Parallel()
	out, err := collectorCommand(t, "--version").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "otelcol-journey version "+readBuilderConfig(t).Dist.Version, strings.TrimSpace(string(out)))
}

func TestComponentsOfTheBuilderConfigurationAreInTheBinary(t *testing.T) {
	t.Parallel()
	out, err := collectorCommand(t, "components").Output()
	require.NoError(t, err)
	var built map[string]any // kinds of components, beside buildinfo and others
	require.NoError(t, yaml.Unmarshal(out, &built))
	for kind, asked := range readBuilderConfig(t).Modules {
		require.ElementsMatch(t, asked, modulesOf(t, built[kind]), "%s of builder-config.yaml and of the binary", kind)
	}
	for kind, name := range map[string]string{"receivers": "amqp_trace", "processors": "journey"} {
		require.Contains(t, namesOf(t, built[kind]), name, kind)
	}
}

// builderConfig is the part of builder-config.yaml that can be seen in the
// binary: modules with their versions, by kind of component.
type builderConfig struct {
	Dist    struct{ Version string }
	Modules map[string][]string `yaml:"-"`
}

func readBuilderConfig(t *testing.T) builderConfig {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(world.root, "builder-config.yaml"))
	require.NoError(t, err)
	var c builderConfig
	require.NoError(t, yaml.Unmarshal(raw, &c))
	var kinds map[string]yaml.Node
	require.NoError(t, yaml.Unmarshal(raw, &kinds))
	c.Modules = map[string][]string{}
	for _, kind := range []string{"receivers", "processors", "exporters", "connectors", "extensions", "providers"} {
		node := kinds[kind]
		var components []struct{ Gomod string }
		require.NoError(t, node.Decode(&components))
		require.NotEmpty(t, components, kind)
		for _, component := range components {
			c.Modules[kind] = append(c.Modules[kind], component.Gomod)
		}
	}
	return c
}

func modulesOf(t *testing.T, components any) []string { return fieldOf(t, components, "module") }
func namesOf(t *testing.T, components any) []string   { return fieldOf(t, components, "name") }

// fieldOf collects one field of a list of components as the binary prints it.
func fieldOf(t *testing.T, components any, field string) []string {
	t.Helper()
	list, ok := components.([]any)
	require.True(t, ok, "a list of components, got %v", components)
	var values []string
	for _, one := range list {
		value, ok := one.(map[string]any)[field].(string)
		require.True(t, ok, "%s of %v", field, one)
		values = append(values, value)
	}
	return values
}
