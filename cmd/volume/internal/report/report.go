// Package report prints a volume.Table for people and for programs.
package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/cost"
	"github.com/otelcol-journey/otelcol-journey/cmd/internal/grid"
	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/volume"
)

// Formats are the values of -format.
var Formats = []string{"table", "markdown", "json"}

// Write prints the table in one of Formats.
func Write(w io.Writer, format string, t volume.Table) error {
	var text string
	switch format {
	case "json":
		return writeJSON(w, t)
	case "markdown":
		text = grid.Markdown(Cells(t), 1) + "\n" + remarks(t, "- ")
	case "table":
		text = grid.Aligned(Cells(t), 1) + "\n" + remarks(t, "  ")
	default:
		return fmt.Errorf("format must be one of %s, got %q", strings.Join(Formats, ", "), format)
	}
	_, err := io.WriteString(w, text)
	return err
}

var head = []string{
	"stored / received", "journeys", "spans", "share", "trace bytes", "must keep",
	"log records", "log bytes", "USD a month", "saved",
}

// Cells is the table's cells: head, rows, total.
func Cells(t volume.Table) [][]string {
	lines := [][]string{head}
	for _, row := range t.Rows {
		lines = append(lines, cells(row, t.Window > 0))
	}
	return append(lines, cells(t.Total, t.Window > 0))
}

const unknown = "-"

func cells(r volume.Row, priced bool) []string {
	money, saved := unknown, unknown
	if priced {
		money, saved = grid.USD(r.Cost.Stored)+" / "+grid.USD(r.Cost.Received), grid.USD(r.Cost.Saved())
	}
	share := unknown
	if r.Spans.Known && r.Spans.Received > 0 {
		share = fmt.Sprintf("%.1f %%", 100*r.Spans.Share())
	}
	return []string{
		grid.Name(r.Journey), counts(r.Journeys), counts(r.Spans), share, sizes(r.SpanBytes), counts(r.MustKeep),
		counts(r.LogRecords), sizes(r.LogBytes), money, saved,
	}
}

func counts(p volume.Pair) string {
	if !p.Known {
		return unknown
	}
	return grid.Count(p.Stored) + " / " + grid.Count(p.Received)
}

func sizes(p volume.Pair) string {
	if !p.Known {
		return unknown
	}
	mark := ""
	if p.Estimated {
		mark = "~"
	}
	return mark + grid.Sizes(p.Stored, p.Received)
}

// remarks are what stands below the table, each line after the bullet.
func remarks(t volume.Table, bullet string) string {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(bullet + fmt.Sprintf(format, args...) + "\n") }
	if len(t.Classes) > 0 {
		var parts []string
		for _, c := range t.Classes {
			parts = append(parts, fmt.Sprintf("%s %d/%d", c.Name, c.Stored, c.Exist))
		}
		line("must keep, stored whole / exist: %s", strings.Join(parts, ", "))
	}
	if t.Window > 0 {
		line("a month is 730 hours of what was measured in %s (%s)", t.Window.Round(100*time.Millisecond), t.WindowSource)
		line("prices in USD: %s", Prices(t.Prices))
	}
	for _, note := range t.Notes {
		line("%s", note)
	}
	for _, c := range t.Checks {
		mark := "ok   "
		if !c.Passed {
			mark = "WRONG"
		}
		line("%s %s", mark, c.Text)
	}
	return b.String()
}

// Prices puts prices into words.
func Prices(p cost.Prices) string {
	text := fmt.Sprintf("%.2f a million spans, %.2f a GiB of logs", p.MillionSpans, p.GiBLogs)
	if p.GiBSpans > 0 {
		text += fmt.Sprintf(", %.2f a GiB of traces", p.GiBSpans)
	}
	return text
}
