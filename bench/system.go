package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"time"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/process"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/report"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sender"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sink"
	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// settle is how long after the decision wait nothing more must have come out
// for a system to be done. Decisions are taken on ticks of a second at most.
const settle = 4 * time.Second

// measure runs one system once: start it, play the load, wait until the last
// span is out, and read what it has used.
func (c *campaign) measure(ctx context.Context, system string, round int) (*report.Run, error) {
	backend, err := sink.Start(c.load.MustKeep)
	if err != nil {
		return nil, err
	}
	r, err := c.measureWith(ctx, backend, system, round)
	return r, errors.Join(err, backend.Stop())
}

func (c *campaign) measureWith(ctx context.Context, backend *sink.Sink, system string, round int) (r *report.Run, err error) {
	var profiles *profiler
	if c.profile == system && round == 1 {
		if profiles, err = c.newProfiler(system); err != nil {
			return nil, err
		}
	}
	collector, otlp, err := c.start(ctx, system, backend.Address(), profiles)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, collector.Stop(context.WithoutCancel(ctx))) }()
	r = &report.Run{System: system, Round: round, Begun: time.Now(), MustKeep: len(c.load.MustKeep)}
	if err := c.play(ctx, r, collector, backend, otlp, profiles); err != nil {
		return nil, err
	}
	r.SpansOut, r.BytesOut, r.Whole = backend.Spans(), backend.Bytes(), backend.Whole()
	return r, nil
}

// play measures from before the first request until the last span is out.
func (c *campaign) play(
	ctx context.Context, r *report.Run, collector *stack.Collector, backend *sink.Sink, otlp string, profiles *profiler,
) error {
	before, err := process.CPUOf(collector.PID())
	if err != nil {
		return err
	}
	sampler := process.Sample(collector.PID())
	sent, err := sender.Send(ctx, otlp, c.load, c.atPace)
	samples := sampler.Stop()
	if err != nil {
		return err
	}
	ended := time.Now()
	if profiles != nil {
		if err := profiles.heap(ctx); err != nil {
			return err
		}
	}
	if err := c.drain(ctx, collector, backend, ended); err != nil {
		return err
	}
	after, err := process.CPUOf(collector.PID())
	if err != nil {
		return err
	}
	memory, err := process.MemoryOf(collector.PID())
	if err != nil {
		return err
	}
	used := after.Sub(before)
	r.SpansIn, r.Refused, r.PeakBytes = sent.Spans, sent.Refused, memory.Peak
	r.LoadSeconds, r.DrainSeconds = sent.Took.Seconds(), max(0, backend.Latest().Sub(ended).Seconds())
	r.BehindSeconds = sent.Behind.Seconds()
	r.UserSeconds, r.SystemSeconds = used.User.Seconds(), used.System.Seconds()
	r.SteadyBytes = int64(report.Median(samples[len(samples)/2:]))
	if c.atPace && r.System != "passthrough" {
		r.Buffered = int(c.wait.Seconds() * float64(c.settings.load.SpansPerSecond))
	}
	return nil
}

// drain returns when everything that is kept has come out: the decision wait
// is over for the last span, and nothing has come for a while.
func (c *campaign) drain(ctx context.Context, collector *stack.Collector, backend *sink.Sink, ended time.Time) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		if backend.Spans() >= int64(c.load.Spans) {
			return nil // everything is out; nothing can be waiting
		}
		if time.Since(ended) > c.wait+settle && time.Since(backend.Latest()) > settle {
			return nil
		}
		select {
		case <-ticker.C:
		case <-collector.Exited():
			return fmt.Errorf("the collector ended during the run, see %s", collector.Spec().LogFile)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// start starts the system's collector and returns where it takes spans.
func (c *campaign) start(
	ctx context.Context, system, sinkAddress string, profiles *profiler,
) (collector *stack.Collector, otlp string, err error) {
	var ports [3]string
	for i := range ports {
		if ports[i], err = freePort(); err != nil {
			return nil, "", err
		}
	}
	otlp = "localhost:" + ports[0]
	env := map[string]string{
		"OTLP_GRPC_ENDPOINT": otlp, "SINK_ENDPOINT": sinkAddress,
		"HEALTH_ENDPOINT": "localhost:" + ports[1], "METRICS_PORT": ports[2],
	}
	if c.cpus > 0 {
		env["GOMAXPROCS"] = strconv.Itoa(c.cpus)
	}
	files := configs(system)
	if profiles != nil {
		files = append(files, filepath.Join("configs", "profile.yaml"))
		maps.Copy(env, profiles.environment())
	}
	starting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	collector, err = stack.StartCollector(starting, stack.CollectorSpec{
		Path: c.binary, Configs: files, Env: env, LogFile: filepath.Join(outDir, system+".log"),
	})
	return collector, otlp, err
}

func (*campaign) newProfiler(system string) (*profiler, error) {
	port, err := freePort()
	return &profiler{endpoint: "localhost:" + port, path: filepath.Join(outDir, system)}, err
}

func freePort() (string, error) {
	port, err := stack.FreePort()
	return strconv.Itoa(port), err
}
