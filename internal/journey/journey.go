// Package journey has the words that the journey processor and those who ask
// it share: what was decided about a journey, what was known of it, and where
// to look both up. Neither side imports the other.
package journey

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// Decision is what was decided about a journey, and why.
type Decision struct {
	TraceID pcommon.TraceID
	At      time.Time // when it was decided
	Journey string    // its name

	Outcome string // ok, error or incomplete
	// OutcomeReason says what made it an error or incomplete; "" for ok.
	OutcomeReason string

	Kept bool
	Rule string // the name of the sampling rule that decided
	// Reason says in words why it was kept or dropped; what is written on a
	// kept journey's root span.
	Reason string
	// Probability is the one with which it was kept or dropped, from 0 to 1;
	// 0 with Kept means that it is not known.
	Probability float64
	// Early is why it was decided before its time: memory, trace_size or
	// shutdown, as the metrics have it; "" if it was not.
	Early string

	Summary
	// LateSpans came after the decision and followed it; Summary does not
	// count them.
	LateSpans int
}

// Summary is what was known of a journey when it was decided.
type Summary struct {
	// Complete says that nothing was known to be missing.
	Complete bool
	// Path has the services in the order in which they came in, the first 16
	// at most, and fewer if their names are longer than 1 KiB together.
	Path []string
	// RootService and RootSpan name the root span; both are "" without one.
	RootService, RootSpan string
	Spans                 int
	Bytes                 int64         // of spans as OTLP, without their resources
	Duration              time.Duration // from the first start to the last end
	// StepsReached and StepsMissing are steps of the journey's configuration.
	StepsReached, StepsMissing []string
}

// Ledger remembers the latest decisions, kept and dropped, in bounded memory.
// Any number of goroutines may use it at once, and while decisions are made;
// what it returns belongs to the caller.
type Ledger interface {
	// Lookup returns the latest decision about a trace, and false if it has
	// none: the trace is unknown, waits for its decision, or its decision is
	// older than all that are remembered.
	Lookup(id pcommon.TraceID) (Decision, bool)
	// Recent returns the latest decisions, at most n, the latest first; none
	// (nil) if nothing was decided or nothing is remembered by setting.
	Recent(n int) []Decision
}
