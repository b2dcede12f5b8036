// Package page writes a volume.Table as one HTML file with plots: no script, no
// network, light and dark, so that it opens from disk and can be sent around.
package page

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/grid"
	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/report"
	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/volume"
)

//go:embed page.html
var page string

//go:embed page.css
var style string

var pageTemplate = template.Must(template.New("page").Parse(page))

// document is what the template shows.
type document struct {
	Style    template.CSS
	Made     string
	Window   string
	Failed   int // checks
	Tiles    []tile
	Plots    []plot
	Head     []string
	Lines    [][]string // the last is the total
	Checks   []volume.Check
	Notes    []string
	Prices   string
	HasMoney bool
}

// tile is one of the figures at the top.
type tile struct {
	Title, Figure, Unit, Text string
	Share                     *plot // a bar; nil for none
	Good, Bad                 bool
}

// Write writes the page. Names in the table come from spans, and so from
// anybody: they are cleaned and escaped.
func Write(w io.Writer, t volume.Table, made time.Time) error {
	d := document{
		Style: template.CSS(style), //nolint:gosec // embedded
		Made:  made.UTC().Format("2006-01-02 15:04 MST"), HasMoney: t.Window > 0,
		Tiles: tiles(t), Plots: plots(t),
		Prices: report.Prices(t.Prices),
	}
	if t.Window > 0 {
		d.Window = fmt.Sprintf("%s measured, %s", t.Window.Round(100*time.Millisecond), t.WindowSource)
	}
	for _, note := range t.Notes {
		d.Notes = append(d.Notes, grid.Clean(note))
	}
	for _, check := range t.Checks {
		check.Text = grid.Clean(check.Text)
		d.Checks = append(d.Checks, check)
		if !check.Passed {
			d.Failed++
		}
	}
	lines := report.Cells(t)
	d.Head, d.Lines = lines[0], lines[1:]
	if err := pageTemplate.Execute(w, d); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

func tiles(t volume.Table) []tile {
	all := []tile{shareTile("Spans stored", t.Total.Spans, grid.Count)}
	if t.Total.SpanBytes.Known {
		all = append(all, shareTile("Trace bytes stored", t.Total.SpanBytes, grid.Size))
	}
	if t.Total.LogRecords.Known {
		all = append(all, shareTile("Log records stored", t.Total.LogRecords, grid.Count))
	}
	if must := t.Total.MustKeep; must.Known {
		whole := tile{
			Title: "Must keep, stored whole", Figure: grid.Count(must.Stored), Unit: "of " + grid.Count(must.Received),
			Good: must.Stored == must.Received, Bad: must.Stored < must.Received, Text: "none is lost",
		}
		if whole.Bad {
			whole.Text = grid.Count(must.Received-must.Stored) + " are not stored whole"
		}
		all = append(all, whole)
	}
	if t.Window > 0 {
		cost := t.Total.Cost
		all = append(all, tile{
			Title: "Saved", Figure: "$" + grid.USD(cost.Saved()), Unit: "a month", Good: cost.Saved() > 0,
			Text: fmt.Sprintf("$%s instead of $%s", grid.USD(cost.Stored), grid.USD(cost.Received)),
		})
	}
	return all
}

func shareTile(title string, p volume.Pair, number func(int64) string) tile {
	bar := shareBar(p.Share())
	return tile{
		Title: title, Figure: number(p.Stored), Share: &bar,
		Text: fmt.Sprintf("%.1f %% of %s received", 100*p.Share(), number(p.Received)),
	}
}

// short is a duration as an axis has it.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = strings.TrimSuffix(text, zero[1:])
		}
	}
	return text
}
