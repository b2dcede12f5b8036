package report

import (
	"encoding/json"
	"io"

	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/volume"
)

// The JSON is for programs: its names are part of the tool's interface. A
// quantity that is not available is null.
type document struct {
	WindowSeconds float64  `json:"window_seconds"`
	WindowSource  string   `json:"window_source"`
	Prices        price    `json:"prices_usd"`
	Journeys      []record `json:"journeys"`
	Total         record   `json:"total"`
	MustKeep      []class  `json:"must_keep_classes"`
	Notes         []string `json:"notes"`
	Checks        []check  `json:"checks"`
}

type price struct {
	MillionSpans float64 `json:"million_spans"`
	GiBLogs      float64 `json:"gib_logs"`
	GiBSpans     float64 `json:"gib_spans"`
}

type record struct {
	Journey    string  `json:"journey"`
	Journeys   *amount `json:"journeys"`
	Spans      *amount `json:"spans"`
	SpanBytes  *amount `json:"span_bytes"`
	MustKeep   *amount `json:"must_keep"`
	LogRecords *amount `json:"log_records"`
	LogBytes   *amount `json:"log_bytes"`
	Cost       *money  `json:"usd_a_month"`
}

type amount struct {
	Received  int64 `json:"received"`
	Stored    int64 `json:"stored"`
	Estimated bool  `json:"estimated,omitempty"`
}

type money struct {
	Received float64 `json:"received"`
	Stored   float64 `json:"stored"`
	Saved    float64 `json:"saved"`
}

type class struct {
	Class  string `json:"class"`
	Exist  int64  `json:"exist"`
	Stored int64  `json:"stored_whole"`
}

type check struct {
	Passed bool   `json:"passed"`
	Text   string `json:"text"`
}

func writeJSON(w io.Writer, t volume.Table) error {
	doc := document{
		WindowSeconds: t.Window.Seconds(), WindowSource: t.WindowSource,
		Prices:   price{t.Prices.MillionSpans, t.Prices.GiBLogs, t.Prices.GiBSpans},
		Journeys: []record{}, Total: newRecord(t.Total, t.Window > 0),
		MustKeep: []class{}, Notes: t.Notes, Checks: []check{},
	}
	for _, row := range t.Rows {
		doc.Journeys = append(doc.Journeys, newRecord(row, t.Window > 0))
	}
	for _, c := range t.Classes {
		doc.MustKeep = append(doc.MustKeep, class{c.Name, c.Exist, c.Stored})
	}
	for _, c := range t.Checks {
		doc.Checks = append(doc.Checks, check{c.Passed, c.Text})
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(doc)
}

func newRecord(r volume.Row, priced bool) record {
	out := record{
		Journey: r.Journey, Journeys: newAmount(r.Journeys), Spans: newAmount(r.Spans),
		SpanBytes: newAmount(r.SpanBytes), MustKeep: newAmount(r.MustKeep),
		LogRecords: newAmount(r.LogRecords), LogBytes: newAmount(r.LogBytes),
	}
	if priced {
		out.Cost = &money{r.Cost.Received, r.Cost.Stored, r.Cost.Saved()}
	}
	return out
}

func newAmount(p volume.Pair) *amount {
	if !p.Known {
		return nil
	}
	return &amount{p.Received, p.Stored, p.Estimated}
}
