package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/process"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/report"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sender"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sink"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/verdict"
)

// The sender under overload stands for many SDKs: more requests on their way, a
// bounded queue, ten seconds until an export fails (OTEL_EXPORTER_OTLP_TIMEOUT)
// and its spans are given up.
const (
	overloadCallers = 64
	overloadBacklog = 256 // requests, of up to 512 spans
	exportTimeout   = 10 * time.Second
)

// runOverload offers each system a multiple of what it can take.
func (c *campaign) runOverload(ctx context.Context) error {
	var runs []report.Overload
	for round := range c.rounds {
		for i := range c.systems {
			system := c.systems[(i+round)%len(c.systems)]
			sustainable, err := c.sustainable(ctx, system)
			if err != nil {
				return fmt.Errorf("find what %s can take: %w", system, err)
			}
			r, err := c.runOverloaded(ctx, system, sustainable)
			if err != nil {
				return fmt.Errorf("round %d, %s: %w", round+1, system, err)
			}
			r.Round = round + 1
			runs = append(runs, *r)
			c.say("round %d, %-28s can take %.0f k spans/s; offered %.1f M, accepted %.1f M, peak %d MiB, %.2f %% of %d failed traces kept, longest pause %.1f s",
				round+1, system, sustainable/1e3, float64(r.Offered)/1e6, float64(r.Accepted)/1e6,
				r.PeakBytes>>20, 100*r.Failed.Share(), r.Failed.Accepted, r.PauseSeconds)
		}
	}
	return write(c, runs, func(p *report.Printer) { report.Overloads(p, c.overload, runs) })
}

// sustainable is how many spans a second a system accepts in the second half of
// -calibrate, when what it buffers has come to its end.
func (c *campaign) sustainable(ctx context.Context, system string) (perSecond float64, err error) {
	ctx, cancel := bounded(ctx, c.calibrate)
	defer cancel()
	backend, err := sink.Start(sink.Settings{Laps: true})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, backend.Stop()) }()
	target, err := c.start(ctx, system, backend.Address(), nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, target.close(ctx)) }()
	sent, err := c.send(ctx, target, sender.Settings{Laps: c.laps, For: c.calibrate}).wait(ctx, target)
	if err != nil {
		return 0, err
	}
	if len(sent.PerSecond) < 3 {
		return 0, fmt.Errorf("it accepted nothing after %d s", len(sent.PerSecond))
	}
	seconds := sent.PerSecond[:len(sent.PerSecond)-1]
	steady, sum := seconds[len(seconds)/2:], 0
	for _, spans := range steady {
		sum += spans
	}
	if sum == 0 {
		return 0, fmt.Errorf("it accepted nothing in the second half of %s", sent.Took)
	}
	return float64(sum) / float64(len(steady)), nil
}

func (c *campaign) runOverloaded(ctx context.Context, system string, sustainable float64) (r *report.Overload, err error) {
	ctx, cancel := bounded(ctx, c.lasts)
	defer cancel()
	backend, err := sink.Start(sink.Settings{MustKeep: c.load.MustKeep, Laps: true, EverySpan: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, backend.Stop()) }()
	target, err := c.start(ctx, system, backend.Address(), nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, target.close(ctx)) }()
	r = &report.Overload{System: system, Begun: time.Now(), Sustainable: sustainable, LimitBytes: int64(c.limit) << 20}
	sent, err := c.send(ctx, target, sender.Settings{
		AtPace: true, Speed: c.overload * sustainable / float64(c.settings.load.SpansPerSecond), Laps: c.laps, For: c.lasts,
		Callers: overloadCallers, Backlog: overloadBacklog, GiveUpAfter: exportTimeout, Patience: exportTimeout,
	}).wait(ctx, target)
	if err != nil {
		return nil, err
	}
	ended := time.Now()
	if err := target.drain(ctx, backend, ended, c.waitOf(system), sent.Accepted); err != nil {
		return nil, err
	}
	r.Offered, r.Accepted, r.Refused, r.Out, r.Doubled = sent.Spans, sent.Accepted, sent.Refused, backend.Spans(), backend.Doubled()
	r.Failed = verdict.ErrorsOf(backend.Arrivals(sent.Laps), sent.IsAccepted)
	r.LoadSeconds, r.DrainSeconds = sent.Offered.Seconds(), max(0, backend.Latest().Sub(ended).Seconds())
	r.PauseSeconds, r.AcceptedPerSecond = sent.Stalled.Seconds(), sent.PerSecond
	r.PeakBytes = target.peakBytes()
	r.RSS = perSecond(target.sampler.Stop())
	return r, nil
}

// perSecond is the highest sample of each second.
func perSecond(samples []float64) []int64 {
	const each = int(time.Second / process.SampleEvery)
	seconds := make([]int64, 0, len(samples)/each+1)
	for i, sample := range samples {
		if i%each == 0 {
			seconds = append(seconds, 0)
		}
		last := len(seconds) - 1
		seconds[last] = max(seconds[last], int64(sample))
	}
	return seconds
}
