// Package report turns the measurements of all runs into a table.
package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Run is one system's measurement in one round: a line of the raw results.
type Run struct {
	System string    `json:"system"`
	Round  int       `json:"round"`
	Begun  time.Time `json:"begun"`

	SpansIn  int   `json:"spans_in"`
	SpansOut int64 `json:"spans_out"`
	BytesOut int64 `json:"bytes_out"`
	Refused  int   `json:"refused"` // answers that asked the sender to wait
	MustKeep int   `json:"must_keep"`
	Whole    int   `json:"must_keep_whole"`

	LoadSeconds   float64 `json:"load_seconds"`   // first request to last answer
	DrainSeconds  float64 `json:"drain_seconds"`  // last answer to last span out
	BehindSeconds float64 `json:"behind_seconds"` // how late a request was, at the shop's pace
	UserSeconds   float64 `json:"cpu_user_seconds"`
	SystemSeconds float64 `json:"cpu_system_seconds"`

	PeakBytes int64 `json:"peak_rss_bytes"`
	// SteadyBytes is the median of the resident memory in the second half of
	// the load.
	SteadyBytes int64 `json:"steady_rss_bytes"`
	// Buffered is how many spans wait at a time, by rate and wait; 0 as fast
	// as accepted.
	Buffered int `json:"buffered_spans"`
}

func (r *Run) cpuPerMillion() float64 {
	return (r.UserSeconds + r.SystemSeconds) / float64(r.SpansIn) * 1e6
}

func (r *Run) perSecond() float64 { return float64(r.SpansIn) / r.LoadSeconds }

// Header says what was run where.
type Header struct {
	Begun     time.Time `json:"begun"`
	Command   string    `json:"command"`
	Commit    string    `json:"commit"`
	Machine   string    `json:"machine"`
	Seed      uint64    `json:"seed"`
	Spans     int       `json:"spans"`
	Traces    int       `json:"traces"`
	Bytes     int64     `json:"bytes"`
	AtPace    bool      `json:"at_pace"`
	PerSecond int       `json:"spans_per_second"`
	Rounds    int       `json:"rounds"`
}

// Baselines are what the others are compared with, when they were run.
var Baselines = []string{"passthrough", "tail_sampling"}

// Write writes the header and a table with a line for each system: medians
// over the rounds, and where it matters the lowest and the highest.
func Write(w io.Writer, h *Header, runs []Run) error {
	p := &printer{w: w}
	p.line("Begun %s on %s, commit %s.", h.Begun.UTC().Format(time.RFC3339), h.Machine, h.Commit)
	p.line("")
	p.line("`%s`", h.Command)
	p.line("")
	how := "as fast as accepted"
	if h.AtPace {
		how = fmt.Sprintf("at %d spans/s", h.PerSecond)
	}
	p.line("%d spans in %d traces, %.0f B of OTLP a span, seed %d, %s. Medians of %d rounds (lowest–highest); ratios are taken within a round.",
		h.Spans, h.Traces, float64(h.Bytes)/float64(h.Spans), h.Seed, how, h.Rounds)
	p.line("")
	table(p, h, runs)
	return p.err
}

func table(p *printer, h *Header, runs []Run) {
	columns := []string{"system", "CPU s / M spans"}
	for _, base := range Baselines {
		columns = append(columns, "× "+base)
	}
	columns = append(columns, "spans/s accepted", "peak RSS MiB", "steady RSS MiB")
	if h.AtPace {
		columns = append(columns, "RSS B / buffered span")
	}
	columns = append(columns, "spans out", "must-keep traces whole", "refusals")
	p.line("| %s |", strings.Join(columns, " | "))
	p.line("|%s", strings.Repeat(" --- |", len(columns)))
	for _, system := range systems(runs) {
		p.line("| %s |", strings.Join(cells(system, h, runs), " | "))
	}
}

func cells(system string, h *Header, runs []Run) []string {
	own := of(system, runs)
	row := []string{system, spread(own, "%.2f", (*Run).cpuPerMillion)}
	for _, base := range Baselines {
		row = append(row, ratio(own, of(base, runs)))
	}
	row = append(row,
		median(own, "%.0f k", func(r *Run) float64 { return r.perSecond() / 1e3 }),
		spread(own, "%.0f", func(r *Run) float64 { return mib(r.PeakBytes) }),
		median(own, "%.0f", func(r *Run) float64 { return mib(r.SteadyBytes) }))
	if h.AtPace {
		row = append(row, perBuffered(own, of("passthrough", runs)))
	}
	whole, mustKeep := 0, 0
	for _, r := range own {
		whole, mustKeep = whole+r.Whole, mustKeep+r.MustKeep
	}
	return append(row,
		median(own, "%.1f %%", func(r *Run) float64 { return 100 * float64(r.SpansOut) / float64(r.SpansIn) }),
		fmt.Sprintf("%d of %d", whole, mustKeep),
		median(own, "%.0f", func(r *Run) float64 { return float64(r.Refused) }))
}

// ratio compares CPU per span with another system's in the same round.
func ratio(own, base []*Run) string {
	values := pairs(own, base, func(a, b *Run) float64 { return a.cpuPerMillion() / b.cpuPerMillion() })
	return format(values, "%.2f")
}

// perBuffered is what a waiting span takes: the memory above that of the
// passthrough in the same round.
func perBuffered(own, base []*Run) string {
	values := pairs(own, base, func(a, b *Run) float64 {
		return float64(a.SteadyBytes-b.SteadyBytes) / float64(max(a.Buffered, 1))
	})
	if len(own) > 0 && own[0].Buffered == 0 {
		return "–"
	}
	return format(values, "%.0f")
}

func pairs(own, base []*Run, f func(a, b *Run) float64) []float64 {
	var values []float64
	for _, a := range own {
		for _, b := range base {
			if a.Round == b.Round {
				values = append(values, f(a, b))
			}
		}
	}
	return values
}

func spread(runs []*Run, verb string, f func(*Run) float64) string {
	return format(values(runs, f), verb)
}

func median(runs []*Run, verb string, f func(*Run) float64) string {
	return fmt.Sprintf(verb, Median(values(runs, f)))
}

// format is the median with its spread; a dash if there is nothing.
func format(values []float64, verb string) string {
	if len(values) == 0 {
		return "–"
	}
	text := fmt.Sprintf(verb, Median(values))
	if len(values) > 1 {
		text += fmt.Sprintf(" ("+verb+"–"+verb+")", slices.Min(values), slices.Max(values))
	}
	return text
}

// Median is the middle value, or the mean of the two in the middle; 0 of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

func values(runs []*Run, f func(*Run) float64) []float64 {
	all := make([]float64, len(runs))
	for i, r := range runs {
		all[i] = f(r)
	}
	return all
}

func of(system string, runs []Run) []*Run {
	var own []*Run
	for i := range runs {
		if runs[i].System == system {
			own = append(own, &runs[i])
		}
	}
	return own
}

// systems in the order in which they first ran.
func systems(runs []Run) []string {
	var names []string
	for i := range runs {
		if !slices.Contains(names, runs[i].System) {
			names = append(names, runs[i].System)
		}
	}
	return names
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
