package sender

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/load"
)

// Outcome is what sending came to.
type Outcome struct {
	Spans    int // that were due
	Accepted int
	Refused  int // answers that asked to send again later
	Laps     int // begun; 1 without laps
	Begun    time.Time
	Took     time.Duration // from the first request to the last answer
	// Offered is how long requests were due.
	Offered time.Duration
	// Behind is the longest time a request was taken up after it was due. Only
	// at a pace.
	Behind time.Duration
	// Stalled is the longest time in which nothing was accepted while requests
	// were due.
	Stalled time.Duration
	// Slowest is the longest time from the first try of a request until it was
	// accepted or given up.
	Slowest time.Duration
	// PerSecond is how many spans were accepted in each second from Begun; the
	// last is not a whole one.
	PerSecond []int

	requests int // of a lap
	accepted map[int]bool
}

// IsAccepted says whether a request was acknowledged in a lap.
func (o *Outcome) IsAccepted(lap, request int) bool { return o.accepted[lap*o.requests+request] }

// record is written by all callers.
type record struct {
	refused atomic.Int64
	behind  atomic.Int64 // ns; written by one goroutine

	mu      sync.Mutex
	outcome Outcome
	latest  time.Time // when something was accepted
}

func newRecord(l *load.Load) *record {
	return &record{outcome: Outcome{requests: len(l.Requests), accepted: make(map[int]bool, len(l.Requests))}}
}

func (r *record) begin(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcome.Begun, r.latest = now, now
}

// settle notes that a request that was taken up at begun is accepted or given up.
func (r *record) settle(i item, spans int, begun time.Time, accepted bool) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	o := &r.outcome
	o.Spans += spans
	o.Slowest = max(o.Slowest, now.Sub(begun))
	if !accepted {
		return
	}
	o.Accepted += spans
	o.accepted[i.lap*o.requests+i.request] = true
	if o.Offered == 0 {
		o.Stalled = max(o.Stalled, now.Sub(r.latest))
	}
	r.latest = now
	second := int(now.Sub(o.Begun) / time.Second)
	for len(o.PerSecond) <= second {
		o.PerSecond = append(o.PerSecond, 0)
	}
	o.PerSecond[second] += spans
}

// planned notes that no more requests are due.
func (r *record) planned(laps int) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcome.Laps, r.outcome.Offered = laps, now.Sub(r.outcome.Begun)
	r.outcome.Stalled = max(r.outcome.Stalled, now.Sub(r.latest))
}

func (r *record) end() Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.outcome
	o.Refused, o.Behind, o.Took = int(r.refused.Load()), time.Duration(r.behind.Load()), time.Since(o.Begun)
	return o
}
