package page

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/cost"
	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/volume"
)

var update = flag.Bool("update", false, "write the golden file anew")

var made = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

func known(received, stored int64) volume.Pair {
	return volume.Pair{Received: received, Stored: stored, Known: true}
}

func table() volume.Table {
	t := volume.Table{
		Rows: []volume.Row{
			{
				Journey: "checkout", Journeys: known(720, 96), Spans: known(12345, 1600), SpanBytes: known(7_000_000, 900_000),
				MustKeep: known(30, 30), LogRecords: known(4300, 560), LogBytes: known(1_600_000, 210_000), Cost: volume.Money{Received: 1432.10, Stored: 212.5},
			},
			{Journey: "gift card", Journeys: known(24, 24), Spans: known(192, 192), MustKeep: known(24, 23), Cost: volume.Money{Received: 2.84, Stored: 2.93}},
			{Journey: "(no known trace)", LogRecords: known(9, 9), LogBytes: known(900, 900), Cost: volume.Money{Received: 0.23, Stored: 0.23}},
		},
		Total: volume.Row{
			Journey: "total", Journeys: known(744, 120), Spans: known(12537, 1792), SpanBytes: known(7_100_000, 950_000), MustKeep: known(54, 53),
			LogRecords: known(4309, 569), LogBytes: known(1_600_900, 210_900), Cost: volume.Money{Received: 1435.17, Stored: 215.66},
		},
		Classes: []volume.Class{{Name: "failed", Exist: 30, Stored: 30}, {Name: "gift card", Exist: 24, Stored: 23}},
		Window:  time.Minute, WindowSource: "as given", Prices: cost.Prices{MillionSpans: 0.2, GiBLogs: 0.5},
		Notes: []string{"trace bytes are what the Jaegers gave Badger to write"},
		Checks: []volume.Check{
			{Passed: true, Text: "spans: received 12537 = kept 1792 + dropped 10745"},
			{Text: "1 of 54 journeys that have to be kept are not stored whole"},
		},
	}
	for i := range 60 {
		t.Moments = append(t.Moments, volume.Moment{Begin: made.Add(time.Duration(i) * time.Second), Journeys: known(int64(8+i%7), int64(i%3))})
	}
	for i, d := range []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second, 0} {
		t.Bands = append(t.Bands, volume.Band{UpTo: d, Journeys: known(int64(1000/(i+1)), int64(80*i))})
	}
	return t
}

func written(t *testing.T, table volume.Table) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Write(&b, table, made))
	return b.String()
}

func TestGolden(t *testing.T) {
	path := filepath.Join("testdata", "page.golden.html")
	got := written(t, table())
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run with -update to accept")
}

// Every figure of the table is on the page.
func TestThePageHasEveryFigure(t *testing.T) {
	got := written(t, table())
	for _, want := range []string{
		"1,600 / 12,345", "0.9 / 6.7 MiB", "30 / 30", "560 / 4,300", "212.50 / 1,432", "23 of 24", "lost: 1", "$1,220",
		"1,600 of 12,345, 13.0 %", "1 of 2 checks did not pass", "WRONG", "received 12537 = kept 1792",
	} {
		require.Contains(t, got, want)
	}
	require.Equal(t, 6, strings.Count(got, "<figure>"))
}

func TestThePageAsksForNothing(t *testing.T) {
	got := written(t, table())
	for _, not := range []string{"<script", "<link", "<img", "http://", "https://", "url(", "@import", "javascript:"} {
		require.NotContains(t, got, not)
	}
	require.Contains(t, got, `content="default-src 'none'; style-src 'unsafe-inline'"`)
}

// Names come from spans, and so from anybody.
func TestHostileNamesAreShownHarmlessly(t *testing.T) {
	hostile := []string{
		`<script>alert(1)</script>`, `"><svg onload=alert(1)>`, "]]>\x00\x1b[2J", "\u202etxt.exe", strings.Repeat("名", 10_000), "{{.Style}}",
	}
	var all volume.Table
	all.Total.Spans = known(10, 1)
	for _, name := range hostile {
		all.Rows = append(all.Rows, volume.Row{Journey: name, Spans: known(10, 1)})
		all.Classes = append(all.Classes, volume.Class{Name: name, Exist: 1})
		all.Notes = append(all.Notes, name)
		all.Checks = append(all.Checks, volume.Check{Text: name})
	}
	got := written(t, all)
	require.NotContains(t, got, "<script")
	require.NotContains(t, got, "<svg onload")
	require.Contains(t, got, "&lt;script&gt;")
	require.Contains(t, got, "{{.Style}}")
	requireWellFormed(t, got)
}

func TestNothingKnownIsAPage(t *testing.T) {
	requireWellFormed(t, written(t, volume.Table{Total: volume.Row{Journey: "total"}}))
	requireWellFormed(t, written(t, table()))
}

func TestManyJourneysAreAddedUp(t *testing.T) {
	var all volume.Table
	for i := range 500 {
		all.Rows = append(all.Rows, volume.Row{Journey: fmt.Sprint("journey ", i), Spans: known(10, 1)})
	}
	p := spansPlot(all)
	require.Len(t, p.Labels, 2*mostRows)
	require.Equal(t, "486 more", p.Labels[2*mostRows-2].Text)
	require.Equal(t, "486 of 4,860, 10.0 %", p.Labels[2*mostRows-1].Text)
}

// Nothing is drawn outside of its plot.
func TestPlotsKeepWithinTheirBounds(t *testing.T) {
	for _, p := range plots(table()) {
		for _, b := range p.Bars {
			require.GreaterOrEqual(t, b.X, 0.0, p.Title)
			require.GreaterOrEqual(t, b.Y, 0.0, p.Title)
			require.LessOrEqual(t, b.X+b.W, p.Width+1e-9, p.Title)
			require.LessOrEqual(t, b.Y+b.H, p.Height+1e-9, p.Title)
		}
		for _, l := range p.Labels {
			require.True(t, l.Y > 0 && l.Y <= p.Height && l.X >= 0 && l.X <= p.Width, "%s: %+v", p.Title, l)
		}
	}
}

// requireWellFormed reads the page as XML with HTML's void elements.
func requireWellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(strings.Replace(text, "<!DOCTYPE html>", "", 1)))
	d.Strict, d.AutoClose, d.Entity = true, []string{"meta"}, xml.HTMLEntity
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			require.NoError(t, err)
		}
	}
}
