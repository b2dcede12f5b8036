package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/process"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/report"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sender"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sink"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/verdict"
)

// settle is how long after the decision wait nothing more must have come out
// for a system to be done. Decisions are taken on ticks of a second at most.
const settle = 4 * time.Second

// compare runs all systems in all rounds.
func (c *campaign) compare(ctx context.Context) error {
	var runs []report.Run
	for round := range c.rounds {
		// A round begins with another system each time, so that none always
		// comes first.
		for i := range c.systems {
			system := c.systems[(i+round)%len(c.systems)]
			r, err := c.measure(ctx, system, round+1)
			if err != nil {
				return fmt.Errorf("round %d, %s: %w", round+1, system, err)
			}
			runs = append(runs, *r)
			c.say("round %d, %-14s %5.2f CPU s / M spans, %4.0f k spans/s, peak %5d MiB, %4.1f %% out, %d of %d must-keep traces whole",
				round+1, system, (r.UserSeconds+r.SystemSeconds)/float64(r.SpansIn)*1e6, float64(r.SpansIn)/r.LoadSeconds/1e3,
				r.PeakBytes>>20, 100*float64(r.SpansOut)/float64(r.SpansIn), r.Whole, r.MustKeep)
		}
	}
	slices.SortStableFunc(runs, func(a, b report.Run) int { // the table has the order of -systems
		return slices.Index(c.systems, a.System) - slices.Index(c.systems, b.System)
	})
	return write(c, runs, func(p *report.Printer) {
		report.Compare(p, &c.header, c.bases, runs)
		report.Visited(p, runs)
	})
}

// measure runs one system once: start it, play the load, wait until the last
// span is out, and read what it has used.
func (c *campaign) measure(ctx context.Context, system string, round int) (r *report.Run, err error) {
	ctx, cancel := bounded(ctx, max(c.load.Length(), c.lasts)+c.waitOf(system))
	defer cancel()
	backend, err := sink.Start(sink.Settings{MustKeep: c.load.MustKeep, Laps: c.laps != nil})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, backend.Stop()) }()
	var profiles *profiler
	if c.profile == system && round == 1 {
		if profiles, err = newProfiler(system); err != nil {
			return nil, err
		}
	}
	target, err := c.start(ctx, system, backend.Address(), profiles)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, target.close(ctx)) }()
	r = &report.Run{System: system, Round: round, Begun: time.Now()}
	sent, err := c.play(ctx, r, target, backend, profiles)
	if err != nil {
		return nil, err
	}
	arrivals := backend.Arrivals(sent.Laps)
	kept := verdict.KeptOf(arrivals)
	r.SpansOut, r.BytesOut, r.MustKeep, r.Whole = backend.Spans(), backend.Bytes(), kept.Traces, kept.Whole
	if late := verdict.Late(arrivals, c.load, sent.Begun, c.waitOf(system)); c.atPace && len(late) > 0 {
		r.LateP50Seconds, r.LateP99Seconds = late[len(late)/2].Seconds(), late[len(late)*99/100].Seconds()
		r.LateSeconds = late[len(late)-1].Seconds()
	}
	return r, c.account(ctx, target, r)
}

// play measures from before the first request until the last span is out.
func (c *campaign) play(
	ctx context.Context, r *report.Run, target *collector, backend *sink.Sink, profiles *profiler,
) (sent sender.Outcome, err error) {
	used, err := newMeter(target.PID())
	if err != nil {
		return sent, err
	}
	target.sampler.Stop()
	target.sampler = process.Sample(target.PID()) // from here
	visited := c.visit(ctx, target, r)
	sent, err = sender.Send(ctx, target.otlp(), c.load, sender.Settings{AtPace: c.atPace, Laps: c.laps, For: c.lasts})
	visited()
	samples := target.sampler.Stop()
	if err != nil {
		return sent, err
	}
	ended, wait := time.Now(), c.waitOf(r.System)
	if profiles != nil {
		if err := profiles.heap(ctx); err != nil {
			return sent, err
		}
	}
	if err := target.drain(ctx, backend, ended, wait, sent.Accepted); err != nil {
		return sent, err
	}
	if err := used.read(r); err != nil {
		return sent, err
	}
	r.SpansIn, r.Refused = sent.Accepted, sent.Refused
	r.LoadSeconds, r.DrainSeconds = sent.Took.Seconds(), max(0, backend.Latest().Sub(ended).Seconds())
	r.BehindSeconds, r.SlowestSeconds = sent.Behind.Seconds(), sent.Slowest.Seconds()
	r.PauseSeconds, r.LoadPauseSeconds = sent.Stalled.Seconds(), c.load.LongestPause().Seconds()
	r.SteadyBytes = int64(report.Median(samples[len(samples)/2:]))
	if c.atPace {
		r.Buffered = int(wait.Seconds() * float64(c.settings.load.SpansPerSecond))
	}
	return sent, nil
}

// meter reads what a collector and this process have used in between.
type meter struct {
	pid          int
	before, mine process.CPU
}

func newMeter(pid int) (m *meter, err error) {
	m = &meter{pid: pid}
	if m.before, err = process.CPUOf(pid); err != nil {
		return nil, err
	}
	m.mine, err = process.CPUOf(os.Getpid())
	return m, err
}

func (m *meter) read(r *report.Run) error {
	after, err := process.CPUOf(m.pid)
	if err != nil {
		return err
	}
	mine, err := process.CPUOf(os.Getpid())
	if err != nil {
		return err
	}
	memory, err := process.MemoryOf(m.pid)
	if err != nil {
		return err
	}
	used := after.Sub(m.before)
	r.UserSeconds, r.SystemSeconds, r.PeakBytes = used.User.Seconds(), used.System.Seconds(), memory.Peak
	r.BenchSeconds = mine.Sub(m.mine).Total().Seconds()
	return nil
}

func newProfiler(system string) (*profiler, error) {
	port, err := freePort()
	return &profiler{endpoint: "localhost:" + port, path: filepath.Join(outDir, system)}, err
}
