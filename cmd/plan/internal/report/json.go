package report

import (
	"encoding/json"
	"io"
	"time"

	"github.com/otelcol-journey/otelcol-journey/cmd/plan/internal/plan"
)

// The JSON is for programs: its names are part of the tool's interface.
type document struct {
	Recording recorded `json:"recording"`
	Prices    price    `json:"prices_usd"`
	With      side     `json:"with"`
	Against   *side    `json:"against"`
	Changes   []change `json:"changes"`
	Truth     truth    `json:"truth"`
	Notes     []string `json:"notes"`
	Checks    []check  `json:"checks"`
}

type recorded struct {
	First         time.Time `json:"first"`
	Last          time.Time `json:"last"`
	WindowSeconds float64   `json:"window_seconds"`
	Batches       int       `json:"batches"`
	Spans         int64     `json:"spans"`
	LogRecords    int64     `json:"log_records"`
	OTLPBytes     int64     `json:"otlp_bytes"`
}

type price struct {
	MillionSpans float64 `json:"million_spans"`
	GiBLogs      float64 `json:"gib_logs"`
	GiBSpans     float64 `json:"gib_spans"`
}

type side struct {
	Name      string `json:"config"`
	Rows      []row  `json:"rows"`
	Rest      pair   `json:"late_or_kept_in_any_case"`
	Total     pair   `json:"total"`
	OTLPBytes int64  `json:"otlp_bytes"`
	Cost      money  `json:"usd_a_month"`
	Losses    []loss `json:"expected"`
	Early     int64  `json:"decided_early"`
	Thinned   int64  `json:"thinned_journeys"`
	Upgraded  int64  `json:"late_upgrades"`
	Refused   int64  `json:"refused_records"`
}

type row struct {
	Journey string `json:"journey"`
	Rule    string `json:"rule"`
	pair
	Cost money `json:"usd_a_month"`
}

type pair struct {
	Received amount `json:"received"`
	Kept     amount `json:"kept"`
}

type amount struct {
	Journeys   int64 `json:"journeys"`
	Spans      int64 `json:"spans"`
	SpanBytes  int64 `json:"span_bytes"`
	LogRecords int64 `json:"log_records"`
	LogBytes   int64 `json:"log_bytes"`
}

type money struct {
	Received float64 `json:"received"`
	Kept     float64 `json:"kept"`
}

type loss struct {
	Kind     string    `json:"kind"`
	Exist    int64     `json:"exist"`
	Dropped  int64     `json:"dropped"`
	Examples []example `json:"examples"`
}

type example struct {
	TraceID string `json:"trace_id"`
	Journey string `json:"journey"`
	Rule    string `json:"rule"`
}

type change struct {
	Journey     string `json:"journey"`
	Against     pair   `json:"against"`
	With        pair   `json:"with"`
	Both        int64  `json:"kept_by_both"`
	OnlyAgainst int64  `json:"kept_by_against_only"`
	OnlyWith    int64  `json:"kept_by_with_only"`
	Neither     int64  `json:"kept_by_neither"`
}

type truth struct {
	MustKeep int64 `json:"must_keep"`
	Missing  int64 `json:"not_in_recording"`
}

type check struct {
	Passed bool   `json:"passed"`
	Text   string `json:"text"`
}

func (p *printer) writeJSON(w io.Writer) error {
	r := p.result
	doc := document{
		Recording: recorded{
			First: r.First, Last: r.Last, WindowSeconds: r.Window.Seconds(), Batches: r.Batches,
			Spans: r.Spans, LogRecords: r.LogRecords, OTLPBytes: r.ReceivedBytes,
		},
		Prices: price{r.Prices.MillionSpans, r.Prices.GiBLogs, r.Prices.GiBSpans},
		With:   newSide(&r.With), Truth: truth{r.TruthJourneys, r.TruthMissing},
		Changes: []change{}, Notes: r.Notes, Checks: []check{},
	}
	if r.Against != nil {
		against := newSide(r.Against)
		doc.Against = &against
	}
	for _, c := range r.Changes {
		doc.Changes = append(doc.Changes, change{c.Journey, newPair(c.Against), newPair(c.With), c.Both, c.OnlyAgainst, c.OnlyWith, c.Neither})
	}
	for _, c := range p.checks {
		doc.Checks = append(doc.Checks, check{c.Passed, c.Text})
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(doc)
}

func newSide(s *plan.Side) side {
	out := side{
		Name: s.Name, Rows: []row{}, Rest: newPair(s.Rest), Total: newPair(s.Total), OTLPBytes: s.SentBytes,
		Cost: money(s.Cost), Losses: []loss{}, Early: s.Early, Thinned: s.Thinned, Upgraded: s.Upgraded, Refused: s.Refused,
	}
	for _, r := range s.Rows {
		out.Rows = append(out.Rows, row{r.Journey, r.Rule, newPair(r.Pair), money(r.Cost)})
	}
	for _, l := range s.Losses {
		examples := []example{}
		for _, e := range l.Examples {
			examples = append(examples, example(e))
		}
		out.Losses = append(out.Losses, loss{string(l.Kind), l.Exist, l.Dropped, examples})
	}
	return out
}

func newPair(p plan.Pair) pair { return pair{amount(p.Received), amount(p.Kept)} }
