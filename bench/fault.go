package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/report"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sender"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sink"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/verdict"
)

// fault is what happens in the middle of a run. It returns when it is over.
type fault func(ctx context.Context, c *campaign, target *collector, backend *sink.Sink) error

var faults = map[string]fault{
	"none": func(context.Context, *campaign, *collector, *sink.Sink) error { return nil },
	// The same configuration is read again.
	"reload": func(_ context.Context, _ *campaign, target *collector, _ *sink.Sink) error {
		return target.Signal(syscall.SIGHUP)
	},
	"restart": func(ctx context.Context, _ *campaign, target *collector, _ *sink.Sink) error {
		return errors.Join(target.end(func() error { return target.Stop(ctx) }), target.launch(ctx))
	},
	"kill": func(ctx context.Context, _ *campaign, target *collector, _ *sink.Sink) error {
		return errors.Join(target.end(target.Kill), target.launch(ctx))
	},
	"backend_away": func(ctx context.Context, c *campaign, _ *collector, backend *sink.Sink) error {
		if err := backend.Leave(); err != nil {
			return err
		}
		return errors.Join(sleep(ctx, c.away), backend.Return())
	},
}

// usualDelay is how much later than its decision wait a trace may come out in
// quiet times: ticks of a second, and batches.
const usualDelay = 3 * time.Second

// runFaults runs each system once with each fault in each round.
func (c *campaign) runFaults(ctx context.Context) error {
	var runs []report.Fault
	for _, name := range c.faults {
		for round := range c.rounds {
			for i := range c.systems {
				system := c.systems[(i+round)%len(c.systems)]
				r, err := c.runFault(ctx, name, system)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", name, system, err)
				}
				r.Round = round + 1
				runs = append(runs, *r)
				c.say("%-12s %-34s %d of %d must-keep traces torn, %d spans missing, %d doubled; peak %d MiB, backlog out after %.1f s",
					name, system, r.Torn, r.Traces, r.MissingSpans, r.Doubled, r.PeakBytes>>20, r.BacklogSeconds)
			}
		}
	}
	return write(c, runs, func(p *report.Printer) { report.Faults(p, &c.header, c.faults, c.systems, runs) })
}

func (c *campaign) runFault(ctx context.Context, name, system string) (r *report.Fault, err error) {
	ctx, cancel := bounded(ctx, c.load.Length()+c.away)
	defer cancel()
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	backend, err := sink.Start(sink.Settings{Address: "127.0.0.1:" + port, MustKeep: c.load.MustKeep, EverySpan: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, backend.Stop()) }()
	target, err := c.start(ctx, system, backend.Address(), nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, target.close(ctx)) }()
	r = &report.Fault{Fault: name, System: system, Begun: time.Now()}
	sending := c.send(ctx, target, sender.Settings{AtPace: true})
	if err := sleep(ctx, c.load.Length()/2); err != nil {
		return nil, err
	}
	happened := time.Now()
	if err := faults[name](ctx, c, target, backend); err != nil {
		return nil, err
	}
	over := time.Now()
	sent, err := sending.wait(ctx, target)
	if err != nil {
		return nil, err
	}
	wait := c.waitOf(system)
	patience := wait
	if name == "backend_away" {
		patience += reconnect
	}
	if err := target.drain(ctx, backend, time.Now(), patience, 2*sent.Accepted); err != nil {
		return nil, err
	}
	arrivals := backend.Arrivals(1)
	r.Kept = verdict.KeptOf(arrivals)
	r.SpansSent, r.SpansAccepted, r.Refused = c.load.Spans, sent.Accepted, sent.Refused
	r.SpansOut, r.Doubled, r.PeakBytes = backend.Spans(), backend.Doubled(), target.peakBytes()
	r.FaultSeconds, r.BehindSeconds = over.Sub(happened).Seconds(), sent.Behind.Seconds()
	r.BacklogSeconds = verdict.CaughtUp(arrivals, sent.Begun, over, wait+usualDelay).Seconds()
	return r, nil
}

// reconnect is how long a gRPC client that has been refused for half a minute
// may wait before it tries again (its backoff grows by 1.6 from one second).
const reconnect = 25 * time.Second

// sending is a load that is on its way in the background.
type sending struct {
	ended   chan struct{}
	outcome sender.Outcome // with err written before ended is closed
	err     error
}

func (c *campaign) send(ctx context.Context, target *collector, settings sender.Settings) *sending {
	s := &sending{ended: make(chan struct{})}
	address := target.otlp()
	go func() {
		defer close(s.ended)
		s.outcome, s.err = sender.Send(ctx, address, c.load, settings)
	}()
	return s
}

// wait returns when all is sent, or when the collector has ended by itself.
func (s *sending) wait(ctx context.Context, target *collector) (*sender.Outcome, error) {
	select {
	case <-s.ended:
		return &s.outcome, s.err
	case <-target.Exited():
		return nil, fmt.Errorf("the collector ended during the run, see %s", target.Spec().LogFile)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
