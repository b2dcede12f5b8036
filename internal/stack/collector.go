package stack

import (
	"context"
	"maps"
	"slices"
)

// defaultHealthEndpoint is otelcol-config.yaml's, when HEALTH_ENDPOINT is not set.
const defaultHealthEndpoint = "localhost:13133"

// CollectorSpec says which collector to start.
type CollectorSpec struct {
	Path string
	// Configs are merged in order, a later one over an earlier one.
	Configs []string
	// Env is added to the caller's environment; HEALTH_ENDPOINT in it says where
	// the health_check extension answers.
	Env     map[string]string
	Dir     string // working directory
	LogFile string
}

// Collector is a running collector.
type Collector struct{ *Process }

// StartCollector starts a collector and returns when its health_check extension
// reports that all pipelines are up.
func StartCollector(ctx context.Context, spec CollectorSpec) (*Collector, error) {
	var args, env []string
	for _, config := range spec.Configs {
		args = append(args, "--config", config)
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Env)) {
		env = append(env, name+"="+spec.Env[name])
	}
	process, err := StartProcess(ctx, ProcessSpec{
		Name: "collector", Path: spec.Path, Args: args, Env: env, Dir: spec.Dir, LogFile: spec.LogFile,
	})
	if err != nil {
		return nil, err
	}
	health := spec.Env["HEALTH_ENDPOINT"]
	if health == "" {
		health = defaultHealthEndpoint
	}
	if err := process.await(ctx, func() bool { return answers(ctx, "http://"+health+"/") }); err != nil {
		return nil, err
	}
	return &Collector{process}, nil
}
