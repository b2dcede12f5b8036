package plan

import (
	"fmt"
	"strings"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/grid"
)

// Limits are what a plan must not exceed; nil is no limit.
type Limits struct {
	Spans, Bytes *int64   // kept, as long as the recording is; bytes as sent
	Money        *float64 // USD a month
	Share        *float64 // of the spans, 0 to 1
	// Growth is by how much more spans may be kept than against the other
	// configuration, 0 to 1 and more.
	Growth *float64
	// Keep are the kinds of journeys of which none may be dropped.
	Keep []Kind
}

// Check holds a plan against limits.
func (r *Result) Check(l Limits) []Checked {
	var all []Checked
	kept := r.With.Total.Kept
	add := func(passed bool, format string, args ...any) {
		all = append(all, Checked{Passed: passed, Text: fmt.Sprintf(format, args...)})
	}
	if l.Spans != nil {
		add(kept.Spans <= *l.Spans, "spans kept: %s, at most %s", grid.Count(kept.Spans), grid.Count(*l.Spans))
	}
	if l.Bytes != nil {
		add(r.With.SentBytes <= *l.Bytes, "bytes sent: %s, at most %s", grid.Count(r.With.SentBytes), grid.Count(*l.Bytes))
	}
	if l.Money != nil {
		add(r.Window > 0 && r.With.Cost.Kept <= *l.Money, "USD a month: %s, at most %s", grid.USD(r.With.Cost.Kept), grid.USD(*l.Money))
	}
	if l.Share != nil {
		add(r.With.Total.Share() <= *l.Share, "share of spans kept: %.2f %%, at most %.2f %%", 100*r.With.Total.Share(), 100**l.Share)
	}
	if l.Growth != nil && r.Against != nil {
		before := r.Against.Total.Kept.Spans
		add(float64(kept.Spans) <= float64(before)*(1+*l.Growth), "spans kept: %s, at most %.2f %% more than %s",
			grid.Count(kept.Spans), 100**l.Growth, grid.Count(before))
	}
	for _, kind := range l.Keep {
		all = append(all, r.checkKept(kind))
	}
	return all
}

// kindWords are journeys of a kind, in words.
var kindWords = map[Kind]string{
	Failed: "failed", Incomplete: "incomplete", MustKeep: "must-keep",
	Truth: "true must-keep", Before: "so far must-keep",
}

// Words are what journeys of a kind are called.
func (k Kind) Words() string { return kindWords[k] }

func (r *Result) checkKept(kind Kind) Checked {
	for _, loss := range r.With.Losses {
		if loss.Kind != kind {
			continue
		}
		text := fmt.Sprintf("%s journeys dropped: %s of %s", kind.Words(), grid.Count(loss.Dropped), grid.Count(loss.Exist))
		var examples []string
		for _, e := range loss.Examples {
			examples = append(examples, fmt.Sprintf("%s (%s, by rule %s)", e.TraceID, grid.Name(e.Journey), grid.Name(e.Rule)))
		}
		if len(examples) > 0 {
			text += ", such as " + strings.Join(examples, "; ")
		}
		return Checked{Passed: loss.Dropped == 0, Lost: true, Text: text}
	}
	return Checked{Passed: true, Lost: true, Text: kind.Words() + " journeys dropped: there are none"}
}
