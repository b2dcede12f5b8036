package report

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/verdict"
)

// Sample is one look at a collector.
type Sample struct {
	Seconds    float64 `json:"seconds"`
	RSS        float64 `json:"rss_bytes"`
	Heap       float64 `json:"heap_bytes"` // live, after a collection
	Goroutines float64 `json:"goroutines"`
	Files      float64 `json:"open_files"`
	Traces     float64 `json:"live_traces"`
	Early      float64 `json:"early_decisions"`
	verdict.Counts
}

// Soak is a long run of one system.
type Soak struct {
	System string        `json:"system"`
	Begun  time.Time     `json:"begun"`
	Rate   int           `json:"spans_per_second"`
	Lasts  time.Duration `json:"lasts_ns"`
	Every  time.Duration `json:"sampled_every_ns"`
	// Unsettled is by how many spans the counts may differ while spans flow.
	Unsettled float64 `json:"unsettled"`

	Sent     int   `json:"spans_sent"`
	Accepted int   `json:"spans_accepted"`
	Refused  int   `json:"refused"`
	Out      int64 `json:"spans_out"`
	Doubled  int64 `json:"spans_doubled"`
	verdict.Kept
	PeakBytes int64    `json:"peak_rss_bytes"`
	End       Sample   `json:"end"` // when nothing was undecided any more
	Samples   []Sample `json:"-"`   // lines of their own
}

// measured is what must not grow.
var measured = []struct {
	name string
	of   func(*Sample) float64
	most float64
}{
	{"resident memory", func(s *Sample) float64 { return s.RSS }, verdict.MaxMemory},
	{"live heap", func(s *Sample) float64 { return s.Heap }, verdict.MaxMemory},
	{"goroutines", func(s *Sample) float64 { return s.Goroutines }, verdict.MaxCount},
	{"open files", func(s *Sample) float64 { return s.Files }, verdict.MaxCount},
}

// growth is of the second half of the samples.
func (s *Soak) growth(of func(*Sample) float64) verdict.Growth {
	half := s.Samples[len(s.Samples)/2:]
	all := make([]float64, len(half))
	for i := range half {
		all[i] = of(&half[i])
	}
	return verdict.GrowthOf(all, s.Every)
}

// Faults is everything that must not be; none if the soak passed.
func (s *Soak) Faults() []error {
	var faults []error
	for _, m := range measured {
		if g := s.growth(m.of); !g.Flat(m.most) {
			faults = append(faults, fmt.Errorf("%s: the trend is %+.1f ± %.1f %% in ten minutes", m.name, 100*g.PerTenMinutes, 100*g.Uncertainty))
		}
	}
	for i := range s.Samples {
		if missing := s.Samples[i].Missing(); math.Abs(missing) > s.Unsettled {
			faults = append(faults, fmt.Errorf("after %.0f s the collector's counts were %.0f spans apart", s.Samples[i].Seconds, missing))
		}
	}
	equal := func(what string, got, want float64) {
		if got != want {
			faults = append(faults, fmt.Errorf("at the end, %s: %.0f instead of %.0f", what, got, want))
		}
	}
	equal("spans the collector acknowledged", float64(s.Accepted), float64(s.Sent))
	equal("spans it received", s.End.Received, float64(s.Accepted))
	equal("spans in none of its counts", s.End.Missing(), 0)
	equal("spans that still wait", s.End.Undecided(), 0)
	equal("spans lost", s.End.Lost, 0)
	equal("spans the backend got", float64(s.Out), s.End.Kept)
	equal("spans the backend got twice", float64(s.Doubled), 0)
	equal("must-keep traces that came whole", float64(s.Whole), float64(s.Traces))
	if len(s.Samples) < 4 {
		faults = append(faults, errors.New("there are too few samples to say anything"))
	}
	return faults
}

// samplesShown is about how many samples a table has; the raw file has all.
const samplesShown = 15

// Soaked writes what a soak has shown.
func Soaked(p *Printer, s *Soak) {
	p.Line("`%s` at a constant %d spans/s for %s. The gateway's spans, with the roots, come later and later at first, so that more and more traces are alive; in the second half nothing may grow.",
		s.System, s.Rate, s.Lasts)
	p.Line("Flat: the least-squares line through the second half grows by at most %.0f %% in ten minutes (counts by %.0f %%), or by less than two standard errors.",
		100*verdict.MaxMemory, 100*verdict.MaxCount)
	p.Line("")
	p.Row("after s", "RSS MiB", "live heap MiB", "goroutines", "open files", "live traces", "received", "kept", "dropped", "pending", "of these for recall", "lost", "not accounted for")
	p.Rule(13)
	step := max(1, len(s.Samples)/samplesShown)
	for i := step - 1; i < len(s.Samples); i += step {
		s.Samples[i].row(p, "")
	}
	s.End.row(p, " (end)")
	p.Line("")
	p.Row("second half", "growth in ten minutes", "± standard error")
	p.Rule(3)
	for _, m := range measured {
		g := s.growth(m.of)
		p.Row(m.name, fmt.Sprintf("%.2f %%", 100*g.PerTenMinutes), fmt.Sprintf("%.2f %%", 100*g.Uncertainty))
	}
	p.Line("")
	p.Line("%d spans sent, %d acknowledged, %d answers asked to send again. The backend got %d spans, %d of them twice; the collector counts %.0f kept. %d of %d must-keep traces whole; %.0f journeys decided early. Peak RSS %.0f MiB.",
		s.Sent, s.Accepted, s.Refused, s.Out, s.Doubled, s.End.Kept, s.Whole, s.Traces, s.End.Early, mib(s.PeakBytes))
	p.Line("")
	faults := s.Faults()
	if len(faults) == 0 {
		p.Line("**Passed.**")
	}
	for _, fault := range faults {
		p.Line("- **Not passed:** %s", fault)
	}
}

func (s *Sample) row(p *Printer, note string) {
	p.Row(fmt.Sprintf("%.0f%s", s.Seconds, note), fmt.Sprintf("%.0f", mib(int64(s.RSS))), fmt.Sprintf("%.0f", mib(int64(s.Heap))),
		fmt.Sprintf("%.0f", s.Goroutines), fmt.Sprintf("%.0f", s.Files), fmt.Sprintf("%.0f", s.Traces),
		fmt.Sprintf("%.0f", s.Received), fmt.Sprintf("%.0f", s.Kept), fmt.Sprintf("%.0f", s.Dropped),
		fmt.Sprintf("%.0f", s.Pending), fmt.Sprintf("%.0f", s.Recallable), fmt.Sprintf("%.0f", s.Lost), fmt.Sprintf("%.0f", s.Missing()))
}
