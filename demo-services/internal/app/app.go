// Package app runs one program of the shop: it reads the environment, starts
// the program's parts in order, waits for a signal, and stops them in reverse
// order within a fixed time. It knows nothing of telemetry, so that the mailer
// can use it as well.
package app

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
	"github.com/otelcol-journey/otelcol-journey/demo-services/variables"
)

// stopTime bounds the whole of a graceful stop: requests in flight, messages
// in hand, and the flush of telemetry. Docker kills after ten seconds.
const stopTime = 9 * time.Second

// Part is something a program consists of. Start returns once the part serves
// or keeps trying in the background; fail reports a later end that nobody asked
// for. Stop finishes what is in flight, honours its context, and may be called
// once after a Start that succeeded.
type Part interface {
	Start(fail func(error)) error
	Stop(ctx context.Context) error
}

// Build wires a program's parts in the order in which they start.
type Build func(r *env.Reader) ([]Part, error)

// Main is the whole main function of a service. It returns the exit code.
func Main(program string, build Build) int {
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	probe := flags.Bool("healthcheck", false, "ask the running service whether it is ready; exit 0 if it is, else 1")
	list := flags.Bool("variables", false, "print the environment variables this program reads, as JSON")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return 2
	}
	if *list {
		return PrintVariables(os.Stdout, program)
	}
	r, err := env.Read(program, os.LookupEnv)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: environment:\n%v\n", program, err)
		return 2
	}
	if *probe {
		return healthcheck(r)
	}
	slog.SetDefault(slog.New(StderrHandler(r)))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := Run(ctx, r, build); err != nil {
		slog.Error("ended", "service", program, "error", err)
		return 1
	}
	return 0
}

// PrintVariables writes the program's variables as JSON and returns the exit code.
func PrintVariables(w io.Writer, program string) int {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	if err := out.Encode(variables.Of(program)); err != nil {
		return 1
	}
	return 0
}

// Run builds and runs the parts until ctx ends or a part fails.
func Run(ctx context.Context, r *env.Reader, build Build) error {
	parts, err := build(r)
	if err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	for i, p := range parts {
		if err := p.Start(fail); err != nil {
			return errors.Join(err, stopAll(parts[:i]))
		}
	}
	slog.Info("started")
	<-ctx.Done()
	slog.Info("stopping")
	err = context.Cause(ctx)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, stopAll(parts))
}

func stopAll(parts []Part) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	var errs []error
	for _, p := range slices.Backward(parts) {
		if err := p.Stop(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// StderrHandler writes JSON lines of LOG_LEVEL and above; standard output is
// left to the console exporter.
func StderrHandler(r *env.Reader) slog.Handler {
	return slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: Level(r)})
}

// Level is LOG_LEVEL as slog has it.
func Level(r *env.Reader) slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(r.Text("LOG_LEVEL"))) // the reader has checked it
	return level
}
