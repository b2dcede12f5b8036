package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/grid"
	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/volume"
)

// plot is one drawing, in units of its own width and height.
type plot struct {
	Title, Text   string
	Width, Height float64
	Bars          []bar
	Labels        []label
	Lines         []line
}

// bar is a rectangle; its class gives its colour.
type bar struct {
	X, Y, W, H float64
	Class      string
	Tip        string // shown on hovering; "" for none
}

type label struct {
	X, Y   float64
	Anchor string // start, middle or end
	Class  string
	Text   string
}

type line struct{ X1, Y1, X2, Y2 float64 }

const (
	plotWidth = 560.0
	rowHeight = 44.0
	barHeight = 12.0
	// mostRows is how many journeys a plot shows; the rest is one row.
	mostRows = 15

	columnsHeight = 200.0
	axisHeight    = 26.0
	headroom      = 22.0
)

func plots(t volume.Table) []plot {
	all := []plot{spansPlot(t)}
	if t.Window > 0 {
		all = append(all, moneyPlot(t))
	}
	if len(t.Moments) > 0 {
		all = append(all, momentsPlot(t.Moments))
	}
	if len(t.Bands) > 0 {
		all = append(all, bandsPlot(t.Bands))
	}
	if logs := logsPlot(t); len(logs.Bars) > 0 {
		all = append(all, logs)
	}
	if len(t.Classes) > 0 {
		all = append(all, classesPlot(t.Classes))
	}
	return all
}

// shareBar is a share as one bar.
func shareBar(share float64) plot {
	return plot{Width: 100, Height: 4, Bars: []bar{
		{W: 100, H: 4, Class: "received"}, {W: 100 * min(max(share, 0), 1), H: 4, Class: "stored"},
	}}
}

// measure is one row of a plot of bars.
type measure struct {
	name             string
	received, stored float64
	text             string
	class            string // of the stored part
}

// rows draws measures under each other: the received part behind, the stored
// part before it.
func rows(title, text string, all []measure) plot {
	p := plot{Title: title, Text: text, Width: plotWidth, Height: rowHeight * float64(len(all))}
	most := 0.0
	for _, m := range all {
		most = max(most, m.received, m.stored)
	}
	if most == 0 {
		most = 1
	}
	for i, m := range all {
		y := rowHeight * float64(i)
		p.Labels = append(
			p.Labels,
			label{X: 0, Y: y + 16, Anchor: "start", Class: "name", Text: grid.Name(m.name)},
			label{X: plotWidth, Y: y + 16, Anchor: "end", Class: "figure", Text: m.text})
		width := func(value float64) float64 { return max(value/most*plotWidth, 1.5) }
		if m.received > 0 {
			p.Bars = append(p.Bars, bar{Y: y + 24, W: width(m.received), H: barHeight, Class: "received"})
		}
		if m.stored > 0 {
			p.Bars = append(p.Bars, bar{Y: y + 24, W: width(m.stored), H: barHeight, Class: cmp.Or(m.class, "stored")})
		}
	}
	return p
}

// few are the first rows; those beyond mostRows are added up.
func few(all []volume.Row) []volume.Row {
	if len(all) <= mostRows {
		return all
	}
	rest := volume.Row{Journey: fmt.Sprintf("%d more", len(all)-mostRows+1)}
	for _, row := range all[mostRows-1:] {
		rest.Spans.Known = rest.Spans.Known || row.Spans.Known
		rest.Spans.Received += row.Spans.Received
		rest.Spans.Stored += row.Spans.Stored
		rest.LogRecords.Known = rest.LogRecords.Known || row.LogRecords.Known
		rest.LogRecords.Received += row.LogRecords.Received
		rest.LogRecords.Stored += row.LogRecords.Stored
		rest.Cost.Received += row.Cost.Received
		rest.Cost.Stored += row.Cost.Stored
	}
	return append(slices.Clone(all[:mostRows-1]), rest)
}

func spansPlot(t volume.Table) plot {
	var all []measure
	for _, row := range few(t.Rows) {
		if !row.Spans.Known {
			continue
		}
		all = append(all, measure{
			name: row.Journey, received: float64(row.Spans.Received), stored: float64(row.Spans.Stored),
			text: fmt.Sprintf("%s of %s, %.1f %%", grid.Count(row.Spans.Stored), grid.Count(row.Spans.Received), 100*row.Spans.Share()),
		})
	}
	return rows("Spans by journey", "stored, of those received", all)
}

func logsPlot(t volume.Table) plot {
	var all []measure
	for _, row := range few(t.Rows) {
		if !row.LogRecords.Known {
			continue
		}
		all = append(all, measure{
			name: row.Journey, received: float64(row.LogRecords.Received), stored: float64(row.LogRecords.Stored),
			text: fmt.Sprintf("%s of %s, %.1f %%", grid.Count(row.LogRecords.Stored), grid.Count(row.LogRecords.Received), 100*row.LogRecords.Share()),
		})
	}
	return rows("Log records by journey", "stored, of those received", all)
}

func moneyPlot(t volume.Table) plot {
	var all []measure
	for _, row := range few(t.Rows) {
		all = append(all, measure{
			name: row.Journey, received: row.Cost.Received, stored: row.Cost.Stored,
			text: fmt.Sprintf("$%s instead of $%s", grid.USD(row.Cost.Stored), grid.USD(row.Cost.Received)),
		})
	}
	slices.SortStableFunc(all, func(a, b measure) int { return cmp.Compare(b.received, a.received) })
	return rows("Cost a month by journey", "of what is stored, instead of everything", all)
}

func classesPlot(classes []volume.Class) plot {
	var all []measure
	for _, c := range classes {
		m := measure{
			name: c.Name, received: float64(c.Exist), stored: float64(c.Stored), class: "good",
			text: grid.Count(c.Stored) + " of " + grid.Count(c.Exist),
		}
		if c.Stored < c.Exist {
			m.class = "bad"
			m.text += ", lost: " + grid.Count(c.Exist-c.Stored)
		}
		all = append(all, m)
	}
	return rows("Journeys that must be kept", "stored with all of their spans, of those that exist", all)
}

// columns is a plot of columns beside each other, with nothing in it yet.
func columns(title, text string) plot {
	return plot{
		Title: title, Text: text, Width: plotWidth, Height: headroom + columnsHeight + axisHeight,
		Lines: []line{{0, headroom + columnsHeight, plotWidth, headroom + columnsHeight}},
	}
}

// column draws one of n columns: heights are from 0 to 1.
func (p *plot) column(i, n int, received, stored float64, tip string) (middle float64) {
	width := plotWidth / float64(n)
	gap := min(width/4, 6)
	draw := func(height float64, class string) {
		if height > 0 {
			h := max(height*columnsHeight, 1)
			p.Bars = append(p.Bars, bar{X: float64(i)*width + gap/2, Y: headroom + columnsHeight - h, W: width - gap, H: h, Class: class, Tip: tip})
		}
	}
	draw(received, "received")
	draw(stored, "stored")
	return (float64(i) + 0.5) * width
}

// ticks is how many times the axis of a plot over time shows.
const ticks = 6

func momentsPlot(all []volume.Moment) plot {
	p := columns("Journeys over time", "by when they began: stored, of those received")
	most := int64(1)
	for _, m := range all {
		most = max(most, m.Journeys.Received)
	}
	for i, m := range all {
		after := m.Begin.Sub(all[0].Begin).Round(100 * time.Millisecond)
		middle := p.column(i, len(all), float64(m.Journeys.Received)/float64(most), float64(m.Journeys.Stored)/float64(most),
			fmt.Sprintf("after %s: %s of %s stored", after, grid.Count(m.Journeys.Stored), grid.Count(m.Journeys.Received)))
		if i%(len(all)/ticks) == 0 {
			at := label{X: middle, Y: p.Height - 8, Anchor: "middle", Class: "axis", Text: "+" + short(after.Round(time.Second))}
			if i == 0 { // its middle is too near to the edge
				at.X, at.Anchor = 0, "start"
			}
			p.Labels = append(p.Labels, at)
		}
	}
	p.Labels = append(p.Labels, label{X: 0, Y: 14, Anchor: "start", Class: "axis", Text: grid.Count(most) + " journeys"})
	return p
}

// bandsPlot shows shares, because there are few long journeys and they are what
// it is about.
func bandsPlot(all []volume.Band) plot {
	p := columns("Journeys by duration", "share stored of those whose root span took up to so long, and how many there are")
	for i, b := range all {
		name, tip := "longer", "longer"
		if b.UpTo > 0 {
			name, tip = short(b.UpTo), "up to "+short(b.UpTo)
		}
		text := fmt.Sprintf("%s: %s of %s stored", tip, grid.Count(b.Journeys.Stored), grid.Count(b.Journeys.Received))
		exist := 0.0
		if b.Journeys.Received > 0 {
			exist = 1
		}
		middle := p.column(i, len(all), exist, b.Journeys.Share(), text)
		p.Labels = append(p.Labels, label{X: middle, Y: p.Height - 8, Anchor: "middle", Class: "axis", Text: name})
		if exist == 0 {
			continue
		}
		p.Labels = append(
			p.Labels, label{X: middle, Y: 14, Anchor: "middle", Class: "axis", Text: grid.Count(b.Journeys.Received)},
			shareLabel(middle, b.Journeys.Share()))
	}
	return p
}

// shareLabel writes a share above its column, or into one that is nearly full.
func shareLabel(middle, share float64) label {
	l := label{
		X: middle, Y: headroom + columnsHeight*(1-share) - 5, Anchor: "middle", Class: "share",
		Text: fmt.Sprintf("%.0f %%", math.Round(100*share)),
	}
	if share > 0.9 {
		l.Y, l.Class = l.Y+21, "inside"
	}
	return l
}
