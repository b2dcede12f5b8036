// Package report turns measurements into tables.
//
//	table.go     what all tables share
//	compare.go   what systems cost
//	visits.go    and what their API answered meanwhile
//	fault.go     what they lost
//	overload.go  what they did with too much
//	soak.go      how one developed
package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

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
	// LapsSeconds is how long the load was sent again and again; 0 for once.
	LapsSeconds float64 `json:"laps_seconds,omitempty"`
}

// Printer writes Markdown. It keeps the first error in Err and writes nothing
// after that.
type Printer struct {
	W   io.Writer
	Err error
}

// Header says what was run where.
func (p *Printer) Header(h *Header) {
	p.Line("Begun %s on %s, commit %s.", h.Begun.UTC().Format(time.RFC3339), h.Machine, h.Commit)
	p.Line("")
	p.Line("`%s`", h.Command)
	p.Line("")
	laps := ""
	if h.LapsSeconds > 0 {
		laps = fmt.Sprintf(", again and again for %.0f s, each time as other traces", h.LapsSeconds)
	}
	p.Line("Load: %d spans in %d traces, %.0f B of OTLP a span, seed %d%s.",
		h.Spans, h.Traces, float64(h.Bytes)/float64(h.Spans), h.Seed, laps)
}

// Line writes a line.
func (p *Printer) Line(format string, args ...any) {
	if p.Err == nil {
		_, p.Err = fmt.Fprintf(p.W, format+"\n", args...)
	}
}

// Row writes a row of a table.
func (p *Printer) Row(cells ...string) { p.Line("| %s |", strings.Join(cells, " | ")) }

// Rule writes what stands between the head of a table and its rows.
func (p *Printer) Rule(columns int) { p.Line("|%s", strings.Repeat(" --- |", columns)) }

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

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// Spread is the median with the lowest and the highest; a dash if there is nothing.
func Spread(values []float64, verb string) string { return format(values, verb) }

// Ratios divides the values of each round by another's of the same round.
func Ratios(own, base []float64) []float64 {
	ratios := make([]float64, min(len(own), len(base)))
	for i := range ratios {
		ratios[i] = own[i] / base[i]
	}
	return ratios
}
