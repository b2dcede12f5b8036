// Package report prints a plan for people and for programs.
package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/grid"
	"github.com/otelcol-journey/otelcol-journey/cmd/plan/internal/plan"
)

// Formats are the values of -format.
var Formats = []string{"table", "markdown", "json"}

// Write prints a plan, and what it was held against, in one of Formats.
func Write(w io.Writer, format string, r *plan.Result, checks []plan.Checked) error {
	p := printer{result: r, checks: checks}
	switch format {
	case "json":
		return p.writeJSON(w)
	case "markdown":
		p.table, p.bullet, p.title = grid.Markdown, "- ", "### %s\n\n"
	case "table":
		p.table, p.bullet, p.title = grid.Aligned, "  ", "%s\n\n"
	default:
		return fmt.Errorf("format must be one of %s, got %q", strings.Join(Formats, ", "), format)
	}
	p.all()
	_, err := io.WriteString(w, p.text.String())
	return err
}

type printer struct {
	result        *plan.Result
	checks        []plan.Checked
	table         func(lines [][]string, names int) string
	bullet, title string
	text          strings.Builder
}

func (p *printer) heading(format string, args ...any) {
	fmt.Fprintf(&p.text, p.title, fmt.Sprintf(format, args...))
}

func (p *printer) line(format string, args ...any) {
	p.text.WriteString(p.bullet + fmt.Sprintf(format, args...) + "\n")
}

func (p *printer) all() {
	r := p.result
	p.heading("%s recorded: %s spans and %s log records in %s batches, %s",
		r.Last.Sub(r.First).Round(100*time.Millisecond), grid.Count(r.Spans), grid.Count(r.LogRecords), grid.Count(int64(r.Batches)), grid.Size(r.ReceivedBytes))
	p.side(&r.With)
	if r.Against != nil {
		p.side(r.Against)
		p.changes()
	}
	for _, note := range r.Notes {
		p.line("%s", note)
	}
	if r.Window > 0 {
		p.line("a month is 730 hours like these %s, at USD %.2f a million spans, %.2f a GiB of traces, %.2f a GiB of logs",
			r.Window.Round(100*time.Millisecond), r.Prices.MillionSpans, r.Prices.GiBSpans, r.Prices.GiBLogs)
	}
	for _, c := range p.checks {
		mark := "ok   "
		if !c.Passed {
			mark = "WRONG"
		}
		p.line("%s %s", mark, c.Text)
	}
}

var sideHead = []string{"journey", "rule", "journeys", "spans", "share", "trace bytes", "log records", "log bytes", "USD a month"}

// side is what one configuration keeps, by journey and rule.
func (p *printer) side(s *plan.Side) {
	p.heading("%s keeps / receives", s.Name)
	lines := [][]string{sideHead}
	journey := ""
	for i, row := range s.Rows {
		name := grid.Name(row.Journey)
		if i > 0 && row.Journey == journey {
			name = ""
		}
		journey = row.Journey
		lines = append(lines, cells(name, grid.Name(row.Rule), row.Pair, row.Cost))
	}
	if s.Rest != (plan.Pair{}) {
		rest := s.Rest
		lines = append(lines, cells("(late, or kept in any case)", "", rest, plan.Money{}))
		lines[len(lines)-1][len(sideHead)-1] = ""
	}
	lines = append(lines, cells("total", "", s.Total, s.Cost))
	p.text.WriteString(p.table(lines, 2) + "\n")
	var lost []string
	for _, loss := range s.Losses {
		lost = append(lost, fmt.Sprintf("%s %s/%s", loss.Kind.Words(), grid.Count(loss.Dropped), grid.Count(loss.Exist)))
	}
	if len(lost) > 0 {
		p.line("journeys dropped / that exist: %s", strings.Join(lost, ", "))
	}
	p.line("sent on: %s as OTLP; dropped for the budget or for want of memory: %s journeys; brought back by a late error: %s",
		grid.Size(s.SentBytes), grid.Count(s.Thinned), grid.Count(s.Upgraded))
	p.text.WriteString("\n")
}

func cells(journey, rule string, p plan.Pair, money plan.Money) []string {
	share := ""
	if p.Received.Spans > 0 {
		share = fmt.Sprintf("%.1f %%", 100*p.Share())
	}
	return []string{
		journey, rule, counts(p.Kept.Journeys, p.Received.Journeys), counts(p.Kept.Spans, p.Received.Spans), share,
		sizes(p.Kept.SpanBytes, p.Received.SpanBytes), counts(p.Kept.LogRecords, p.Received.LogRecords),
		sizes(p.Kept.LogBytes, p.Received.LogBytes), grid.USD(money.Kept) + " / " + grid.USD(money.Received),
	}
}

func counts(kept, received int64) string {
	if kept == 0 && received == 0 {
		return ""
	}
	return grid.Count(kept) + " / " + grid.Count(received)
}

func sizes(kept, received int64) string {
	if kept == 0 && received == 0 {
		return ""
	}
	return grid.Sizes(kept, received)
}

// changes is what becomes different.
func (p *printer) changes() {
	r := p.result
	p.heading("from %s to %s", r.Against.Name, r.With.Name)
	lines := [][]string{{"journey", "journeys kept", "difference", "spans kept", "difference", "no longer kept", "newly kept"}}
	var total plan.Change
	for i := range r.Changes {
		c := &r.Changes[i]
		lines = append(lines, changeCells(grid.Name(c.Journey), c))
		total.Against.Kept.Journeys += c.Against.Kept.Journeys
		total.With.Kept.Journeys += c.With.Kept.Journeys
		total.OnlyAgainst += c.OnlyAgainst
		total.OnlyWith += c.OnlyWith
	}
	total.Against.Kept.Spans, total.With.Kept.Spans = r.Against.Total.Kept.Spans, r.With.Total.Kept.Spans
	lines = append(lines, changeCells("total, with what comes late", &total))
	p.text.WriteString(p.table(lines, 1) + "\n")
	p.line("sent on: %s, %s; USD a month: %s, %s",
		grid.Size(r.With.SentBytes), signed(r.With.SentBytes-r.Against.SentBytes)+" bytes",
		grid.USD(r.With.Cost.Kept), signedUSD(r.With.Cost.Kept-r.Against.Cost.Kept))
	p.text.WriteString("\n")
}

func changeCells(name string, c *plan.Change) []string {
	return []string{
		name,
		grid.Count(c.Against.Kept.Journeys) + " → " + grid.Count(c.With.Kept.Journeys),
		signed(c.With.Kept.Journeys - c.Against.Kept.Journeys),
		grid.Count(c.Against.Kept.Spans) + " → " + grid.Count(c.With.Kept.Spans),
		signed(c.With.Kept.Spans - c.Against.Kept.Spans),
		grid.Count(c.OnlyAgainst), grid.Count(c.OnlyWith),
	}
}

func signed(n int64) string {
	if n > 0 {
		return "+" + grid.Count(n)
	}
	return grid.Count(n)
}

func signedUSD(amount float64) string {
	if amount > 0 {
		return "+" + grid.USD(amount)
	}
	return grid.USD(amount)
}
