package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/verdict"
)

// Run is one system's measurement in one round: a line of the raw results.
type Run struct {
	System string    `json:"system"`
	Round  int       `json:"round"`
	Begun  time.Time `json:"begun"`

	SpansIn  int   `json:"spans_in"`
	SpansOut int64 `json:"spans_out"`
	BytesOut int64 `json:"bytes_out"`
	Refused  int   `json:"refused"` // answers that asked the sender to wait
	MustKeep int   `json:"must_keep"`
	Whole    int   `json:"must_keep_whole"`

	LoadSeconds   float64 `json:"load_seconds"`   // first request to last answer
	DrainSeconds  float64 `json:"drain_seconds"`  // last answer to last span out
	BehindSeconds float64 `json:"behind_seconds"` // how late a request was, at the shop's pace
	UserSeconds   float64 `json:"cpu_user_seconds"`
	SystemSeconds float64 `json:"cpu_system_seconds"`
	// BenchSeconds is the CPU time of the sender and the sink meanwhile, which
	// the collector could not have.
	BenchSeconds float64 `json:"bench_cpu_seconds"`

	PeakBytes int64 `json:"peak_rss_bytes"`
	// SteadyBytes is the median of the resident memory in the second half of
	// the load.
	SteadyBytes int64 `json:"steady_rss_bytes"`
	// Buffered is how many spans wait at a time, by rate and wait; 0 as fast
	// as accepted, and for who does not wait.
	Buffered int `json:"buffered_spans"`

	PauseSeconds     float64 `json:"longest_pause_seconds"`      // in which nothing was accepted
	LoadPauseSeconds float64 `json:"load_longest_pause_seconds"` // in which nothing was due
	SlowestSeconds   float64 `json:"slowest_request_seconds"`    // from the first try until it was accepted
	// How long after its decision was due a trace that must be kept was out.
	// Only at a pace.
	LateP50Seconds float64 `json:"late_p50_seconds,omitempty"`
	LateP99Seconds float64 `json:"late_p99_seconds,omitempty"`
	LateSeconds    float64 `json:"late_seconds,omitempty"` // the most

	Visits *Visits         `json:"visits,omitempty"`    // nil if the API was not asked
	Counts *verdict.Counts `json:"collector,omitempty"` // its own, in the end; nil without a journey processor
}

func (r *Run) cpuPerMillion() float64 {
	return (r.UserSeconds + r.SystemSeconds) / float64(r.SpansIn) * 1e6
}

func (r *Run) perSecond() float64 { return float64(r.SpansIn) / r.LoadSeconds }

// Compare writes a table with a line for each system: medians over the rounds,
// and where it matters the lowest and the highest. Bases are the systems that
// ratios are taken to, as far as they were run.
func Compare(p *Printer, h *Header, bases []string, runs []Run) {
	how := "as fast as accepted"
	if h.AtPace {
		how = fmt.Sprintf("at %d spans/s", h.PerSecond)
	}
	p.Line("Sent %s. Medians of %d rounds (lowest–highest); ratios are taken within a round.", how, h.Rounds)
	p.Line("")
	present := systems(runs)
	bases = slices.DeleteFunc(slices.Clone(bases), func(base string) bool { return !slices.Contains(present, base) })
	columns := []string{"system", "CPU s / M spans"}
	for _, base := range bases {
		columns = append(columns, "× "+base)
	}
	columns = append(columns, "spans/s accepted")
	if !h.AtPace {
		for _, base := range bases {
			columns = append(columns, "spans/s × "+base)
		}
	}
	columns = append(columns, "peak RSS MiB", "steady RSS MiB")
	if h.AtPace {
		columns = append(columns, "RSS B / buffered span")
		for _, base := range waiting(bases, runs) {
			columns = append(columns, "B / buffered span × "+base)
		}
	}
	p.Row(append(columns, "spans out", "must-keep traces whole", "refusals")...)
	p.Rule(len(columns) + 3)
	for _, system := range present {
		p.Row(cells(system, h, bases, runs)...)
	}
}

func cells(system string, h *Header, bases []string, runs []Run) []string {
	own := of(system, runs)
	row := []string{system, spread(own, "%.2f", (*Run).cpuPerMillion)}
	for _, base := range bases {
		row = append(row, ratio(own, of(base, runs), (*Run).cpuPerMillion))
	}
	row = append(row, median(own, "%.0f k", func(r *Run) float64 { return r.perSecond() / 1e3 }))
	if !h.AtPace {
		for _, base := range bases {
			row = append(row, ratio(own, of(base, runs), (*Run).perSecond))
		}
	}
	row = append(row,
		spread(own, "%.0f", func(r *Run) float64 { return mib(r.PeakBytes) }),
		median(own, "%.0f", func(r *Run) float64 { return mib(r.SteadyBytes) }))
	if h.AtPace {
		floor := of("passthrough", runs)
		row = append(row, format(perBuffered(own, floor), "%.0f"))
		for _, base := range waiting(bases, runs) {
			row = append(row, format(perBufferedRatio(own, of(base, runs), floor), "%.2f"))
		}
	}
	whole, mustKeep := 0, 0
	for _, r := range own {
		whole, mustKeep = whole+r.Whole, mustKeep+r.MustKeep
	}
	return append(row,
		median(own, "%.1f %%", func(r *Run) float64 { return 100 * float64(r.SpansOut) / float64(r.SpansIn) }),
		fmt.Sprintf("%d of %d", whole, mustKeep),
		median(own, "%.0f", func(r *Run) float64 { return float64(r.Refused) }))
}

// waiting is the systems that buffer.
func waiting(bases []string, runs []Run) []string {
	return slices.DeleteFunc(slices.Clone(bases), func(base string) bool { return of(base, runs)[0].Buffered == 0 })
}

// ratio compares a figure with another system's in the same round.
func ratio(own, base []*Run, f func(*Run) float64) string {
	return format(pairs(own, base, func(a, b *Run) float64 { return f(a) / f(b) }), "%.2f")
}

// perBuffered is what a waiting span takes: the memory above that of the
// passthrough in the same round. Nothing of who does not wait.
func perBuffered(own, floor []*Run) []float64 {
	if len(own) == 0 || own[0].Buffered == 0 {
		return nil
	}
	return pairs(own, floor, func(a, b *Run) float64 { return float64(a.SteadyBytes-b.SteadyBytes) / float64(a.Buffered) })
}

// perBufferedRatio is that beside another system's in the same round.
func perBufferedRatio(own, base, floor []*Run) []float64 {
	mine, theirs := perBuffered(own, floor), perBuffered(base, floor)
	if len(mine) != len(theirs) {
		return nil
	}
	ratios := make([]float64, len(mine))
	for i := range mine {
		ratios[i] = mine[i] / theirs[i]
	}
	return ratios
}

func pairs(own, base []*Run, f func(a, b *Run) float64) []float64 {
	var values []float64
	for _, a := range own {
		for _, b := range base {
			if a.Round == b.Round {
				values = append(values, f(a, b))
			}
		}
	}
	return values
}

func spread(runs []*Run, verb string, f func(*Run) float64) string {
	return format(values(runs, f), verb)
}

func median(runs []*Run, verb string, f func(*Run) float64) string {
	return fmt.Sprintf(verb, Median(values(runs, f)))
}

// format is the median with its spread; a dash if there is nothing.
func format(values []float64, verb string) string {
	if len(values) == 0 {
		return "–"
	}
	text := fmt.Sprintf(verb, Median(values))
	if len(values) > 1 {
		text += fmt.Sprintf(" ("+verb+"–"+verb+")", slices.Min(values), slices.Max(values))
	}
	return text
}

func values(runs []*Run, f func(*Run) float64) []float64 {
	all := make([]float64, len(runs))
	for i, r := range runs {
		all[i] = f(r)
	}
	return all
}

func of(system string, runs []Run) []*Run {
	var own []*Run
	for i := range runs {
		if runs[i].System == system {
			own = append(own, &runs[i])
		}
	}
	return own
}

// systems in the order in which they first ran.
func systems(runs []Run) []string {
	var names []string
	for i := range runs {
		if !slices.Contains(names, runs[i].System) {
			names = append(names, runs[i].System)
		}
	}
	return names
}
