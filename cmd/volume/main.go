// Command volume sets the telemetry that was received against what was stored:
// one table per journey, its cost a month, and whether every journey that had
// to be kept is there whole. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/cost"
	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/page"
	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/report"
	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/volume"
)

// Exit codes, as the README lists them. When both kinds of check fail the lost
// journey is the graver.
const (
	exitOK       = 0
	exitRead     = 1 // something could not be read
	exitUsage    = 2
	exitCounters = 3 // two counts of the same thing disagree
	exitJourneys = 4 // a journey that had to be stored whole is not
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program; it prints to stdout and stderr and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parseSettings(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintln(stderr, "volume:", err)
		return exitUsage
	}
	reading, err := read(ctx, s)
	if err != nil {
		fmt.Fprintln(stderr, "volume:", err)
		return exitRead
	}
	table := volume.Judge(reading, s.prices)
	if err := report.Write(stdout, s.format, table); err != nil {
		fmt.Fprintln(stderr, "volume:", err)
		return exitRead
	}
	if s.html != "" {
		if err := writePage(s.html, table); err != nil {
			fmt.Fprintln(stderr, "volume:", err)
			return exitRead
		}
	}
	return verdict(table, stderr)
}

// writePage writes the same as a page with plots.
func writePage(path string, t volume.Table) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(page.Write(f, t, time.Now()), f.Close())
}

// verdict repeats what went wrong on stderr, where a script's log shows it.
func verdict(t volume.Table, stderr io.Writer) int {
	code := exitOK
	for _, kind := range []struct {
		volume.Kind
		code int
	}{{volume.Counters, exitCounters}, {volume.Journeys, exitJourneys}} {
		for _, check := range t.Failed(kind.Kind) {
			fmt.Fprintln(stderr, "volume:", check.Text)
			code = kind.code
		}
	}
	return code
}

// settings are what the command line says.
type settings struct {
	all, kept               string // query APIs
	allMetrics, keptMetrics string
	collector               string
	truth                   string
	allLogs, keptLogs       string
	prices                  cost.Prices
	format                  string
	html                    string
	slow                    time.Duration
	window                  time.Duration // of the cost; 0 means measured
	lookback                time.Duration
	page                    int
}

func parseSettings(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("volume", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.kept, "kept", "", "`URL` of the Jaeger that stores what is kept, such as http://localhost:16686")
	flags.StringVar(&s.keptMetrics, "kept-metrics", "", "`URL` of that Jaeger's own metrics, such as http://localhost:18888/metrics")
	flags.StringVar(&s.all, "all", "", "`URL` of a Jaeger that stores everything")
	flags.StringVar(&s.allMetrics, "all-metrics", "", "`URL` of that Jaeger's own metrics")
	flags.StringVar(&s.collector, "collector", "", "`URL` of the collector's metrics, such as http://localhost:8888/metrics")
	flags.StringVar(&s.truth, "truth", "", "`FILE` of a load generator that says which journeys must be kept")
	flags.StringVar(&s.allLogs, "all-logs", "", "`FILE` of all log records, OTLP JSON lines")
	flags.StringVar(&s.keptLogs, "kept-logs", "", "`FILE` of the kept log records, OTLP JSON lines")
	flags.Float64Var(&s.prices.MillionSpans, "span-price", 0.20, "`USD` per million spans")
	flags.Float64Var(&s.prices.GiBLogs, "log-price", 0.50, "`USD` per GiB of logs")
	flags.Float64Var(&s.prices.GiBSpans, "span-bytes-price", 0, "`USD` per GiB of traces")
	flags.StringVar(&s.format, "format", "table", strings.Join(report.Formats, ", "))
	flags.StringVar(&s.html, "html", "", "`FILE` to write the same to as a page with plots")
	flags.DurationVar(&s.slow, "slow", time.Second, "without -truth: a root span above this makes a journey slow")
	flags.DurationVar(&s.window, "window", 0, "time the figures stand for; 0: as measured")
	flags.DurationVar(&s.lookback, "lookback", 24*time.Hour, "how far back to read traces")
	flags.IntVar(&s.page, "page", 500, "traces to ask for at a time")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return s, s.validate()
}

// validate reports every fault at once.
func (s settings) validate() error {
	var errs []error
	if s.kept == "" {
		errs = append(errs, errors.New("-kept must be set"))
	}
	if s.all == "" && s.collector == "" {
		errs = append(errs, errors.New("-all or -collector must be set: there is nothing to compare with"))
	}
	if s.allMetrics != "" && s.all == "" {
		errs = append(errs, errors.New("-all-metrics needs -all"))
	}
	if (s.allLogs == "") != (s.keptLogs == "") {
		errs = append(errs, errors.New("-all-logs and -kept-logs need each other"))
	}
	if !slices.Contains(report.Formats, s.format) {
		errs = append(errs, fmt.Errorf("-format must be one of %s, got %q", strings.Join(report.Formats, ", "), s.format))
	}
	if s.prices.MillionSpans < 0 || s.prices.GiBLogs < 0 || s.prices.GiBSpans < 0 {
		errs = append(errs, errors.New("prices must not be negative"))
	}
	if s.page < 1 || s.lookback <= 0 || s.window < 0 {
		errs = append(errs, errors.New("-page and -lookback must be positive, -window not negative"))
	}
	return errors.Join(errs...)
}
