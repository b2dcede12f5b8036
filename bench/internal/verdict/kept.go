// Package verdict says from what was counted whether a system was good or bad.
//
//	kept.go   whether what must be kept came out, whole and once, and how late
//	law.go    whether a collector's own counts add up
//	trend.go  whether something grows
package verdict

import (
	"slices"
	"time"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/load"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sink"
)

// Kept is what came out of the traces that had to.
type Kept struct {
	Traces int `json:"must_keep"`
	// Whole is how many of them came complete, each span once.
	Whole int `json:"must_keep_whole"`
	// Torn is how many of them have a span missing, or one that nobody sent.
	Torn         int `json:"must_keep_torn"`
	MissingSpans int `json:"must_keep_spans_missing"`
	// DoubledTraces is how many have a span that came more than once.
	DoubledTraces int `json:"must_keep_doubled"`
}

// KeptOf judges traces of which all spans were accepted.
func KeptOf(arrivals []sink.Arrival) Kept {
	k := Kept{Traces: len(arrivals)}
	for i := range arrivals {
		a := &arrivals[i]
		if a.Doubled > 0 {
			k.DoubledTraces++
		}
		switch {
		case a.Mark != a.Trace.Mark:
			k.Torn++
			k.MissingSpans += max(0, a.Trace.Spans-a.Spans)
		case a.Doubled == 0:
			k.Whole++
		}
	}
	return k
}

// Errors is what came out of the failed traces under overload, when a sender
// had to give up a part of what it had.
type Errors struct {
	// Accepted is how many had an error span in a request that was accepted.
	Accepted int `json:"errors_accepted"`
	Kept     int `json:"errors_kept"`  // of these, came out
	Whole    int `json:"errors_whole"` // of these, with every span that was accepted and each once
}

// Share is the part that was kept; 1 of none.
func (e Errors) Share() float64 {
	if e.Accepted == 0 {
		return 1
	}
	return float64(e.Kept) / float64(e.Accepted)
}

// ErrorsOf judges failed traces by those of their parts that accepted says were
// accepted.
func ErrorsOf(arrivals []sink.Arrival, accepted func(lap, request int) bool) Errors {
	var e Errors
	for i := range arrivals {
		a := &arrivals[i]
		failed, want := false, load.Mark{}
		for _, part := range a.Trace.Parts {
			if accepted(a.Lap, part.Request) {
				want.Add(part.Mark)
				failed = failed || part.Failed
			}
		}
		if !failed {
			continue
		}
		e.Accepted++
		if a.Spans > 0 {
			e.Kept++
		}
		if a.Mark == want && a.Doubled == 0 {
			e.Whole++
		}
	}
	return e
}

// CaughtUp is how long after a fault traces came out later than usual after
// they were due; zero if none did. A trace that never came is not late, but torn.
func CaughtUp(arrivals []sink.Arrival, begun, fault time.Time, usual time.Duration) time.Duration {
	latest := time.Duration(0)
	for i := range arrivals {
		a := &arrivals[i]
		if !a.Last.After(fault) || a.Last.Sub(begun.Add(a.Trace.Due)) <= usual {
			continue
		}
		latest = max(latest, a.Last.Sub(fault))
	}
	return latest
}

// Late is how long after their decisions were due traces were out, the least
// late first: from wait after the first of a trace's spans was due to be sent,
// or the last if that is later, until its last one came. Begun is when the load
// began at the shop's pace. A trace of which nothing came is not late, but torn.
func Late(arrivals []sink.Arrival, l *load.Load, begun time.Time, wait time.Duration) []time.Duration {
	var late []time.Duration
	for i := range arrivals {
		a := &arrivals[i]
		if a.Spans == 0 {
			continue
		}
		first := a.Trace.Due
		for _, part := range a.Trace.Parts {
			first = min(first, l.Requests[part.Request].At)
		}
		due := max(first+wait, a.Trace.Due) + time.Duration(a.Lap)*l.Length()
		late = append(late, a.Last.Sub(begun.Add(due)))
	}
	slices.Sort(late)
	return late
}
