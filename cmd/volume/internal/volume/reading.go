// Package volume sets what was received against what was stored: it takes what
// was read from Jaegers, a collector and files, and makes of it one table and
// a list of disagreements. It reads nothing and prints nothing.
package volume

import (
	"time"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/truth"
)

// Count is a number that may not be available.
type Count struct {
	N     int64
	Known bool
}

// Known makes a Count of a number.
func Known(n int64) Count { return Count{N: n, Known: true} }

// SpanIDs is a set of span ids (16 hex digits).
type SpanIDs map[string]struct{}

// Trace is what the comparison needs of one trace in a Jaeger.
type Trace struct {
	Spans SpanIDs
	// RootService and RootOperation are those of the span without a parent, or of
	// the earliest span if all have one.
	RootService, RootOperation string
	Start                      time.Time     // of that span
	Duration                   time.Duration // of that span
	Failed                     bool          // some span has the status Error
	// Journey, Outcome and SpanCount are what the journey processor wrote on the
	// spans (journey.name, journey.outcome, journey.span_count); empty and 0
	// where it did not.
	Journey, Outcome string
	SpanCount        int
}

// Store is what was read from one Jaeger.
type Store struct {
	URL    string
	Traces map[string]Trace // by trace id, 32 hex digits
	// Limits says, in words, where reading had to stop short. Empty: all was read.
	Limits []string
	Spans  Count // what the Jaeger counted itself, since it started
	Bytes  Count // what Badger was given to write, since the Jaeger started
}

// Collector is what the journey processor counted since it started.
type Collector struct {
	Spans      Flow
	SpanBytes  Pair
	LogRecords Flow
	LogBytes   Pair
	// Journeys and JourneySpans are by journey name.
	Journeys, JourneySpans map[string]Pair
	Uptime                 time.Duration // 0 if it does not say
}

// Flow is the law every span is under: received = kept + dropped + pending + lost.
type Flow struct {
	Received, Kept, Dropped, Pending, Lost Count
}

// Logs are the log records of one file.
type Logs struct {
	File    string
	ByTrace map[string]Volume // the key "" holds those without a trace
}

// Volume is an amount of log records and their bytes.
type Volume struct{ Records, Bytes int64 }

func (v Volume) plus(w Volume) Volume { return Volume{v.Records + w.Records, v.Bytes + w.Bytes} }

// Reading is everything that was read. All or Collector may be nil, not both.
type Reading struct {
	All       *Store
	Kept      Store
	Collector *Collector
	AllLogs   *Logs
	KeptLogs  *Logs
	Truth     *truth.Truth
	// Slow is the root duration from which a journey counts as slow when no truth
	// says so.
	Slow time.Duration
	// Window overrides the measured time that costs are extrapolated from.
	Window time.Duration
}
