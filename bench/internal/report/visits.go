package report

import (
	"fmt"
	"slices"
)

// Visits is what came of asking a collector's API during a run.
type Visits struct {
	Seconds  float64     `json:"seconds"`
	Statuses map[int]int `json:"statuses"` // answers, by HTTP status
	Answered int         `json:"answered"`
	Refused  int         `json:"refused"` // 503 and 429
	Failed   int         `json:"failed"`  // other errors, or no answer at all
	// Unasked is how many requests were not made when they were due, because
	// none of the connections was free.
	Unasked int `json:"unasked"`

	P50Seconds     float64 `json:"p50_seconds"`
	P99Seconds     float64 `json:"p99_seconds"`
	LongestSeconds float64 `json:"longest_seconds"`
}

// Visited writes what came of the spans while the API was asked, if it was in
// any run, and in the others beside them.
func Visited(p *Printer, runs []Run) {
	if !slices.ContainsFunc(runs, func(r Run) bool { return r.Visits != nil }) {
		return
	}
	p.Line("")
	p.Line("While the journeys API was asked, and beside it while it was not. Not asked is what was due while every connection waited for an answer.")
	p.Line("A trace that must be kept is late by the time from when its decision was due until its last span was out. The load itself pauses for %.2f s.", runs[0].LoadPauseSeconds)
	p.Line("Medians of the rounds (lowest–highest); counts are sums, and what is longest is that of all.")
	p.Line("")
	columns := []string{
		"system", "answers/s", "p50 ms", "p99 ms", "longest ms", "refused/s", "not asked/s", "failed",
		"spans sent", "received", "lost", "in no count", "refusals", "longest pause s", "slowest request s", "late p50 s", "p99 s", "most s",
	}
	p.Row(columns...)
	p.Rule(len(columns))
	for _, system := range systems(runs) {
		own := of(system, runs)
		p.Row(slices.Concat([]string{system}, visits(own), spans(own))...)
	}
}

// visits is the cells about the answers: dashes of a system that was not asked.
func visits(own []*Run) []string {
	failed := 0
	for _, r := range own {
		if r.Visits == nil {
			return slices.Repeat([]string{"–"}, 7)
		}
		failed += r.Visits.Failed
	}
	perSecond := func(of func(*Visits) int) string {
		return spread(own, "%.0f", func(r *Run) float64 { return float64(of(r.Visits)) / r.Visits.Seconds })
	}
	return []string{
		perSecond(func(v *Visits) int { return v.Answered }),
		spread(own, "%.2f", func(r *Run) float64 { return 1e3 * r.Visits.P50Seconds }),
		spread(own, "%.1f", func(r *Run) float64 { return 1e3 * r.Visits.P99Seconds }),
		fmt.Sprintf("%.1f", slices.Max(values(own, func(r *Run) float64 { return 1e3 * r.Visits.LongestSeconds }))),
		perSecond(func(v *Visits) int { return v.Refused }), perSecond(func(v *Visits) int { return v.Unasked }), fmt.Sprint(failed),
	}
}

// spans is the cells about what became of them.
func spans(own []*Run) []string {
	sent, refusals, received, lost, missing, counted := 0, 0, 0.0, 0.0, 0.0, true
	for _, r := range own {
		sent, refusals = sent+r.SpansIn, refusals+r.Refused
		if r.Counts == nil {
			counted = false
			continue
		}
		received, lost, missing = received+r.Counts.Received, lost+r.Counts.Lost, missing+r.Counts.Missing()
	}
	cells := []string{fmt.Sprint(sent), "–", "–", "–"}
	if counted {
		cells = []string{fmt.Sprint(sent), fmt.Sprintf("%.0f", received), fmt.Sprintf("%.0f", lost), fmt.Sprintf("%.0f", missing)}
	}
	return append(cells, fmt.Sprint(refusals),
		fmt.Sprintf("%.2f", slices.Max(values(own, func(r *Run) float64 { return r.PauseSeconds }))),
		fmt.Sprintf("%.2f", slices.Max(values(own, func(r *Run) float64 { return r.SlowestSeconds }))),
		spread(own, "%.2f", func(r *Run) float64 { return r.LateP50Seconds }),
		spread(own, "%.2f", func(r *Run) float64 { return r.LateP99Seconds }),
		fmt.Sprintf("%.2f", slices.Max(values(own, func(r *Run) float64 { return r.LateSeconds }))))
}
