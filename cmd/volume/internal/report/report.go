// Package report prints a volume.Table for people and for programs.
package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

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
		text = markdown(grid(t)) + "\n" + remarks(t, "- ")
	case "table":
		text = aligned(grid(t)) + "\n" + remarks(t, "  ")
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

// grid is the table's cells: head, rows, total.
func grid(t volume.Table) [][]string {
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
		money, saved = usd(r.Cost.Stored)+" / "+usd(r.Cost.Received), usd(r.Cost.Saved())
	}
	share := unknown
	if r.Spans.Known && r.Spans.Received > 0 {
		share = fmt.Sprintf("%.1f %%", 100*r.Spans.Share())
	}
	return []string{
		r.Journey, counts(r.Journeys), counts(r.Spans), share, sizes(r.SpanBytes), counts(r.MustKeep),
		counts(r.LogRecords), sizes(r.LogBytes), money, saved,
	}
}

func counts(p volume.Pair) string {
	if !p.Known {
		return unknown
	}
	return grouped(p.Stored) + " / " + grouped(p.Received)
}

// grouped sets a comma at the thousands.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	digits := strings.TrimPrefix(text, "-")
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	if n < 0 {
		return "-" + digits
	}
	return digits
}

// sizes writes both sides in the unit that fits the larger one.
func sizes(p volume.Pair) string {
	if !p.Known {
		return unknown
	}
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	scale, unit := 1.0, 0
	for unit < len(units)-1 && float64(max(p.Received, p.Stored))/scale >= 1024 {
		scale *= 1024
		unit++
	}
	precision := min(unit, 1) // bytes have no fractions
	mark := ""
	if p.Estimated {
		mark = "~"
	}
	return fmt.Sprintf("%s%.*f / %.*f %s", mark, precision, float64(p.Stored)/scale, precision, float64(p.Received)/scale, units[unit])
}

// usd has cents only where they can be seen.
func usd(amount float64) string {
	if math.Abs(amount) >= 1000 {
		return grouped(int64(math.Round(amount)))
	}
	return fmt.Sprintf("%.2f", amount)
}

// aligned writes the name to the left and figures to the right.
func aligned(lines [][]string) string {
	widths := make([]int, len(head))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	total := len(head)*2 - 2
	for _, w := range widths {
		total += w
	}
	var b strings.Builder
	for n, line := range lines {
		if n == 1 || n == len(lines)-1 {
			b.WriteString(strings.Repeat("-", total) + "\n")
		}
		for i, cell := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString(cell + pad)
				continue
			}
			b.WriteString("  " + pad + cell)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func markdown(lines [][]string) string {
	var b strings.Builder
	for n, line := range lines {
		b.WriteString("| " + strings.Join(line, " | ") + " |\n")
		if n == 0 {
			b.WriteString("| --- |" + strings.Repeat(" ---: |", len(line)-1) + "\n")
		}
	}
	return b.String()
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
		line("prices in USD: %s", prices(t.Prices))
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

func prices(p volume.Prices) string {
	text := fmt.Sprintf("%.2f a million spans, %.2f a GiB of logs", p.MillionSpans, p.GiBLogs)
	if p.GiBSpans > 0 {
		text += fmt.Sprintf(", %.2f a GiB of traces", p.GiBSpans)
	}
	return text
}
