package journeyprocessor

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

// Generations of what is buffered, as reports name them.
const (
	generationNursery = "nursery" // something of the trace lies in a bundle with others'
	generationParked  = "parked"  // all of it lies in bundles of its own
	generationRecall  = "recall"  // dropped, and held in case an error comes late
)

// inventory is what a shard holds, as of its latest report.
type inventory struct {
	nursery, parked, recall journey.Generation
	oldest                  time.Time // arrival of the oldest that waits; zero: none does
}

// inventorySize is how many waiting traces are looked at. Of more, generations are
// estimated from as many, in the random order of Go's maps.
const inventorySize = 1024

func (s *shard) takeInventory() *inventory {
	c := &inventory{recall: journey.Generation{Traces: int64(len(s.recall.traces)), Bytes: s.recall.size}}
	if s.oldest != nil {
		c.oldest = s.engine.time(s.oldest.first)
	}
	looked := 0
	for _, t := range s.traces {
		if looked == inventorySize {
			break
		}
		looked++
		of := &c.nursery
		if t.spans.allParked(s.engine.store.bundles) && t.logs.allParked(s.engine.store.bundles) {
			of = &c.parked
		}
		of.Traces++
		of.Bytes += s.engine.store.weight(t)
	}
	if all := len(s.traces); looked < all {
		scale := float64(all) / float64(looked)
		for _, g := range []*journey.Generation{&c.nursery, &c.parked} {
			g.Traces, g.Bytes = int64(scale*float64(g.Traces)), int64(scale*float64(g.Bytes))
		}
	}
	return c
}

// overloadNames are the words for the levels.
var overloadNames = [...]string{
	calm: "calm", parking: "parking", deciding: "deciding", thinning: "thinning", refusing: "refusing",
}

// Ledger implements journey.Processor.
func (e *engine) Ledger() journey.Ledger { return e.ledger }

// State implements journey.Processor.
func (e *engine) State(now time.Time) journey.State {
	b, t := e.store.buffer, e.telemetry
	level := b.observe()
	s := journey.State{
		Traces: t.tracesPending.Load(), SpansPending: t.spans.pending.Load(), LogRecordsPending: t.logs.pending.Load(),
		UsedBytes: b.used.Load(), LimitBytes: b.limit, ResidentBytes: b.memory.Resident(),
		OverloadLevel: int(level), Overload: overloadNames[level],
		Budget: e.thinner.state(now),
	}
	if e.hasTraces {
		s.Downstream = append(s.Downstream, e.spansOut.state(now))
	}
	if e.hasLogs {
		s.Downstream = append(s.Downstream, e.logsOut.state(now))
	}
	e.addInventory(&s, now)
	return s
}

func (e *engine) addInventory(s *journey.State, now time.Time) {
	sum := [...]journey.Generation{{Name: generationNursery}, {Name: generationParked}, {Name: generationRecall}}
	var oldest time.Time
	for _, shard := range e.shards {
		c := shard.report.inventory.Load()
		if c == nil {
			continue
		}
		for i, g := range [...]*journey.Generation{&c.nursery, &c.parked, &c.recall} {
			sum[i].Traces += g.Traces
			sum[i].Bytes += g.Bytes
		}
		if oldest.IsZero() || !c.oldest.IsZero() && c.oldest.Before(oldest) {
			oldest = c.oldest
		}
	}
	s.Generations = sum[:]
	if !oldest.IsZero() {
		s.OldestWait = max(now.Sub(oldest), 0)
	}
}

// state is the budget's; nil if none is set.
func (n *thinner) state(now time.Time) *journey.BudgetState {
	if n.budget == nil {
		return nil
	}
	b := n.budget.State(now)
	s := &journey.BudgetState{Unit: n.unit, Limit: b.Limit, Rate: b.Rate, Exceeded: b.Exceeded}
	for i, factor := range b.Factors {
		s.Rules = append(s.Rules, journey.BudgetRule{Name: n.rules[i], Probability: n.keeps[i] * factor})
	}
	return s
}

// refusals is how the next component refuses. Any goroutine may use it.
type refusals struct {
	retrying atomic.Int64

	mu    sync.Mutex // for all below
	since time.Time  // of the first refusal after all was taken; zero: none is
	err   error      // of the latest
}

// add notes a batch that was refused for now; the caller calls done when it is
// offered again.
func (r *refusals) add(err error, now time.Time) (done func()) {
	r.retrying.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		r.since = now
	}
	r.err = err
	return func() { r.retrying.Add(-1) }
}

// end notes that a batch was taken.
func (r *refusals) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since, r.err = time.Time{}, nil
}

func (r *releaser) state(now time.Time) journey.Downstream {
	d := journey.Downstream{Signal: r.count.signal, Retrying: r.refusals.retrying.Load()}
	r.mu.Lock()
	d.Queued = int64(len(r.queue))
	r.mu.Unlock()
	r.refusals.mu.Lock()
	defer r.refusals.mu.Unlock()
	if !r.refusals.since.IsZero() {
		d.Refusing, d.Error = max(now.Sub(r.refusals.since), 1), r.refusals.err.Error()
	}
	return d
}

// keepsOf are the rules' own probabilities, with that of what none matches.
func keepsOf(rules []policy.Rule) []float64 {
	keeps := make([]float64, 0, len(rules)+1)
	for i := range rules {
		keeps = append(keeps, rules[i].Threshold.Probability())
	}
	return append(keeps, 1)
}
