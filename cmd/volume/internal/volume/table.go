package volume

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/cost"
	"github.com/otelcol-journey/otelcol-journey/cmd/internal/truth"
)

// Pair is one quantity on both sides.
type Pair struct {
	Received, Stored int64
	Known            bool
	// Estimated marks a share of a total rather than something counted.
	Estimated bool
}

// Share is the stored part of what was received, 0 to 1.
func (p Pair) Share() float64 {
	if p.Received == 0 {
		return 0
	}
	return float64(p.Stored) / float64(p.Received)
}

// Money is in USD a month.
type Money struct{ Received, Stored float64 }

// Saved is what is not stored.
func (m Money) Saved() float64 { return m.Received - m.Stored }

// Row is one journey, or the total.
type Row struct {
	Journey         string
	Journeys, Spans Pair
	SpanBytes       Pair
	// MustKeep counts journeys that have to be kept: Received those that exist,
	// Stored those that are stored with all their spans.
	MustKeep             Pair
	LogRecords, LogBytes Pair
	Cost                 Money
}

// Class is one kind of journey that has to be kept.
type Class struct {
	Name          string
	Exist, Stored int64 // Stored: with all their spans
}

// Table is the result.
type Table struct {
	Rows    []Row // by spans received, most first
	Total   Row
	Classes []Class // from the truth; empty without one
	// Moments and Bands are the journeys over time and by duration; none (nil)
	// if not every trace was read.
	Moments []Moment
	Bands   []Band
	// Window is the time that was measured and WindowSource says how it is known.
	Window       time.Duration
	WindowSource string
	Prices       cost.Prices
	// Notes say what the figures leave out and where they come from.
	Notes []string
	// Checks are all comparisons of one source with another.
	Checks []Check
}

// Judge makes the table of a reading.
func Judge(r Reading, prices cost.Prices) Table {
	j := newJudge(r)
	t := Table{Prices: prices}
	t.Window, t.WindowSource = j.window()
	rows := j.rows()
	t.Total = j.total(rows)
	for name, row := range rows {
		row.Journey = name
		row.SpanBytes = shareOut(t.Total.SpanBytes, row.Spans, t.Total.Spans)
		row.SpanBytes.Known = row.SpanBytes.Known && row.Spans.Known
		row.Cost = monthly(*row, prices, t.Window)
		t.Rows = append(t.Rows, *row)
	}
	slices.SortFunc(t.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Spans.Received, a.Spans.Received), cmp.Compare(a.Journey, b.Journey))
	})
	t.Total.Cost = monthly(t.Total, prices, t.Window)
	t.Classes = j.classes()
	t.Moments, t.Bands = j.moments(), j.bands()
	t.Notes = j.notes(t)
	t.Checks = j.checks()
	return t
}

// shareOut gives a journey its part of the bytes by its part of the spans:
// neither Jaeger nor the collector counts bytes by journey.
func shareOut(bytes, spans, allSpans Pair) Pair {
	part := func(total, n, of int64) int64 {
		if of == 0 {
			return 0
		}
		return int64(float64(total) * float64(n) / float64(of))
	}
	return Pair{
		Received:  part(bytes.Received, spans.Received, allSpans.Received),
		Stored:    part(bytes.Stored, spans.Stored, allSpans.Stored),
		Known:     bytes.Known,
		Estimated: true,
	}
}

func monthly(row Row, prices cost.Prices, window time.Duration) Money {
	return Money{
		Received: prices.Monthly(cost.Amount{Spans: row.Spans.Received, SpanBytes: row.SpanBytes.Received, LogBytes: row.LogBytes.Received}, window),
		Stored:   prices.Monthly(cost.Amount{Spans: row.Spans.Stored, SpanBytes: row.SpanBytes.Stored, LogBytes: row.LogBytes.Stored}, window),
	}
}

// rows counts every trace, span and log record under its journey's name.
func (j *judge) rows() map[string]*Row {
	rows := map[string]*Row{}
	row := func(name string) *Row {
		if rows[name] == nil {
			rows[name] = &Row{}
		}
		return rows[name]
	}
	if j.All != nil {
		for id, t := range j.All.Traces {
			r := row(j.name(id))
			r.Journeys.Received++
			r.Spans.Received += int64(len(t.Spans))
		}
	} else {
		for name, pair := range j.Collector.Journeys {
			row(name).Journeys.Received += pair.Received
		}
		for name, pair := range j.Collector.JourneySpans {
			row(name).Spans.Received += pair.Received
		}
	}
	for id, t := range j.Kept.Traces {
		r := row(j.name(id))
		r.Journeys.Stored++
		r.Spans.Stored += int64(len(t.Spans))
	}
	for _, m := range j.mustKeep {
		r := row(m.journey)
		r.MustKeep.Received++
		if m.whole {
			r.MustKeep.Stored++
		}
	}
	j.addLogs(row)
	for name, r := range rows {
		if name != noTrace {
			r.Journeys.Known, r.Spans.Known, r.MustKeep.Known = true, true, j.mustKeepKnown()
		}
	}
	return rows
}

// noTrace is the row of log records that belong to no trace that was read.
const noTrace = "(no known trace)"

func (j *judge) addLogs(row func(string) *Row) {
	if j.AllLogs == nil || j.KeptLogs == nil {
		return
	}
	logRow := func(id string) *Row {
		r := row(j.name(id))
		r.LogRecords.Known, r.LogBytes.Known = true, true
		return r
	}
	for id, v := range j.AllLogs.ByTrace {
		r := logRow(id)
		r.LogRecords.Received += v.Records
		r.LogBytes.Received += v.Bytes
	}
	for id, v := range j.KeptLogs.ByTrace {
		r := logRow(id)
		r.LogRecords.Stored += v.Records
		r.LogBytes.Stored += v.Bytes
	}
}

// total adds the rows up and then prefers what a Jaeger or the collector
// counted itself to what could be read trace by trace.
func (j *judge) total(rows map[string]*Row) Row {
	total := Row{Journey: "total"}
	total.Journeys.Known, total.Spans.Known, total.MustKeep.Known = true, true, j.mustKeepKnown()
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		r := rows[name]
		add(&total.Journeys, r.Journeys)
		add(&total.Spans, r.Spans)
		add(&total.MustKeep, r.MustKeep)
		add(&total.LogRecords, r.LogRecords)
		add(&total.LogBytes, r.LogBytes)
	}
	total.Spans.Stored = j.Kept.Spans.or(total.Spans.Stored)
	if j.All != nil {
		total.Spans.Received = j.All.Spans.or(total.Spans.Received)
	} else {
		total.Spans.Received = j.Collector.Spans.Received.or(total.Spans.Received)
	}
	total.SpanBytes, _ = j.spanBytes()
	if !total.LogRecords.Known && j.Collector != nil && j.Collector.LogRecords.Received.Known {
		f := j.Collector.LogRecords
		total.LogRecords = Pair{Received: f.Received.N, Stored: f.Kept.N, Known: true}
		total.LogBytes = j.Collector.LogBytes
	}
	return total
}

func add(sum *Pair, p Pair) {
	sum.Received += p.Received
	sum.Stored += p.Stored
	sum.Known = sum.Known || p.Known
}

func (c Count) or(fallback int64) int64 {
	if c.Known {
		return c.N
	}
	return fallback
}

// spanBytes takes both sides from one kind of source, because a stored byte of
// Badger and a byte of OTLP are not the same thing.
func (j *judge) spanBytes() (Pair, string) {
	if j.All != nil && j.All.Bytes.Known && j.Kept.Bytes.Known {
		return Pair{Received: j.All.Bytes.N, Stored: j.Kept.Bytes.N, Known: true},
			"trace bytes are what the Jaegers gave Badger to write"
	}
	if j.Collector != nil && j.Collector.SpanBytes.Known {
		return j.Collector.SpanBytes, "trace bytes are OTLP bytes as the journey processor counted them"
	}
	return Pair{}, "trace bytes are not available: neither both Jaegers' Badger metrics nor a collector's were given"
}

// window is the time that was measured, and where that is known from.
func (j *judge) window() (time.Duration, string) {
	if j.Window > 0 {
		return j.Window, "as given"
	}
	if j.Truth != nil && len(j.Truth.Entries) > 0 {
		last := slices.MaxFunc(j.Truth.Entries, func(a, b truth.Entry) int { return a.At.Compare(b.At) })
		return last.At.Sub(j.Truth.Started), "from the truth's start to its last journey"
	}
	if j.All == nil && j.Collector.Uptime > 0 {
		return j.Collector.Uptime, "since the collector started"
	}
	store := &j.Kept
	if j.All != nil {
		store = j.All
	}
	return store.extent(), fmt.Sprintf("from the first to the last journey in %s", store.URL)
}

// extent is the time between the first and the last trace's start.
func (s *Store) extent() time.Duration {
	var first, last time.Time
	for _, t := range s.Traces {
		if first.IsZero() || t.Start.Before(first) {
			first = t.Start
		}
		if t.Start.After(last) {
			last = t.Start
		}
	}
	return last.Sub(first)
}
