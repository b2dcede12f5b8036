// Command bench compares whole collectors on the same load; README.md says how.
//
//	main.go      flags
//	campaign.go  rounds, in turns, and where results go
//	system.go    one run of one system
//	profile.go   what a collector spends its time and memory on
//
// Under internal/: load (the traffic), sender (plays it), sink (the backend),
// process (what the collector used), report (the table).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/load"
)

// settings are what the command line says.
type settings struct {
	load    load.Settings
	atPace  bool
	rounds  int
	systems []string
	wait    time.Duration // the longest decision wait in the systems' configurations
	binary  string
	name    string // results are kept under this name; "" writes to out/
	profile string // the system to profile; "" for none
	cpus    int    // GOMAXPROCS of the collector; 0 leaves it alone
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	c, err := newCampaign(s, "go run -C bench . "+strings.Join(args, " "), os.Stdout)
	if err != nil {
		return err
	}
	return c.run(ctx)
}

func parse(args []string) (*settings, error) {
	s := &settings{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.Uint64Var(&s.load.Seed, "seed", 1, "of the load; equal settings make equal bytes")
	flags.IntVar(&s.load.Spans, "spans", 1_000_000, "size of the load; published results use 3000000")
	flags.IntVar(&s.load.SpansPerSecond, "shop-rate", 10_000, "spans/s of the shop: sets how many traces a batch mixes, and the pace of -at-pace")
	flags.BoolVar(&s.atPace, "at-pace", false, "send at the shop's rate; without it as fast as the collector accepts")
	flags.IntVar(&s.rounds, "rounds", 3, "each system runs once in a round")
	systems := flags.String("systems", "passthrough,tail_sampling,journey", "files of configs/ without .yaml; a+b puts b on top of a")
	flags.DurationVar(&s.wait, "wait", 10*time.Second, "the decision wait of the configurations: how long to wait for the last spans, and what is buffered")
	flags.StringVar(&s.binary, "collector", "../bin/otelcol-journey", "the collector")
	flags.StringVar(&s.name, "name", "", "keep the results as results/DATE-NAME; without it they go to out/")
	flags.StringVar(&s.profile, "profile", "", "a system to profile in the first round; the profiles go to out/. Do not publish such a run")
	flags.IntVar(&s.cpus, "cpus", 0, "GOMAXPROCS of the collector; 0 leaves it alone")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	s.systems = strings.Split(*systems, ",")
	if s.rounds < 1 {
		return nil, fmt.Errorf("-rounds must be positive, got %d", s.rounds)
	}
	return s, nil
}
