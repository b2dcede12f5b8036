// Command bench compares whole collectors on the same load; README.md says how.
//
//	main.go       flags
//	campaign.go   what all kinds of runs share, and where results go
//	collector.go  a system's collector: its configuration, start and restart
//	compare.go    what systems cost: rounds, in turns
//	visit.go      what the journeys API answers meanwhile
//	fault.go      what systems lose when something happens in the middle
//	overload.go   what they do with more than they can take
//	soak.go       whether one stays the same for a long time
//	profile.go    what a collector spends its time and memory on
//
// Under internal/: load (the traffic), sender (plays it), sink (the backend),
// process (what the collector used), visitors (who ask its API), verdict (what is good), report (the tables).
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
	bases   []string      // the systems that ratios are taken to
	wait    time.Duration // the decision wait of systems that do not name theirs
	binary  string
	name    string // results are kept under this name; "" writes to out/
	profile string // the system to profile; "" for none
	cpus    int    // GOMAXPROCS of the collector; 0 leaves it alone
	// lasts is how long to send, the load again and again; 0 sends it once.
	lasts time.Duration

	faults []string
	away   time.Duration // of the backend

	overload  float64       // how many times the sustainable load; 0 for no such run
	calibrate time.Duration // how long to look for what is sustainable
	limit     int           // MiB of resident memory that a system may take

	soak time.Duration // 0 for no such run
	rate int           // spans/s of a soak; 0 for half of what is sustainable
	lag  time.Duration // how late the gateway is at the end of a soak's rise
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
	systems := flags.String("systems", "passthrough,tail_sampling,journey", "files of configs/ without .yaml; a+b puts b on top of a")
	bases := flags.String("base", "passthrough,tail_sampling", "the systems that ratios are taken to")
	flags.IntVar(&s.rounds, "rounds", 3, "each system runs once in a round")
	flags.DurationVar(&s.wait, "wait", 10*time.Second, "the decision wait of configurations without a wait_ part: how long to wait for the last spans, and what is buffered")
	flags.StringVar(&s.binary, "collector", "../bin/otelcol-journey", "the collector")
	flags.StringVar(&s.name, "name", "", "keep the results as results/DATE-NAME; without it they go to out/")
	flags.StringVar(&s.profile, "profile", "", "a system to profile in the first round; the profiles go to out/. Do not publish such a run")
	flags.IntVar(&s.cpus, "cpus", 0, "GOMAXPROCS of the collector; 0 leaves it alone")
	loadFlags(flags, s)
	faults := flags.String("fault", "", "what happens in the middle, each in a run of its own: none, reload, restart, backend_away, kill")
	flags.DurationVar(&s.away, "away", 30*time.Second, "how long the backend is away")
	flags.Float64Var(&s.overload, "overload", 0, "offer so many times what each system can take, for -for")
	flags.DurationVar(&s.calibrate, "calibrate", 40*time.Second, "how long to find out what a system can take; much longer than the wait")
	flags.IntVar(&s.limit, "limit", 1024, "MiB of resident memory that -overload allows")
	flags.DurationVar(&s.soak, "soak", 0, "run one system for so long and fail if it grows or its counts differ")
	flags.IntVar(&s.rate, "rate", 0, "spans/s of -soak; 0 for half of what the system can take")
	flags.DurationVar(&s.lag, "lag", 10*time.Second, "how late the gateway's spans come at the end of the rise of -soak")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	s.systems, s.bases = strings.Split(*systems, ","), strings.Split(*bases, ",")
	if *faults != "" {
		s.faults = strings.Split(*faults, ",")
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	s.defaults(given)
	return s, s.check()
}

func loadFlags(flags *flag.FlagSet, s *settings) {
	flags.Uint64Var(&s.load.Seed, "seed", 1, "of the load; equal settings make equal bytes")
	flags.IntVar(&s.load.Spans, "spans", 1_000_000, "size of the load; published results use 3000000")
	flags.IntVar(&s.load.SpansPerSecond, "shop-rate", 10_000, "spans/s of the shop: sets how many traces a batch mixes, and the pace of -at-pace")
	flags.BoolVar(&s.atPace, "at-pace", false, "send at the shop's rate; without it as fast as the collector accepts")
	flags.DurationVar(&s.lasts, "for", 0, "send the load again and again for so long, each time as other traces; 0 sends it once")
}

// defaults sets what was not given and differs by the kind of run.
func (s *settings) defaults(given map[string]bool) {
	set := func(name string, f func()) {
		if !given[name] {
			f()
		}
	}
	switch {
	case len(s.faults) > 0:
		s.atPace = true
		set("spans", func() { s.load.Spans = 70 * s.load.SpansPerSecond })
		set("rounds", func() { s.rounds = 1 })
		set("systems", func() {
			s.systems = []string{"passthrough+persistent_queue", "tail_sampling+limiter_1gib+queue", "journey", "journey+storage"}
		})
	case s.overload > 0:
		set("spans", func() { s.load.Spans = 300_000 })
		set("for", func() { s.lasts = 3 * time.Minute })
		set("rounds", func() { s.rounds = 1 })
		set("systems", func() {
			s.systems = []string{"tail_sampling+limiter_1gib+gomemlimit", "journey+buffer_512mib+gomemlimit"}
		})
	case s.soak > 0:
		set("spans", func() { s.load.Spans = 300_000 })
		set("systems", func() { s.systems = []string{"journey+soak"} })
		s.rounds, s.lasts = 1, 0
	}
}

func (s *settings) check() error {
	if s.rounds < 1 {
		return fmt.Errorf("-rounds must be positive, got %d", s.rounds)
	}
	for _, name := range s.faults {
		if faults[name] == nil {
			return fmt.Errorf("-fault: there is no %q", name)
		}
	}
	kinds := 0
	for _, asked := range []bool{len(s.faults) > 0, s.overload > 0, s.soak > 0} {
		if asked {
			kinds++
		}
	}
	if kinds > 1 {
		return fmt.Errorf("-fault, -overload and -soak are runs of their own: give one of them")
	}
	if s.soak > 0 && len(s.systems) != 1 {
		return fmt.Errorf("-soak takes one system, got %d", len(s.systems))
	}
	return nil
}
