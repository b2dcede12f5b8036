// Package plan replays a recording through one or two configurations of the
// journey processor and adds up what they would keep. Each side has its own
// processor on its own goroutine; both get the same batches, which they only
// read; what they decide meets in a ledger, by trace. What is remembered of
// traces is bounded, so recordings may be larger than memory.
package plan

import (
	"time"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/cost"
)

// Amount is so much telemetry. Bytes are of spans and log records as OTLP,
// without their resources, as the processor's metrics have them.
type Amount struct {
	Journeys, Spans, SpanBytes, LogRecords, LogBytes int64
}

// plus returns a + sign·b.
func (a Amount) plus(sign int64, b Amount) Amount {
	return Amount{
		Journeys: a.Journeys + sign*b.Journeys, Spans: a.Spans + sign*b.Spans, SpanBytes: a.SpanBytes + sign*b.SpanBytes,
		LogRecords: a.LogRecords + sign*b.LogRecords, LogBytes: a.LogBytes + sign*b.LogBytes,
	}
}

// Pair is what came and what would be kept of it.
type Pair struct{ Received, Kept Amount }

func (p *Pair) add(sign int64, a Amount, kept bool) {
	p.Received = p.Received.plus(sign, a)
	if kept {
		p.Kept = p.Kept.plus(sign, a)
	}
}

// Share is the kept part of the spans received, 0 to 1.
func (p Pair) Share() float64 {
	if p.Received.Spans == 0 {
		return 0
	}
	return float64(p.Kept.Spans) / float64(p.Received.Spans)
}

// Row is what one rule decided about the journeys of a name.
type Row struct {
	Journey, Rule string
	Pair
	Cost Money
}

// Kind is why a journey is expected to be kept.
type Kind string

// The kinds of journeys that are expected to be kept.
const (
	Failed     Kind = "error"      // its outcome
	Incomplete Kind = "incomplete" // its outcome
	MustKeep   Kind = "must-keep"  // a rule that keeps 100 % matches it: dropped only by a budget within which must-keeps stay
	Truth      Kind = "truth"      // the truth file says so
	Before     Kind = "before"     // the other configuration keeps it by a rule that keeps 100 %
)

// Kinds are all of them.
var Kinds = []Kind{Failed, Incomplete, MustKeep, Truth, Before}

// Loss is what would be dropped of a kind of journeys.
type Loss struct {
	Kind           Kind
	Exist, Dropped int64
	Examples       []Example // of those dropped, a few
}

// Example is one journey to look at.
type Example struct {
	TraceID, Journey, Rule string
}

// Side is what one configuration would do.
type Side struct {
	Name string
	Rows []Row // by spans received, of a journey together
	// Total is what the processor itself counted; the difference to the rows
	// is Rest: what came late and followed a decision, and log records that
	// are kept in any case.
	Total, Rest Pair
	SentBytes   int64 // what is kept, as OTLP with its resources and what is written on it
	Losses      []Loss
	// Early, Thinned and Upgraded are journeys: decided before their time for
	// want of memory, dropped by the budget or for want of memory though their
	// rule would have kept them, and brought back by a late error.
	Early, Thinned, Upgraded int64
	Refused                  int64 // spans and log records, for want of memory
	Forgotten                int64 // upgrades of journeys that the comparison no longer knew
	Cost                     Money
}

// Money is USD a month.
type Money struct{ Received, Kept float64 }

// Change is what happens to the journeys of a name, from Against to With.
type Change struct {
	Journey       string
	Against, With Pair
	// Both, OnlyAgainst, OnlyWith and Neither are how many are kept by which.
	Both, OnlyAgainst, OnlyWith, Neither int64
}

// Result is a plan.
type Result struct {
	Batches           int
	First, Last       time.Time // of the recording
	Window            time.Duration
	ReceivedBytes     int64 // the recording as OTLP with its resources
	Spans, LogRecords int64
	Prices            cost.Prices
	With              Side
	Against           *Side // nil for one configuration
	Changes           []Change
	TruthJourneys     int64 // that must be kept by the truth
	TruthMissing      int64 // of those, how many the recording does not have
	Notes             []string
}

// Checked is a limit and how the plan stands to it.
type Checked struct {
	Passed bool
	// Lost says that it is about journeys that must not be dropped.
	Lost bool
	Text string
}
