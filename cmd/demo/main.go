// Command demo runs everything of this repository together: RabbitMQ, two
// Jaegers, the collector and the shop.
//
//	demo run     a minute of traffic, the table of what was stored, then stop (the default)
//	demo up      the same parts, kept running with traffic
//	demo down    stop what up started
//	demo status  what runs and where
//
// Read settings.go, build.go, parts.go, shop.go, run.go, then up.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A second signal ends the demo at once; its children end with it.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:])
	stop()
	if err == nil {
		return
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "demo: stopped, nothing is left running")
		os.Exit(130) // as a shell reports a program ended by Ctrl-C
	}
	fmt.Fprintln(os.Stderr, "demo:", err)
	os.Exit(1)
}

const usage = "usage: demo [-free-ports] [run | up | down | status]"

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprintln(flags.Output(), usage); flags.PrintDefaults() }
	freePorts := flags.Bool("free-ports", false, "listen on free ports instead of the usual ones")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	command := flags.Arg(0)
	if command == "" {
		command = "run"
	}
	// `demo up -free-ports` as well: make hands flags on behind the command.
	if flags.NArg() > 1 {
		if err := flags.Parse(flags.Args()[1:]); err != nil {
			return err
		}
		if flags.NArg() > 0 {
			return fmt.Errorf("unexpected argument %q; %s", flags.Arg(0), usage)
		}
	}
	s, err := readSettings(os.Getenv)
	if err != nil {
		return err
	}
	if *freePorts {
		if err := s.chooseFreePorts(); err != nil {
			return err
		}
	}
	if err := forgetForeign(); err != nil {
		return err
	}
	return dispatch(ctx, command, &s)
}

func dispatch(ctx context.Context, command string, s *settings) error {
	t := &terminal{out: os.Stdout}
	switch command {
	case "run":
		return runDemo(ctx, t, s)
	case "up":
		return up(ctx, t, s)
	case "supervise":
		return supervise(ctx, t, s)
	case "down":
		return down(ctx, t, s)
	case "status":
		return status(t, s)
	default:
		return fmt.Errorf("unknown command %q; %s", command, usage)
	}
}
