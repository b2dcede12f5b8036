package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/process"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sink"
	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// startTimeout is how long a collector may take to start, with what it stored.
const startTimeout = time.Minute

// collector is a system's running collector. It has one owner.
type collector struct {
	*stack.Collector
	spec    stack.CollectorSpec
	storage string           // the directory of its file_storage extensions, "" for none
	sampler *process.Sampler // of the process that runs now
	peak    int64            // of the processes that have ended
}

func (c *collector) otlp() string { return c.spec.Env["OTLP_GRPC_ENDPOINT"] }
func (c *collector) metrics() string {
	return "http://localhost:" + c.spec.Env["METRICS_PORT"] + "/metrics"
}
func (c *collector) pprof() string    { return c.spec.Env["PPROF_ENDPOINT"] }
func (c *collector) journeys() string { return c.spec.Env["JOURNEYS_ENDPOINT"] }

// start starts a system's collector, with a directory to store things in.
func (c *campaign) start(ctx context.Context, system, sinkAddress string, profiles *profiler) (*collector, error) {
	env, err := environment(system)
	if err != nil {
		return nil, err
	}
	if err := addAddresses(env); err != nil {
		return nil, err
	}
	env["SINK_ENDPOINT"] = sinkAddress
	if c.cpus > 0 {
		env["GOMAXPROCS"] = strconv.Itoa(c.cpus)
	}
	files := configs(system)
	if profiles != nil {
		files = append(files, filepath.Join("configs", "profile.yaml"))
		maps.Copy(env, profiles.environment())
	}
	if files, err = withExtensions(files); err != nil {
		return nil, err
	}
	storage, err := os.MkdirTemp(outDir, "storage-")
	if err != nil {
		return nil, fmt.Errorf("make a directory to store things in: %w", err)
	}
	if storage, err = filepath.Abs(storage); err != nil {
		return nil, fmt.Errorf("make a directory to store things in: %w", err)
	}
	env["STORAGE_DIRECTORY"] = storage
	r := &collector{storage: storage, spec: stack.CollectorSpec{
		Path: c.binary, Configs: files, Env: env, LogFile: filepath.Join(outDir, system+".log"),
	}}
	if err := r.launch(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(storage))
	}
	return r, nil
}

// addAddresses chooses where a collector listens.
func addAddresses(env map[string]string) error {
	for name, format := range map[string]string{
		"OTLP_GRPC_ENDPOINT": "localhost:%s", "HEALTH_ENDPOINT": "localhost:%s", "METRICS_PORT": "%s",
		"PPROF_ENDPOINT": "localhost:%s", "JOURNEYS_ENDPOINT": "localhost:%s",
	} {
		port, err := freePort()
		if err != nil {
			return err
		}
		env[name] = fmt.Sprintf(format, port)
	}
	return nil
}

// launch starts the process, also again after it has ended.
func (c *collector) launch(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if c.Collector, err = stack.StartCollector(ctx, c.spec); err != nil {
		return err
	}
	c.sampler = process.Sample(c.PID())
	return nil
}

// end ends the process by its Stop or Kill, and keeps what it had resident.
func (c *collector) end(by func() error) error {
	err := by()
	c.sampler.Stop()
	c.peak = max(c.peak, c.sampler.Peak())
	return err
}

// close stops the process and removes what it stored.
func (c *collector) close(ctx context.Context) error {
	err := c.end(func() error { return c.Stop(context.WithoutCancel(ctx)) })
	return errors.Join(err, os.RemoveAll(c.storage))
}

// peakBytes is the most that was resident, in this process and earlier ones.
func (c *collector) peakBytes() int64 { return max(c.peak, c.sampler.Peak()) }

// drain returns when everything that is kept has come out: the decision wait
// is over for the last span, and nothing has come for a while. All is how many
// spans there can be.
func (c *collector) drain(ctx context.Context, backend *sink.Sink, ended time.Time, wait time.Duration, all int) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		if backend.Spans() >= int64(all) {
			return nil // everything is out; nothing can be waiting
		}
		if time.Since(ended) > wait+settle && time.Since(backend.Latest()) > settle {
			return nil
		}
		select {
		case <-ticker.C:
		case <-c.Exited():
			return fmt.Errorf("the collector ended during the run, see %s", c.Spec().LogFile)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// configs are the files that make a system's configuration, later over earlier.
func configs(system string) []string {
	paths := []string{filepath.Join("configs", "base.yaml")}
	for part := range strings.SplitSeq(system, "+") {
		if strings.HasPrefix(part, requestsPart) {
			continue // what the bench does, not the collector
		}
		if path := filepath.Join("configs", part+".yaml"); exists(path) || !exists(envFile(part)) {
			paths = append(paths, path)
		}
	}
	return paths
}

// withExtensions adds a configuration that starts the extensions of all files: as
// every list, that of a later one takes the place of an earlier one's.
func withExtensions(files []string) ([]string, error) {
	var all []string
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("look for extensions: %w", err)
		}
		var config struct {
			Service struct{ Extensions []string }
		}
		if err := yaml.Unmarshal(content, &config); err != nil {
			return nil, fmt.Errorf("look for the extensions of %s: %w", path, err)
		}
		all = append(all, config.Service.Extensions...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return append(files, "yaml:service::extensions: ["+strings.Join(all, ", ")+"]"), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// envFile is where a part says what its process has in its environment.
func envFile(part string) string { return filepath.Join("configs", part+".env") }

// environment is the variables that a system's parts set, one NAME=VALUE a line.
func environment(system string) (map[string]string, error) {
	env := map[string]string{}
	for part := range strings.SplitSeq(system, "+") {
		content, err := os.ReadFile(envFile(part))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the environment of %q: %w", part, err)
		}
		for lines := bufio.NewScanner(bytes.NewReader(content)); lines.Scan(); {
			if name, value, ok := strings.Cut(lines.Text(), "="); ok && !strings.HasPrefix(name, "#") {
				env[name] = value
			}
		}
	}
	return env, nil
}

// waitOf is how long a system waits for its decision: none if it passes
// everything on, what a part such as wait_60s says, or what all others do.
func (c *campaign) waitOf(system string) time.Duration {
	for part := range strings.SplitSeq(system, "+") {
		if part == "passthrough" {
			return 0
		}
		if text, ok := strings.CutPrefix(part, "wait_"); ok {
			if wait, err := time.ParseDuration(text); err == nil {
				return wait
			}
		}
	}
	return c.wait
}

func freePort() (string, error) {
	port, err := stack.FreePort()
	return strconv.Itoa(port), err
}
