// Package api has the answers of the journeys API as they are written in JSON.
// openapi.yaml describes every field of them; a test holds the two together.
//
// Shares are from 0 to 1 and null where there is nothing to share. Times are
// RFC 3339 in UTC, durations are in milliseconds. Names come from strangers:
// they are valid UTF-8 of at most limits::name_length characters, and whoever
// shows them must treat them as text.
package api

import "time"

// Window says what the figures of an answer cover.
type Window struct {
	// Name is 5m, 1h or 24h.
	Name string    `json:"name"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Seconds is the time that rates are over: To - From.
	Seconds float64 `json:"seconds"`
}

// Head is what every answer about a window begins with.
type Head struct {
	GeneratedAt time.Time `json:"generated_at"`
	// IntervalSeconds is how often there can be news: the time to ask again.
	IntervalSeconds float64 `json:"interval_seconds"`
	Window          Window  `json:"window"`
}

// Overview is the answer of /api/v1/overview: the row of key figures.
type Overview struct {
	Head
	Journeys Journeys `json:"journeys"`
	Spans    Volume   `json:"spans"`
	Bytes    Volume   `json:"bytes"`
	Failed   Failed   `json:"failed"`
	Money    Money    `json:"money"`
	Trend    Trend    `json:"trend"`
	// Limits are the bounds of what is told apart.
	Limits []Limit `json:"limits"`
	// Processors are the ids of those that report.
	Processors []string `json:"processors"`
	// HasLinks says that traces that were kept have a link.
	HasLinks bool `json:"has_links"`
}

// Journeys counts journeys by outcome.
type Journeys struct {
	Count           int64    `json:"count"`
	PerMinute       float64  `json:"per_minute"`
	OK              int64    `json:"ok"`
	Errors          int64    `json:"errors"`
	ErrorShare      *float64 `json:"error_share"`
	Incomplete      int64    `json:"incomplete"`
	IncompleteShare *float64 `json:"incomplete_share"`
	Kept            int64    `json:"kept"`
	KeptShare       *float64 `json:"kept_share"`
}

// Volume is what was received and what of it was stored.
type Volume struct {
	Received  int64    `json:"received"`
	Stored    int64    `json:"stored"`
	Share     *float64 `json:"share"`
	PerSecond float64  `json:"per_second"` // received
}

// Failed is how many of the journeys with outcome error or incomplete were kept.
type Failed struct {
	Existing int64    `json:"existing"`
	Kept     int64    `json:"kept"`
	Share    *float64 `json:"share"`
}

// Money is what a month costs at the set prices if it goes on as in the window.
// Amounts are null before a minute is covered: a month would follow from seconds.
type Money struct {
	Currency             string   `json:"currency"`
	PricePerGB           float64  `json:"price_per_gb"` // 10^9 bytes
	PricePerMillionSpans float64  `json:"price_per_million_spans"`
	ReceivedPerMonth     *float64 `json:"received_per_month"` // if all were stored
	StoredPerMonth       *float64 `json:"stored_per_month"`
	SavedPerMonth        *float64 `json:"saved_per_month"`
}

// Trend has one value for each step of time; the last step is not over yet.
type Trend struct {
	Start         time.Time `json:"start"`
	StepSeconds   float64   `json:"step_seconds"`
	Journeys      []int64   `json:"journeys"`
	Errors        []int64   `json:"errors"`
	Incomplete    []int64   `json:"incomplete"`
	Kept          []int64   `json:"kept"`
	SpansReceived []int64   `json:"spans_received"`
	SpansStored   []int64   `json:"spans_stored"`
	BytesReceived []int64   `json:"bytes_received"`
	BytesStored   []int64   `json:"bytes_stored"`
}

// Limit is a bound and how often it was reached since the start.
type Limit struct {
	Name    string `json:"name"`
	Value   int64  `json:"value"`
	Reached int64  `json:"reached"`
}

// Table is the answer of /api/v1/journeys.
type Table struct {
	Head
	// TrendStart and TrendStepSeconds are those of every row's trend.
	TrendStart       time.Time `json:"trend_start"`
	TrendStepSeconds float64   `json:"trend_step_seconds"`
	Rows             []Row     `json:"rows"`
}

// Row is one journey of the table.
type Row struct {
	Name string `json:"name"`
	Journeys
	// Trend counts journeys.
	Trend []int64 `json:"trend"`
	// Durations are over all journeys, kept or not; null without one.
	P50MS         *float64 `json:"p50_ms"`
	P95MS         *float64 `json:"p95_ms"`
	P99MS         *float64 `json:"p99_ms"`
	Spans         Volume   `json:"spans"`
	Bytes         Volume   `json:"bytes"`
	SavedPerMonth *float64 `json:"saved_per_month"` // null before a minute is covered
}

// Journey is the answer of /api/v1/journey?name=: all about one journey.
type Journey struct {
	Head
	Row      Row      `json:"row"`
	Trend    Trend    `json:"trend"`
	Flow     Flow     `json:"flow"`
	Steps    []Step   `json:"steps"`
	Stops    []Stop   `json:"stops"`
	Paths    []Path   `json:"paths"`
	Rules    []Rule   `json:"rules"`
	Kept     []Trace  `json:"kept"`
	Failures []Trace  `json:"failures"`
	Omitted  []string `json:"omitted"` // lists that were cut at a limit
}

// Flow is the journey's map.
type Flow struct {
	// Of is how many journeys there were, and Mapped how many of them the map
	// was made of. If these are not all, its counts are estimates for all.
	Of     int64      `json:"of"`
	Mapped int64      `json:"mapped"`
	Nodes  []FlowNode `json:"nodes"`
	Edges  []FlowEdge `json:"edges"`
}

// FlowNode is a service, a queue, a database, something outside, or the user.
type FlowNode struct {
	ID   string `json:"id"`   // within this answer
	Kind string `json:"kind"` // user, service, queue, database, external
	Name string `json:"name"`
	// System is rabbitmq, postgresql, redis and the like; "" of services.
	System     string   `json:"system"`
	Count      int64    `json:"count"` // calls or messages that reached it
	PerMinute  float64  `json:"per_minute"`
	Errors     int64    `json:"errors"`
	ErrorShare *float64 `json:"error_share"`
	P50MS      *float64 `json:"p50_ms"`
	P95MS      *float64 `json:"p95_ms"`
}

// FlowEdge is calls or messages from one node to another.
type FlowEdge struct {
	From       string   `json:"from"`
	To         string   `json:"to"`
	Protocol   string   `json:"protocol"` // http, grpc, amqp, messaging, db, other
	Count      int64    `json:"count"`
	PerMinute  float64  `json:"per_minute"`
	Errors     int64    `json:"errors"`
	ErrorShare *float64 `json:"error_share"`
	// P50MS and P95MS are of what was asked for, as the one asked measured it.
	P50MS *float64 `json:"p50_ms"`
	P95MS *float64 `json:"p95_ms"`
	// WaitP50MS and WaitP95MS are the time in the queue, of edges into one.
	WaitP50MS *float64 `json:"wait_p50_ms"`
	WaitP95MS *float64 `json:"wait_p95_ms"`
}

// Step is a configured step of the journey.
type Step struct {
	Name         string   `json:"name"`
	Reached      int64    `json:"reached"`
	ReachedShare *float64 `json:"reached_share"`
}

// Stop is where journeys that failed or are incomplete ended.
type Stop struct {
	Outcome string `json:"outcome"` // error or incomplete
	// Service and Operation are those of the span that failed, if one did.
	Service   string `json:"service"`
	Operation string `json:"operation"`
	// Missing is the first step that was not reached, if one was not.
	Missing string   `json:"missing"`
	Reason  string   `json:"reason"` // of the latest, in words
	Count   int64    `json:"count"`
	Share   *float64 `json:"share"` // of all journeys
}

// Path is journeys that went through the same services. They are in the order in
// which they began in the first such journey.
type Path struct {
	Services []string `json:"services"`
	Count    int64    `json:"count"`
	Share    *float64 `json:"share"`
	Errors   int64    `json:"errors"`
	Kept     int64    `json:"kept"`
	P95MS    *float64 `json:"p95_ms"`
}

// Rule is what one sampling rule did with the journey.
type Rule struct {
	Name    string `json:"name"`
	Matched int64  `json:"matched"`
	Kept    int64  `json:"kept"`
	Thinned int64  `json:"thinned"` // with less than the rule's probability
	Early   int64  `json:"early"`   // decided before their time
	Late    int64  `json:"late"`    // brought back by a late error
	// SpansStored are those of the journeys that it kept.
	SpansStored int64  `json:"spans_stored"`
	Reason      string `json:"reason"` // of the latest that was kept, in words
}

// Trace is one decided trace.
type Trace struct {
	TraceID       string    `json:"trace_id"`
	At            time.Time `json:"at"`
	Outcome       string    `json:"outcome"`
	OutcomeReason string    `json:"outcome_reason"`
	Kept          bool      `json:"kept"`
	Rule          string    `json:"rule"`
	Reason        string    `json:"reason"`
	Probability   *float64  `json:"probability"` // null: not known
	DurationMS    float64   `json:"duration_ms"`
	Spans         int64     `json:"spans"`
	// Service and Operation are those of the first span that failed.
	Service   string `json:"service"`
	Operation string `json:"operation"`
	// Link opens it in the trace store; "" if it was dropped or no template is set.
	Link string `json:"link"`
}

// Lookup is the answer of /api/v1/traces/{trace_id}.
type Lookup struct {
	TraceID   string    `json:"trace_id"`
	Status    string    `json:"status"` // kept, dropped
	Processor string    `json:"processor"`
	At        time.Time `json:"at"`
	Journey   string    `json:"journey"`

	Outcome       string   `json:"outcome"`
	OutcomeReason string   `json:"outcome_reason"`
	Rule          string   `json:"rule"`
	Reason        string   `json:"reason"`
	Probability   *float64 `json:"probability"` // null: not known
	Early         string   `json:"early"`

	Complete     bool     `json:"complete"`
	Path         []string `json:"path"`
	RootService  string   `json:"root_service"`
	RootSpan     string   `json:"root_span"`
	Spans        int64    `json:"spans"`
	LateSpans    int64    `json:"late_spans"`
	Bytes        int64    `json:"bytes"`
	DurationMS   float64  `json:"duration_ms"`
	StepsReached []string `json:"steps_reached"`
	StepsMissing []string `json:"steps_missing"`
	Link         string   `json:"link"`
}

// Waiting is the answer of /api/v1/traces/{trace_id} about a trace that waits
// for its decision. All of it may change with the next span.
type Waiting struct {
	TraceID   string `json:"trace_id"`
	Status    string `json:"status"` // waiting
	Processor string `json:"processor"`
	// Since is when the first of it came.
	Since         time.Time `json:"since"`
	WaitedSeconds float64   `json:"waited_seconds"`
	LastSpanAt    time.Time `json:"last_span_at"`
	// Due is when it will be decided if nothing more of it comes.
	Due time.Time `json:"due"`
	// DecidedBy is when it will be decided at the latest. For want of memory it may be earlier.
	DecidedBy time.Time `json:"decided_by"`
	// WaitsFor has at least one entry.
	WaitsFor []WaitsFor `json:"waits_for"`

	Journey string `json:"journey"` // its name so far
	// Outcome is error or incomplete if that is certain already, else ok.
	Outcome       string   `json:"outcome"`
	OutcomeReason string   `json:"outcome_reason"`
	Complete      bool     `json:"complete"`
	Path          []string `json:"path"`
	RootService   string   `json:"root_service"`
	RootSpan      string   `json:"root_span"`
	Spans         int64    `json:"spans"`
	LogRecords    int64    `json:"log_records"`
	Bytes         int64    `json:"bytes"` // of the spans
	DurationMS    float64  `json:"duration_ms"`
	StepsReached  []string `json:"steps_reached"`
	StepsMissing  []string `json:"steps_missing"`
}

// WaitsFor is something that a trace waits for: its root span, a parent that spans of Name name, the step Name, the
// delivery of messages from the queue Name, the spans of whoever Name has called or sent a message to, quiet (nothing is
// known to be missing), or spans after log records.
type WaitsFor struct {
	What  string    `json:"what"`  // root, parent, step, delivery, answer, quiet, spans
	Name  string    `json:"name"`  // of a step, queue or service; "" if it is not known
	Count int64     `json:"count"` // 0 of quiet and spans
	Until time.Time `json:"until"` // if nothing more comes
}

// Remembered is the answer of /api/v1/traces/{trace_id} about a decision so old that the ledger has forgotten it: only
// this is left. One in 10^10 traces never seen is taken for one.
type Remembered struct {
	TraceID          string   `json:"trace_id"`
	Status           string   `json:"status"`            // kept, dropped
	DetailsForgotten bool     `json:"details_forgotten"` // true
	Processor        string   `json:"processor"`
	Journey          string   `json:"journey"`     // of a kept one; "" if it is not known
	Probability      *float64 `json:"probability"` // with which it was kept; null: not known
	Link             string   `json:"link"`
}

// Live is the answer of /api/v1/live: what is so now.
type Live struct {
	GeneratedAt     time.Time   `json:"generated_at"`
	IntervalSeconds float64     `json:"interval_seconds"`
	Processors      []Processor `json:"processors"`
	Components      []Component `json:"components"`
}

// Processor is the state of one journey processor.
type Processor struct {
	ID     string `json:"id"`
	Traces int64  `json:"traces"` // that wait for their decision
	// SpansPending and LogRecordsPending were received and have not left.
	SpansPending      int64        `json:"spans_pending"`
	LogRecordsPending int64        `json:"log_records_pending"`
	OldestWaitSeconds float64      `json:"oldest_wait_seconds"`
	Buffer            Buffer       `json:"buffer"`
	Generations       []Generation `json:"generations"`
	Overload          Overload     `json:"overload"`
	Budget            *Budget      `json:"budget"` // null: none is set
	Downstream        []Downstream `json:"downstream"`
	Shadow            *Shadow      `json:"shadow"` // null: none is set
}

// Buffer is the memory of what waits.
type Buffer struct {
	UsedBytes     int64   `json:"used_bytes"`
	LimitBytes    int64   `json:"limit_bytes"`
	ResidentBytes int64   `json:"resident_bytes"`
	Share         float64 `json:"share"`
}

// Generation is a part of what is buffered.
type Generation struct {
	Name   string `json:"name"` // nursery, parked, recall
	Traces int64  `json:"traces"`
	Bytes  int64  `json:"bytes"`
}

// Overload is how short of memory the buffer is.
type Overload struct {
	Level int    `json:"level"` // 0 to 4
	Name  string `json:"name"`  // calm, parking, deciding, thinning, refusing
}

// Budget is what may leave.
type Budget struct {
	Unit            string       `json:"unit"`  // spans, bytes, money
	Limit           float64      `json:"limit"` // a second
	Rate            float64      `json:"rate"`  // a second, that leaves now
	Share           float64      `json:"share"` // of the limit that is used
	ExceededSeconds float64      `json:"exceeded_seconds"`
	Rules           []BudgetRule `json:"rules"`
}

// BudgetRule is what the budget leaves a rule.
type BudgetRule struct {
	Name        string  `json:"name"`
	Probability float64 `json:"probability"`
}

// Downstream is the way out of one signal.
type Downstream struct {
	Signal string `json:"signal"` // traces, logs
	State  string `json:"state"`  // ok, refusing
	// RetryingBatches are refused for now and offered again.
	RetryingBatches int64 `json:"retrying_batches"`
	// Queued is how many journeys, or parts of them, wait to be sent.
	Queued          int64   `json:"queued"`
	RefusingSeconds float64 `json:"refusing_seconds"`
	Error           string  `json:"error"` // of the latest refusal
}

// Component is the state of a receiver or exporter of this collector.
type Component struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind"` // receiver, processor, exporter, connector, extension
	Pipelines []string   `json:"pipelines"`
	Status    string     `json:"status"` // starting, ok, recoverable_error, permanent_error, fatal_error, stopping, stopped
	Error     string     `json:"error"`
	Since     *time.Time `json:"since"`
}

// Error is the answer to what cannot be answered.
type Error struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
}
