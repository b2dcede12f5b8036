package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// target is one thing `make` builds for the demo.
type target struct {
	name    string // of the make target
	product string // a file in bin that is there afterwards
	what    string
	cold    string // how long the first time takes on two cores
}

var targets = []target{
	{"build", "otelcol-journey", "the collector with ocb", "about 3 min"},
	{"bin/jaeger", "jaeger", "Jaeger from its Go module", "about 5 min"},
	{"bin/shop", "gateway", "the demo shop", "about 1 min"},
	{"bin/volume", "volume", "the volume comparison", "some seconds"},
}

// buildTail is how much of a failed build's output is shown.
const buildTail = 4000

// killDelay is how long make may take to end its children after Ctrl-C.
const killDelay = 10 * time.Second

// build makes what is missing or stale; make itself knows what that is.
func build(ctx context.Context, t *terminal, s *settings, logs string) error {
	for _, target := range targets {
		name := "build " + target.what
		if !exists(s.bin(target.product)) {
			name += fmt.Sprintf(" (the first time takes %s on two cores)", target.cold)
		}
		err := t.step(ctx, name, nil, func(ctx context.Context) error { return runMake(ctx, s.root, target.name, logs) })
		if err != nil {
			return err
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// runMake runs one make target with its output in a log file, whose end is part
// of the error.
func runMake(ctx context.Context, root, target, logs string) error {
	path := filepath.Join(logs, "make-"+strings.ReplaceAll(target, "/", "-")+".log")
	log, err := os.Create(path)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, "make", target)
	cmd.Dir = root
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = killDelay
	err = cmd.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	tail, tailErr := stack.LogTail(path, buildTail)
	if tailErr != nil {
		tail = tailErr.Error()
	}
	return fmt.Errorf("make %s: %w; the end of %s:\n%s", target, err, path, tail)
}
