package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// runDemo is `make demo`: build, start, a minute of traffic, the table, stop.
// Whatever ends it, nothing is left running.
func runDemo(ctx context.Context, t *terminal, s *settings) (err error) {
	release, err := lock(s.path(".run", "demo.lock"))
	if err != nil {
		return fmt.Errorf("another demo runs in this repository: %w", err)
	}
	defer release()
	dir := s.path(".run", "demo")
	if err := prepare(ctx, t, s, dir); err != nil {
		return err
	}
	a := newAssembly(s, dir, t)
	defer func() { err = errors.Join(err, stopAll(t, a)) }()
	if err := a.start(ctx, t); err != nil {
		return err
	}
	if err := traffic(ctx, t, s, a, dir); err != nil {
		return err
	}
	if err := settle(ctx, t, s); err != nil {
		return err
	}
	if err := compare(ctx, t, s, dir); err != nil {
		return err
	}
	printLinks(ctx, t, s, dir)
	t.line("\nThe links answer while the parts run: `make up` keeps them running. Logs and data of this run: .run/demo\n")
	return nil
}

// prepare is what comes before anything is started.
func prepare(ctx context.Context, t *terminal, s *settings, dir string) error {
	if err := s.checkPorts(); err != nil {
		return err
	}
	if err := fresh(dir); err != nil {
		return err
	}
	return build(ctx, t, s, dir)
}

func stopAll(t *terminal, a *assembly) error {
	// Not with the caller's context: it may be what ended.
	return t.step(context.Background(), "stop everything", nil, func(context.Context) error { return a.stop() })
}

// traffic lets the shopper run to its end, and gives up when a part ends before.
func traffic(ctx context.Context, t *terminal, s *settings, a *assembly, dir string) error {
	name := fmt.Sprintf("send %g journeys a second for %s, and wait for their queues", s.rate, s.duration)
	spec := shopper(s, dir, s.duration)
	return t.step(ctx, name, func() string { return lastLine(spec.LogFile) }, func(ctx context.Context) error {
		p, err := stack.StartProcess(ctx, spec)
		if err != nil {
			return err
		}
		if err := watch(ctx, a, p); err != nil {
			return errors.Join(err, p.Kill())
		}
		if err := p.Wait(ctx); err != nil {
			tail, _ := stack.LogTail(p.Spec().LogFile, buildTail)
			return fmt.Errorf("shopper: %w; the end of %s:\n%s", err, p.Spec().LogFile, tail)
		}
		return nil
	})
}

// lastLine is what a program said last, without the time in front of it.
func lastLine(logFile string) string {
	tail, err := stack.LogTail(logFile, 200)
	if err != nil {
		return "no word yet"
	}
	lines := strings.Split(strings.TrimSpace(tail), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if clock, rest, ok := strings.Cut(last, "s  "); ok && strings.Trim(clock, "0123456789m") == "" {
		return rest
	}
	return last
}

// watchEvery is how soon the end of a part is noticed.
const watchEvery = 200 * time.Millisecond

// watch returns nil when p has ended, or an error when a part or ctx has.
func watch(ctx context.Context, a *assembly, p *stack.Process) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-p.Exited():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			if name := a.ended(); name != "" {
				return fmt.Errorf("%s ended in the middle of the demo; its log is beside the truth file", name)
			}
		}
	}
}

// compare runs the same program a user would, and prints how to.
func compare(ctx context.Context, t *terminal, s *settings, dir string) error {
	dir, err := filepath.Rel(s.root, dir)
	if err != nil {
		return err
	}
	args := volumeArguments(s, dir)
	t.line("\n$ %s\n", commandLine("bin/volume", args))
	cmd := exec.CommandContext(ctx, s.bin("volume"), args...)
	cmd.Dir = s.root
	cmd.Stdout, cmd.Stderr = t.out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("compare what was received and stored: %w", err)
	}
	t.line("\nThe same as a page with plots: file://%s", s.path(dir, reportFile))
	t.line("What another sampling would have kept of this (docs/plan.md):\n  %s",
		commandLine("make bin/plan && bin/plan", []string{"-config", "otelcol-config.yaml", "-truth", filepath.Join(dir, truthFile), filepath.Join(dir, recordingFile)}))
	return nil
}
