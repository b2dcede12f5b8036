package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// upState is what a running supervisor leaves in .run/up for up, down and
// status. Its lock, not this file, says whether it runs.
type upState struct {
	PID   int            `json:"pid"`
	Ready bool           `json:"ready"`
	Ports map[string]int `json:"ports"`
	Parts map[string]int `json:"parts"` // process ids
}

// upDir holds the state, the logs and the data of `make up`.
func (s *settings) upDir() string  { return s.path(".run", "up") }
func (s *settings) upLock() string { return s.path(".run", "up.lock") }

func (s *settings) readState() (upState, error) {
	var state upState
	raw, err := os.ReadFile(filepath.Join(s.upDir(), "state.json"))
	if err != nil {
		return state, err
	}
	return state, json.Unmarshal(raw, &state)
}

// writeState replaces the file in one step: others read it at any time.
func (s *settings) writeState(state upState) error {
	raw, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(s.upDir(), "state.json")
	if err := os.WriteFile(path+".new", raw, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

const upPoll = 100 * time.Millisecond

// up builds in the foreground and leaves a supervisor in the background, whose
// progress it shows until everything is ready.
func up(ctx context.Context, t *terminal, s *settings) error {
	if locked(s.upLock()) {
		t.line("The demo is already up.")
		return status(t, s)
	}
	if err := prepare(ctx, t, s, s.upDir()); err != nil {
		return err
	}
	logPath := filepath.Join(s.upDir(), "demo.log")
	log, err := os.Create(logPath)
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// Not bound to the context: it outlives this command.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), self, "supervise")
	cmd.Dir = s.root
	cmd.Env = append(os.Environ(), s.environment()...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // outlives this terminal
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the supervisor: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if err := follow(ctx, t, s, logPath, ended); err != nil {
		return err
	}
	return status(t, s)
}

// environment hands the chosen ports to the supervisor.
func (s *settings) environment() []string {
	var env []string
	for _, p := range portNames {
		env = append(env, fmt.Sprintf("%s=%d", p.variable, s.ports[p.variable]))
	}
	return env
}

// follow shows the supervisor's output until it is ready or has ended. When the
// caller gives up, so must the supervisor.
func follow(ctx context.Context, t *terminal, s *settings, logPath string, ended <-chan error) error {
	shown, err := os.Open(logPath)
	if err != nil {
		return err
	}
	defer shown.Close()
	ticker := time.NewTicker(upPoll)
	defer ticker.Stop()
	for {
		if _, err := io.Copy(t.out, shown); err != nil {
			return err
		}
		select {
		case err := <-ended:
			_, copyErr := io.Copy(t.out, shown)
			return errors.Join(fmt.Errorf("the demo did not come up: %w", err), copyErr)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), down(context.WithoutCancel(ctx), t, s))
		case <-ticker.C:
			if state, err := s.readState(); err == nil && state.Ready {
				_, err := io.Copy(t.out, shown)
				return err
			}
		}
	}
}

// down ends the supervisor, which ends everything else.
func down(ctx context.Context, t *terminal, s *settings) error {
	if !locked(s.upLock()) {
		t.line("The demo is not up.")
		return nil
	}
	return t.step(ctx, "stop what `make up` started", nil, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*stopTimeout)
		defer cancel()
		state, err := s.awaitState(ctx)
		if err != nil {
			return fmt.Errorf("find the supervisor: %w", err)
		}
		if err := syscall.Kill(state.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the supervisor %d: %w", state.PID, err)
		}
		return until(ctx, func() bool { return !locked(s.upLock()) })
	})
}

// awaitState reads the state of a supervisor that may have just begun.
func (s *settings) awaitState(ctx context.Context) (upState, error) {
	var state upState
	err := until(ctx, func() bool {
		var err error
		state, err = s.readState()
		return err == nil && state.PID != 0
	})
	return state, err
}

func until(ctx context.Context, condition func() bool) error {
	ticker := time.NewTicker(upPoll)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return nil
}

// status prints what runs and where.
func status(t *terminal, s *settings) error {
	if !locked(s.upLock()) {
		t.line("The demo is not up. `make up` starts it.")
		return nil
	}
	state, err := s.readState()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if !state.Ready {
		t.line("The demo is coming up.")
		return nil
	}
	s.ports = state.Ports
	t.line("\nAll journeys             %s", s.url("DEMO_JOURNEYS_PORT"))
	t.line("Jaeger, what is kept     %s", s.url("DEMO_JAEGER_PORT"))
	t.line("Jaeger, everything       %s", s.url("DEMO_JAEGER_ALL_PORT"))
	t.line("The shop                 curl -i %s -d '{\"items\": [\"sku-1001\"]}'", s.url("DEMO_GATEWAY_PORT", "api", "checkout"))
	t.line("Your services            OTEL_EXPORTER_OTLP_ENDPOINT=%s (gRPC) or %s (HTTP)",
		s.url("DEMO_OTLP_GRPC_PORT"), s.url("DEMO_OTLP_HTTP_PORT"))
	t.line("The collector's metrics  %s", s.url("METRICS_PORT", "metrics"))
	t.line("Compare the volume       %s", commandLine("bin/volume", volumeArguments(s, ".run/up")[:10]))
	t.line("Logs and data            .run/up")
	t.line("\nProcesses (kill one: it is started again after %s)", restartDelay)
	for _, name := range partNames() {
		if pid := state.Parts[name]; pid != 0 {
			t.line("  %-12s %d", name, pid)
		}
	}
	t.line("\n`make down` stops it all.")
	return nil
}
