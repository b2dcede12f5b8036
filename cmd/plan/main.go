package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/cost"
	"github.com/otelcol-journey/otelcol-journey/cmd/internal/truth"
	"github.com/otelcol-journey/otelcol-journey/cmd/plan/internal/plan"
	"github.com/otelcol-journey/otelcol-journey/cmd/plan/internal/report"
)

// Exit codes, as the usage lists them. A lost journey is graver than a limit.
const (
	exitOK    = 0
	exitInput = 1
	exitUsage = 2
	exitLimit = 3
	exitLost  = 4
)

const usage = `plan replays a recording through the journey processor's sampling and prints what it would keep.

  plan -config FILE [-config FILE] [-against FILE] [flags] RECORDING...

RECORDING is what the collector's file exporter wrote (JSON or protobuf, compressed or not; spans, log records or both;
rotated files in any order). FILE is a collector's configuration, a block that begins with "journey:", or the settings
alone; several are laid over each other, as the collector does.

  plan -config new.yaml -against otelcol-config.yaml -max-growth 10% -keep error,before recorded-*.jsonl

exit code   meaning
  0         within all limits
  1         something cannot be read
  2         the command line is wrong
  3         a limit is exceeded
  4         a journey would be dropped that -keep names

flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintln(stderr, "plan:", err)
		return exitUsage
	}
	result, err := s.plan(ctx, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "plan:", err)
		return exitInput
	}
	checks := result.Check(s.limits)
	if err := report.Write(stdout, s.format, result, checks); err != nil {
		fmt.Fprintln(stderr, "plan:", err)
		return exitInput
	}
	return verdict(checks, stderr)
}

// verdict repeats what went wrong on stderr, where a script's log shows it.
func verdict(checks []plan.Checked, stderr io.Writer) int {
	code := exitOK
	for _, c := range checks {
		if c.Passed {
			continue
		}
		fmt.Fprintln(stderr, "plan:", c.Text)
		if c.Lost {
			code = exitLost
		} else {
			code = max(code, exitLimit)
		}
	}
	return code
}

// settings are what the command line says.
type settings struct {
	config, against texts
	processor       string
	recording       []string
	truth           string
	decisions       string
	prices          cost.Prices
	window          time.Duration
	format          string
	limits          plan.Limits
}

// texts is a flag that may be given several times.
type texts []string

func (t *texts) String() string { return strings.Join(*t, " ") }

func (t *texts) Set(text string) error {
	*t = append(*t, text)
	return nil
}

func parse(args []string, stderr io.Writer) (*settings, error) {
	s := &settings{}
	flags := flag.NewFlagSet("plan", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.Var(&s.config, "config", "`FILE` with the configuration to plan; may be given again")
	flags.Var(&s.against, "against", "`FILE` with the one to compare it with, such as the one in use; may be given again")
	flags.StringVar(&s.processor, "processor", "", "`ID` of the processor, such as journey/2, if there are several")
	flags.StringVar(&s.truth, "truth", "", "`FILE` of a load generator that says which journeys must be kept")
	flags.StringVar(&s.decisions, "decisions", "", "`FILE` to write each decision to, as a line of JSON")
	flags.Float64Var(&s.prices.MillionSpans, "span-price", 0.20, "`USD` per million spans")
	flags.Float64Var(&s.prices.GiBLogs, "log-price", 0.50, "`USD` per GiB of logs")
	flags.Float64Var(&s.prices.GiBSpans, "span-bytes-price", 0, "`USD` per GiB of traces")
	flags.DurationVar(&s.window, "window", 0, "time the recording stands for; 0: as long as it is")
	flags.StringVar(&s.format, "format", "table", strings.Join(report.Formats, ", "))
	s.limitFlags(flags)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	s.recording = flags.Args()
	return s, s.validate()
}

func (s *settings) limitFlags(flags *flag.FlagSet) {
	flags.Func("max-spans", "fail if more `SPANS` are kept", count(&s.limits.Spans))
	flags.Func("max-bytes", "fail if more `BYTES` of OTLP are sent on", count(&s.limits.Bytes))
	flags.Func("max-money", "fail if a month costs more `USD`", number(&s.limits.Money, "", 1))
	flags.Func("max-share", "fail if more `PERCENT` of the spans are kept", number(&s.limits.Share, "%", 0.01))
	flags.Func("max-growth", "fail if this `PERCENT` more spans are kept than with -against", number(&s.limits.Growth, "%", 0.01))
	flags.Func("keep", "fail if a journey of these `KINDS` is dropped: error and incomplete (outcomes), must-keep (a rule of 100 %\n"+
		"matches it), before (-against keeps it by such a rule), truth", s.keepKinds)
}

func count(to **int64) func(string) error {
	return func(text string) error {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("want a whole number, got %q", text)
		}
		*to = &n
		return nil
	}
}

func number(to **float64, unit string, scale float64) func(string) error {
	return func(text string) error {
		n, err := strconv.ParseFloat(strings.TrimSuffix(text, unit), 64)
		if err != nil || !(n >= 0) {
			return fmt.Errorf("want a number%s, got %q", unit, text)
		}
		n *= scale
		*to = &n
		return nil
	}
}

func (s *settings) keepKinds(text string) error {
	for kind := range strings.SplitSeq(text, ",") {
		if !slices.Contains(plan.Kinds, plan.Kind(kind)) {
			return fmt.Errorf("want some of %v, got %q", plan.Kinds, kind)
		}
		s.limits.Keep = append(s.limits.Keep, plan.Kind(kind))
	}
	return nil
}

// validate reports every fault at once.
func (s *settings) validate() error {
	var errs []error
	if len(s.config) == 0 {
		errs = append(errs, errors.New("-config must be set"))
	}
	if len(s.recording) == 0 {
		errs = append(errs, errors.New("a recording must be given"))
	}
	if len(s.against) == 0 && (s.limits.Growth != nil || slices.Contains(s.limits.Keep, plan.Before)) {
		errs = append(errs, errors.New("-max-growth and -keep before need -against"))
	}
	if s.truth == "" && slices.Contains(s.limits.Keep, plan.Truth) {
		errs = append(errs, errors.New("-keep truth needs -truth"))
	}
	if !slices.Contains(report.Formats, s.format) {
		errs = append(errs, fmt.Errorf("-format must be one of %s, got %q", strings.Join(report.Formats, ", "), s.format))
	}
	if s.prices.MillionSpans < 0 || s.prices.GiBLogs < 0 || s.prices.GiBSpans < 0 || s.window < 0 {
		errs = append(errs, errors.New("prices and -window must not be negative"))
	}
	return errors.Join(errs...)
}

// plan reads what the command line names, and makes the plan.
func (s *settings) plan(ctx context.Context, stderr io.Writer) (result *plan.Result, err error) {
	p := plan.Settings{Recording: s.recording, Prices: s.prices, Window: s.window, Logger: warnings(stderr)}
	if p.With, err = s.load(ctx, s.config); err != nil {
		return nil, err
	}
	if len(s.against) > 0 {
		against, err := s.load(ctx, s.against)
		if err != nil {
			return nil, err
		}
		p.Against = &against
	}
	if s.truth != "" {
		if p.Truth, err = truth.ReadFile(s.truth); err != nil {
			return nil, err
		}
	}
	if s.decisions == "" {
		return plan.Run(ctx, p)
	}
	f, err := os.Create(s.decisions)
	if err != nil {
		return nil, err
	}
	buffered := bufio.NewWriter(f)
	p.Decisions = buffered
	result, err = plan.Run(ctx, p)
	return result, errors.Join(err, buffered.Flush(), f.Close())
}

func (s *settings) load(ctx context.Context, files []string) (plan.Configuration, error) {
	config, err := plan.Load(ctx, files, s.processor)
	if err != nil {
		return plan.Configuration{}, fmt.Errorf("read configuration %s: %w", strings.Join(files, " + "), err)
	}
	var names []string
	for _, file := range files {
		names = append(names, filepath.Base(file))
	}
	return plan.Configuration{Name: strings.Join(names, " + "), Config: config}, nil
}

// warnings is what the processor says of a configuration at its start.
func warnings(to io.Writer) *zap.Logger {
	encoder := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{
		MessageKey: "message", NameKey: "name", LevelKey: "level",
		EncodeLevel: zapcore.LowercaseLevelEncoder, EncodeName: zapcore.FullNameEncoder, ConsoleSeparator: ": ",
	})
	return zap.New(zapcore.NewCore(encoder, zapcore.AddSync(to), zap.WarnLevel)).Named("plan")
}
