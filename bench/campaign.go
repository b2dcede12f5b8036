package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/load"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/machine"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/report"
)

// outDir has what nobody needs to keep; resultsDir is in the repository.
const (
	outDir     = "out"
	resultsDir = "results"
)

// campaign is one call of the command: a load, the systems that get it, and
// the results.
type campaign struct {
	*settings
	header report.Header
	load   *load.Load
	laps   *load.Laps // nil if the load is sent once
	out    io.Writer
	binary string // the campaign's own copy of the collector
}

// newCampaign checks that everything is there before minutes are spent.
func newCampaign(s *settings, command string, out io.Writer) (*campaign, error) {
	if _, err := os.Stat(s.binary); err != nil {
		return nil, fmt.Errorf("find the collector (make build): %w", err)
	}
	if err := checkRequests(s.systems); err != nil {
		return nil, err
	}
	for _, system := range s.systems {
		for _, path := range configs(system) {
			if _, err := os.Stat(path); err != nil {
				return nil, fmt.Errorf("system %q: %w", system, err)
			}
		}
	}
	if s.profile != "" && !slices.Contains(s.systems, s.profile) {
		return nil, fmt.Errorf("-profile: %q is not one of -systems", s.profile)
	}
	if err := os.MkdirAll(outDir, 0o755); err != nil {
		return nil, fmt.Errorf("make %s: %w", outDir, err)
	}
	return &campaign{settings: s, out: out, header: report.Header{
		Begun: time.Now(), Command: strings.TrimSpace(command), Machine: machine.Name(),
		Seed: s.load.Seed, AtPace: s.atPace, PerSecond: s.load.SpansPerSecond, Rounds: s.rounds,
		LapsSeconds: s.lasts.Seconds(),
	}}, nil
}

func (c *campaign) run(ctx context.Context) error {
	begun := time.Now()
	c.header.Commit = machine.Commit(ctx)
	if err := c.copyBinary(); err != nil {
		return err
	}
	defer os.Remove(c.binary)
	l, err := load.Generate(c.settings.load)
	if err != nil {
		return fmt.Errorf("make the load: %w", err)
	}
	c.load = l
	if c.lasts > 0 || c.soak > 0 {
		if c.laps, err = load.NewLaps(l); err != nil {
			return err
		}
	}
	c.header.Spans, c.header.Traces, c.header.Bytes = l.Spans, l.Traces, l.Bytes
	c.say("load: %d spans in %d traces and %d requests, %.0f B and %.1f attributes a span (%.1f s)",
		l.Spans, l.Traces, len(l.Requests), float64(l.Bytes)/float64(l.Spans),
		float64(l.Attributes)/float64(l.Spans), time.Since(begun).Seconds())
	switch {
	case len(c.faults) > 0:
		return c.runFaults(ctx)
	case c.overload > 0:
		return c.runOverload(ctx)
	case c.soak > 0:
		return c.runSoak(ctx)
	default:
		return c.compare(ctx)
	}
}

// copyBinary gives the campaign a collector of its own, so that a build
// meanwhile does not change what is measured.
func (c *campaign) copyBinary() (err error) {
	from, err := os.Open(c.settings.binary)
	if err != nil {
		return fmt.Errorf("copy the collector: %w", err)
	}
	defer from.Close()
	to, err := os.CreateTemp(outDir, "collector-")
	if err != nil {
		return fmt.Errorf("copy the collector: %w", err)
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if c.binary, err = filepath.Abs(to.Name()); err != nil {
		return fmt.Errorf("copy the collector: %w", err)
	}
	if _, err := io.Copy(to, from); err != nil {
		return fmt.Errorf("copy the collector: %w", err)
	}
	return to.Chmod(0o755)
}

// write writes the raw results, a line for each run after the header, and the
// table, and prints the table.
func write[R any](c *campaign, runs []R, table func(p *report.Printer)) error {
	dir, name := outDir, c.header.Begun.Format("2006-01-02T150405")
	if c.name != "" {
		dir, name = resultsDir, c.header.Begun.Format(time.DateOnly)+"-"+c.name
	}
	var text bytes.Buffer
	printer := &report.Printer{W: &text}
	printer.Header(&c.header)
	table(printer)
	if printer.Err != nil {
		return fmt.Errorf("make the table: %w", printer.Err)
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	if err := encoder.Encode(c.header); err != nil {
		return fmt.Errorf("encode the header: %w", err)
	}
	for i := range runs {
		if err := encoder.Encode(runs[i]); err != nil {
			return fmt.Errorf("encode a run: %w", err)
		}
	}
	path := filepath.Join(dir, name)
	for suffix, content := range map[string][]byte{".jsonl": lines.Bytes(), ".md": text.Bytes()} {
		if err := os.WriteFile(path+suffix, content, 0o644); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
	}
	c.say("\n%s\nwritten to bench/%s.md and .jsonl", text.String(), path)
	return nil
}

// patience is how long a run may take beside what it is expected to, before it
// is given up.
const patience = 5 * time.Minute

var errHangs = errors.New("the run did not come to its end")

// bounded is a context for one run, so that a collector that hangs ends it.
func bounded(ctx context.Context, expected time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, expected+patience, errHangs)
}

func (c *campaign) say(format string, args ...any) { fmt.Fprintf(c.out, format+"\n", args...) }
