package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// restartDelay leaves time to see the hole that a killed part leaves.
const restartDelay = 2 * time.Second

// supervise is the background half of `make up`: it starts everything, starts a
// part again that has ended, and on a signal stops it all.
func supervise(ctx context.Context, t *terminal, s *settings) (err error) {
	release, err := lock(s.upLock())
	if err != nil {
		return fmt.Errorf("the demo is already up: %w", err)
	}
	defer release()
	state := upState{PID: os.Getpid(), Ports: s.ports}
	if err := s.writeState(state); err != nil {
		return err
	}
	dir := s.upDir()
	a := newAssembly(s, dir, t)
	a.groups = append(a.groups, group{"start the shopper", []*part{shopperPart(s, dir)}})
	defer func() { err = errors.Join(err, stopAll(t, a)) }()
	if err := a.start(ctx, t); err != nil {
		return err
	}
	state.Ready, state.Parts = true, a.pids()
	if err := s.writeState(state); err != nil {
		return err
	}
	return a.tend(ctx, t, func() error {
		state.Parts = a.pids()
		return s.writeState(state)
	})
}

// shopperPart is traffic without an end; each start begins a truth file of its own.
func shopperPart(s *settings, dir string) *part {
	return &part{name: "shopper", timeout: startTimeout, start: func(ctx context.Context) (running, error) {
		spec := shopper(s, dir, 0)
		spec.Env = append(spec.Env, "SHOPPER_TRUTH_FILE="+filepath.Join(dir, fmt.Sprintf("truth-%d.jsonl", time.Now().Unix())))
		return started(stack.StartProcess(ctx, spec))
	}}
}

// tend starts again what ends, until ctx does; changed is told of new process ids.
func (a *assembly) tend(ctx context.Context, t *terminal, changed func() error) error {
	ticker := time.NewTicker(restartDelay)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, p := range a.parts() {
			if !p.hasEnded() {
				continue
			}
			t.line("%s %s has ended: starting it again", time.Now().Format(time.TimeOnly), p.name)
			if err := p.run(ctx); err != nil {
				t.line("%s %s: %v", time.Now().Format(time.TimeOnly), p.name, err)
				continue
			}
			t.line("%s %s runs again", time.Now().Format(time.TimeOnly), p.name)
			if err := changed(); err != nil {
				return err
			}
		}
	}
}

func (p *part) hasEnded() bool {
	select {
	case <-p.current.Exited():
		return true
	default:
		return false
	}
}

// pids are the process ids by part; 0 for a broker that is not ours.
func (a *assembly) pids() map[string]int {
	ids := map[string]int{}
	for _, p := range a.parts() {
		ids[p.name] = p.current.PID()
	}
	return ids
}

// partNames are all parts in the order of their start.
func partNames() []string {
	names := []string{"rabbitmq", "jaeger-kept", "jaeger-all", "collector"}
	for _, svc := range services {
		names = append(names, svc.name)
	}
	return append(names, "shopper")
}
