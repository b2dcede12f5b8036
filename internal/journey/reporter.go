package journey

import "time"

// Reporter takes what processors know of all journeys, kept or not. Any number
// of goroutines may use it at once; none of its methods waits for a reader.
type Reporter interface {
	// Limits are the bounds of what is to be reported. They do not change.
	Limits() Limits
	// Attach makes p known under the id of its component until detach is
	// called, which waits until nobody asks p any more.
	Attach(id string, p Processor) (detach func())
	// Report takes an aggregate over and says whether it did. If not, it
	// remains the caller's, who adds to it and tries again.
	Report(a *Aggregate) bool
}

// Processor is what can be asked of a journey processor, by any number of
// goroutines at once.
type Processor interface {
	Ledger() Ledger
	// State is how it is now. What it returns belongs to the caller.
	State(now time.Time) State
}

// Limits are the bounds of what an aggregate tells apart.
type Limits struct {
	Journeys   int // names; the rest is counted under OtherJourneys
	Services   int // nodes of one journey's map
	Edges      int // of one journey's map
	Paths      int // of one journey
	NameLength int // characters of a name; longer ones are cut
	// MappedSpans is how many spans a second are looked at for the maps. Of
	// more, a fair part of the journeys is.
	MappedSpans int
}

// State is how a processor is.
type State struct {
	Traces                          int64 // that wait for their decision
	SpansPending, LogRecordsPending int64
	OldestWait                      time.Duration
	UsedBytes, LimitBytes           int64
	ResidentBytes                   int64
	// Generations are the parts of what is buffered by traces, as of the
	// latest report.
	Generations   []Generation
	OverloadLevel int
	Overload      string
	Budget        *BudgetState // nil: none is set
	Downstream    []Downstream
}

// Generation is a part of what is buffered.
type Generation struct {
	Name          string
	Traces, Bytes int64
}

// BudgetState is what a budget lets through.
type BudgetState struct {
	Unit        string  // spans, bytes or money
	Limit, Rate float64 // a second
	Exceeded    time.Duration
	Rules       []BudgetRule
}

// BudgetRule is the probability with which a rule keeps now.
type BudgetRule struct {
	Name        string
	Probability float64
}

// Downstream is how the next component takes one signal.
type Downstream struct {
	Signal   string // traces or logs
	Queued   int64  // records
	Retrying int64  // batches that it has refused for now
	Refusing time.Duration
	Error    string // of the latest refusal, while it refuses
}
