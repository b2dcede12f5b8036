package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor"
)

// componentType is what the processor's ids begin with.
const componentType = "journey"

// Load reads the configuration of a journey processor as the collector reads
// it: files are laid over each other in their order, and ${env:…} is filled in.
// It is that of a whole collector, a block that begins with "journey:", or the
// settings alone. Id says which processor, if there are several.
func Load(ctx context.Context, files []string, id string) (*journeyprocessor.Config, error) {
	conf, err := resolve(ctx, files)
	if err != nil {
		return nil, err
	}
	settings, err := processorOf(conf, id)
	if err != nil {
		return nil, err
	}
	config := journeyprocessor.NewFactory().CreateDefaultConfig().(*journeyprocessor.Config)
	if err := settings.Unmarshal(config); err != nil {
		return nil, err
	}
	return config, confmap.Validate(config)
}

func resolve(ctx context.Context, files []string) (*confmap.Conf, error) {
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs: files, DefaultScheme: "env",
		ProviderFactories: []confmap.ProviderFactory{
			fileprovider.NewFactory(), envprovider.NewFactory(), yamlprovider.NewFactory(),
		},
	})
	if err != nil {
		return nil, err
	}
	conf, err := resolver.Resolve(ctx)
	return conf, errors.Join(err, resolver.Shutdown(ctx))
}

// processorOf finds the processor's settings.
func processorOf(conf *confmap.Conf, id string) (*confmap.Conf, error) {
	block := conf
	if conf.IsSet("processors") {
		if ids := journeys(conf); len(ids) > 0 {
			return nil, fmt.Errorf("%s stands beside processors: lay a whole configuration over a whole one", listed(ids))
		}
		var err error
		if block, err = conf.Sub("processors"); err != nil {
			return nil, err
		}
	}
	ids := journeys(block)
	switch {
	case len(ids) == 0 && !conf.IsSet("processors") && id == "":
		return conf, nil // the settings alone
	case id != "" && slices.Contains(ids, id):
		return block.Sub(id)
	case id != "":
		return nil, fmt.Errorf("there is no processor %q, only %s", id, listed(ids))
	case len(ids) == 0:
		return nil, fmt.Errorf("there is no journey processor among the processors (%s)", listed(slices.Sorted(maps.Keys(block.ToStringMap()))))
	case len(ids) > 1:
		return nil, fmt.Errorf("there are several journey processors (%s): say which", listed(ids))
	}
	return block.Sub(ids[0])
}

// journeys are the ids of journey processors in a block.
func journeys(block *confmap.Conf) []string {
	var ids []string
	for key := range block.ToStringMap() {
		if key == componentType || strings.HasPrefix(key, componentType+"/") {
			ids = append(ids, key)
		}
	}
	slices.Sort(ids)
	return ids
}

func listed(ids []string) string {
	if len(ids) == 0 {
		return "none"
	}
	return strings.Join(ids, ", ")
}
