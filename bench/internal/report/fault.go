package report

import (
	"fmt"
	"time"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/verdict"
)

// Fault is one run of one system with a fault in the middle.
type Fault struct {
	Fault  string    `json:"fault"`
	System string    `json:"system"`
	Round  int       `json:"round"`
	Begun  time.Time `json:"begun"`

	SpansSent     int   `json:"spans_sent"`
	SpansAccepted int   `json:"spans_accepted"` // acknowledged by the collector
	SpansOut      int64 `json:"spans_out"`
	Doubled       int64 `json:"spans_doubled"` // of all that came out
	Refused       int   `json:"refused"`
	verdict.Kept

	PeakBytes      int64   `json:"peak_rss_bytes"` // of all processes, one after the other
	FaultSeconds   float64 `json:"fault_seconds"`  // how long it lasted: for a restart, until the collector was ready
	BehindSeconds  float64 `json:"behind_seconds"`
	BacklogSeconds float64 `json:"backlog_seconds"` // from the end of the fault until nothing came later than usual
}

// Faults writes a table with a line for each fault and system.
func Faults(p *Printer, h *Header, faults, systems []string, runs []Fault) {
	p.Line("Sent at %d spans/s by a sender that sends again what is refused; the fault is in the middle. Sums of %d rounds; the highest peak and the longest times.",
		h.PerSecond, h.Rounds)
	p.Line("")
	columns := []string{
		"fault", "system", "spans sent", "acknowledged", "out", "doubled",
		"must-keep traces not whole", "their spans missing", "peak RSS MiB", "refusals", "fault lasted s", "backlog out after s",
	}
	p.Row(columns...)
	p.Rule(len(columns))
	for _, fault := range faults {
		for _, system := range systems {
			if sum, n := sumOf(runs, fault, system); n > 0 {
				p.Row(fault, system, fmt.Sprint(sum.SpansSent), fmt.Sprint(sum.SpansAccepted), fmt.Sprint(sum.SpansOut), fmt.Sprint(sum.Doubled),
					fmt.Sprintf("%d of %d", sum.Torn, sum.Traces), fmt.Sprint(sum.MissingSpans), fmt.Sprintf("%.0f", mib(sum.PeakBytes)),
					fmt.Sprint(sum.Refused), fmt.Sprintf("%.1f", sum.FaultSeconds), fmt.Sprintf("%.1f", sum.BacklogSeconds))
			}
		}
	}
}

// sumOf adds up the rounds of one fault and system, and says how many there are.
func sumOf(runs []Fault, fault, system string) (sum Fault, n int) {
	for i := range runs {
		r := &runs[i]
		if r.Fault != fault || r.System != system {
			continue
		}
		n++
		sum.SpansSent += r.SpansSent
		sum.SpansAccepted += r.SpansAccepted
		sum.SpansOut += r.SpansOut
		sum.Doubled += r.Doubled
		sum.Refused += r.Refused
		sum.Traces += r.Traces
		sum.Torn += r.Torn
		sum.MissingSpans += r.MissingSpans
		sum.PeakBytes = max(sum.PeakBytes, r.PeakBytes)
		sum.FaultSeconds = max(sum.FaultSeconds, r.FaultSeconds)
		sum.BacklogSeconds = max(sum.BacklogSeconds, r.BacklogSeconds)
	}
	return sum, n
}
