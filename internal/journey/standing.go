package journey

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// Asked is a processor that can be asked about a trace of which its ledger
// knows nothing. Any number of goroutines may ask at once, and while decisions
// are made; what is returned belongs to the caller.
type Asked interface {
	// Standing says how things stand with a trace. It is zero if nothing is
	// known. An error means that nobody could say: ctx has ended, or the
	// processor is stopping.
	Standing(ctx context.Context, id pcommon.TraceID) (Standing, error)
	// Memory is of how many decisions something is known. It does not change.
	Memory() Memory
}

// Memory is of how many of the latest decisions something is known.
type Memory struct {
	Ledger        int // all that Decision has
	Kept, Dropped int // that there was a decision, and what late spans need
}

// Standing is how things stand with a trace: at most one of its parts is set.
type Standing struct {
	Waiting    *Waiting    // for its decision
	Remembered *Remembered // decided, and the ledger may have forgotten it
}

// Waiting is what is known of a trace that waits for its decision. All of it
// may change with the next span.
type Waiting struct {
	Since      time.Time // the first of it came
	LastSpanAt time.Time // the last span of it came
	// Due is when it will be decided if nothing more of it comes, and DecidedBy
	// whatever comes. For want of memory, both may be earlier.
	Due, DecidedBy time.Time

	Journey string // its name so far
	// Outcome is error or incomplete if it is known already that it will be
	// (OutcomeReason says why), else ok.
	Outcome, OutcomeReason string
	Summary
	LogRecords int
	// WaitsFor is never empty.
	WaitsFor []Lack
}

// Lack is something that a trace waits for, and until when.
type Lack struct {
	What  LackOf
	Name  string // of the step, the queue or the service, if it is known
	Count int    // spans, messages or calls; 0 for quiet
	Until time.Time
}

// LackOf is what a trace can wait for.
type LackOf string

// What a trace waits for: its root; a span that others name as their parent
// (Name is the service of one of those); a step of the journey; a message's
// delivery from a queue; the spans of whoever was called or takes the message (Name is the
// service that asks); that nothing more comes for a while; spans, after log
// records have come.
const (
	LackRoot     LackOf = "root"
	LackParent   LackOf = "parent"
	LackStep     LackOf = "step"
	LackDelivery LackOf = "delivery"
	LackAnswer   LackOf = "answer"
	LackQuiet    LackOf = "quiet"
	LackSpans    LackOf = "spans"
)

// Remembered is what is known of a decision that is as old as that.
type Remembered struct {
	Kept        bool
	Journey     string  // "" if it is not known; of dropped ones it is not
	Probability float64 // with which it was kept; 0: not known
}
