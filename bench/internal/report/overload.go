package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/verdict"
)

// What has to hold under overload.
const (
	maxOverLimit    = 1.1
	minErrorsKept   = 0.999
	maxPauseSeconds = 1
)

// Overload is one run of one system with more than it can take.
type Overload struct {
	System string    `json:"system"`
	Round  int       `json:"round"`
	Begun  time.Time `json:"begun"`

	Sustainable float64 `json:"sustainable_spans_per_second"`
	Offered     int     `json:"spans_offered"`
	Accepted    int     `json:"spans_accepted"`
	Refused     int     `json:"refused"` // answers
	Out         int64   `json:"spans_out"`
	Doubled     int64   `json:"spans_doubled"`
	// Failed is what came out of the failed traces.
	Failed verdict.Errors `json:"failed_traces"`

	LimitBytes int64 `json:"limit_bytes"`
	PeakBytes  int64 `json:"peak_rss_bytes"`

	LoadSeconds       float64 `json:"load_seconds"` // in which it was offered
	DrainSeconds      float64 `json:"drain_seconds"`
	PauseSeconds      float64 `json:"longest_pause_seconds"` // in which nothing was accepted
	RSS               []int64 `json:"rss_by_second"`
	AcceptedPerSecond []int   `json:"accepted_by_second"`
}

// holds is yes, or names what does not hold.
func (o *Overload) holds() string {
	var all []string
	if float64(o.PeakBytes) > maxOverLimit*float64(o.LimitBytes) {
		all = append(all, "memory")
	}
	if o.Failed.Share() < minErrorsKept {
		all = append(all, "errors")
	}
	if o.PauseSeconds > maxPauseSeconds {
		all = append(all, "pause")
	}
	if len(all) == 0 {
		return "yes"
	}
	return "no: " + strings.Join(all, ", ")
}

// Overloads writes a table with a line for each run.
func Overloads(p *Printer, factor float64, runs []Overload) {
	p.Line("Offered: %.3g times what the system itself can take, by a sender with a bounded backlog that sends again what is refused for ten seconds.", factor)
	p.Line("Holds: peak RSS at most %.0f %% of the limit, at least %.1f %% of the failed traces of which an error was accepted kept, something accepted every second.",
		100*maxOverLimit, 100*minErrorsKept)
	p.Line("")
	columns := []string{
		"system", "round", "can take, spans/s", "offered, spans/s", "accepted, spans/s", "refusals", "peak RSS / limit", "steady RSS / limit",
		"failed traces kept", "with all that was accepted", "spans doubled", "longest pause s", "drained after s", "holds",
	}
	p.Row(columns...)
	p.Rule(len(columns))
	for i := range runs {
		o := &runs[i]
		steady := make([]float64, 0, len(o.RSS)/2+1)
		for _, rss := range o.RSS[len(o.RSS)/2:] {
			steady = append(steady, float64(rss))
		}
		limit := float64(o.LimitBytes)
		p.Row(o.System, fmt.Sprint(o.Round), fmt.Sprintf("%.0f k", o.Sustainable/1e3),
			fmt.Sprintf("%.0f k", float64(o.Offered)/o.LoadSeconds/1e3), fmt.Sprintf("%.0f k", float64(o.Accepted)/o.LoadSeconds/1e3),
			fmt.Sprint(o.Refused), fmt.Sprintf("%.2f", float64(o.PeakBytes)/limit), fmt.Sprintf("%.2f", Median(steady)/limit),
			fmt.Sprintf("%d of %d (%.2f %%)", o.Failed.Kept, o.Failed.Accepted, 100*o.Failed.Share()), fmt.Sprint(o.Failed.Whole),
			fmt.Sprint(o.Doubled), fmt.Sprintf("%.1f", o.PauseSeconds), fmt.Sprintf("%.1f", o.DrainSeconds), o.holds())
	}
}
