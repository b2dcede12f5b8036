package journeyprocessor

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/deadline"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/memory"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

const (
	// tick is how often a shard looks for traces that are due: a finished
	// journey is decided at most two ticks after its wait has ended.
	tick = 100 * time.Millisecond
	// arrivals is how many batches may wait for a shard. Enough that the
	// goroutines that bring them are not woken one by one, few enough that
	// what is not yet assembled is a small part of what is buffered.
	arrivals = 16
)

// instant is a time on the engine's clock: nanoseconds since it was made, by the
// monotonic clock. A third of a time.Time, of which each trace has five, and
// without a pointer. 0 stands for none.
type instant int64

func (i instant) add(d time.Duration) instant { return i + instant(d) }

// instant and time are each other's inverse.
func (e *engine) instant(t time.Time) instant { return instant(t.Sub(e.began)) }

func (e *engine) time(i instant) time.Time { return e.began.Add(time.Duration(i)) }

// trace is a trace that waits for its decision.
type trace struct {
	id          pcommon.TraceID
	facts       *facts.Facts
	spans, logs holdings
	size        int64 // accounted memory: pieces, facts and the trace itself; not the bundles
	factsSize   int64
	held        int64 // weight as counted by the recall that holds it

	first, last instant // arrival of the first part and of the last span
	due         instant // when to decide if nothing more arrives
	scheduled   instant // of its entry in the deadline queue; 0: it has none
	parkAt      instant // when to park what lies as it came, if that is worth it; 0: nothing does
	appointment *appointment

	older, newer *trace // neighbours by arrival, for deciding the oldest early
}

// appointment is a trace's entry in the deadline queue. Nothing can be taken out
// of the queue, so an entry that is no longer wanted is emptied: it would keep a
// trace that was decided early on the heap for as long as that had to wait.
type appointment struct{ trace *trace }

// cancel empties a trace's entry in the queue, if it has one.
func (t *trace) cancel() {
	if t.appointment != nil {
		t.appointment.trace, t.appointment = nil, nil
	}
	t.scheduled = 0
}

// weight is the memory that a trace takes, with its part of the bundles.
func (s *store) weight(t *trace) int64 {
	return t.size + t.spans.share(s.bundles) + t.logs.share(s.bundles)
}

// usualPieces is how many pieces a trace is given room for at first.
const usualPieces = 4

// traceOverhead is what a trace takes besides its pieces and its facts: itself
// and its entries in the map and in the queues.
const traceOverhead = heapHeadroom * 320

// shard owns a share of the traces. Everything below `in` belongs to its
// goroutine alone.
type shard struct {
	engine *engine
	in     chan arrival
	short  chan struct{} // memory is short: wakes a shard that nothing arrives at; holds one
	// questions are answered at once; whoever asks waits. Ended is closed when
	// nobody will answer any more.
	questions chan question
	ended     chan struct{}

	traces                            map[pcommon.TraceID]*trace
	traceList                                // of those, by arrival
	cutShort                          int    // traces decided because of a stop
	sweep                             *trace // the next to be parked for want of memory; nil: the oldest
	rememberedKept, rememberedDropped int    // as counted last
	swept                             bool   // that the newest was reached since the last tick
	deadlines                         *deadline.Queue[*appointment]
	parker                            parker
	recall                            recall
	memory                            *memory.Decisions
	counts                            decisionCounts
	shadow                            *shadowCounts
	ledger                            *ledgerPart  // shared with who looks something up
	report                            *shardReport // nil without a reporter
}

func newShard(e *engine, index int) *shard {
	n, now := len(e.shards), e.now()
	return &shard{
		engine: e, in: make(chan arrival, arrivals), short: make(chan struct{}, 1),
		questions: make(chan question), ended: make(chan struct{}),
		traces:    make(map[pcommon.TraceID]*trace),
		deadlines: deadline.New[*appointment](tick, now),
		parker:    newParker(&e.store),
		recall:    newRecall(int64(e.config.Buffer.Recall) / int64(n)),
		memory:    memory.New(memory.NewSeed(), e.config.Decisions.Kept/n, e.config.Decisions.Dropped/n),
		counts:    newDecisionCounts(e.telemetry),
		shadow:    e.shadow.newCounts(),
		ledger:    e.ledger.parts[index],
		report:    e.reporting.newShardReport(index == 0),
	}
}

// run is the shard's goroutine. It ends when its input is closed, after it has
// decided everything, unless the engine hands over what waits.
func (s *shard) run() {
	defer close(s.ended)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case a, ok := <-s.in:
			if !ok {
				if s.engine.handsOver {
					s.letGo(everything)
				} else {
					s.decideAll()
				}
				s.flush()
				s.report.flush(s)
				return
			}
			s.assemble(a)
		case <-ticker.C:
			now := s.engine.now()
			s.onTick(now)
			s.report.send(s, now)
		case q := <-s.questions:
			q.answer <- s.standing(q.id)
			continue // nothing has changed
		case <-s.short:
		}
		s.relieve()
		s.flush()
	}
}

// onTick does what is due by the clock alone.
func (s *shard) onTick(now time.Time) {
	s.swept = false
	s.wakeDue(now)
	s.parkHeld(s.engine.instant(now))
	s.countRemembered()
}

// flush brings what was counted since the last time to the metrics.
func (s *shard) flush() {
	s.counts.flush()
	s.shadow.flush()
}

func (s *shard) assemble(a arrival) {
	for _, f := range a.fragments {
		s.take(f, a.logs, a.at)
		f.recycle()
	}
}

// countRemembered brings the metric to what is remembered now.
func (s *shard) countRemembered() {
	kept, dropped := s.memory.Len()
	s.engine.telemetry.remember(kept-s.rememberedKept, dropped-s.rememberedDropped)
	s.rememberedKept, s.rememberedDropped = kept, dropped
}

// take adds a fragment to its trace, which may be a new one, or has it follow
// the decision about it.
func (s *shard) take(f *fragment, logs bool, at time.Time) {
	t := s.traces[f.id]
	if t == nil {
		if v := s.remembered(f.id); v != nil {
			s.follow(v, f, logs)
			return
		}
		t = s.open(f.id, at)
	}
	s.add(t, f, logs, s.engine.instant(at))
	if t.spans.bytes+t.logs.bytes >= int64(s.engine.config.Buffer.Trace) {
		s.decide(t, policy.Early, earlyTraceSize)
		return
	}
	s.schedule(t)
}

// open adds a trace as the newest.
func (s *shard) open(id pcommon.TraceID, now time.Time) *trace {
	at := s.engine.instant(now)
	t := &trace{id: id, facts: noFacts, first: at, last: at, size: traceOverhead}
	t.spans.pieces = make([]piece, 0, usualPieces)
	s.push(t)
	s.traces[id] = t
	s.engine.store.buffer.add(t.size)
	s.engine.telemetry.tracesPending.Add(1)
	return t
}

// closeTrace takes a trace out.
func (s *shard) closeTrace(t *trace) {
	t.cancel()
	delete(s.traces, t.id)
	if s.sweep == t {
		s.sweep = t.newer
	}
	s.remove(t)
	s.engine.telemetry.tracesPending.Add(-1)
}

// noFacts are those of a trace of which no span has come. They do not change.
var noFacts = &facts.Facts{}

// learn adds what a fragment knows.
func (t *trace) learn(f *fragment) {
	if t.facts == noFacts {
		t.facts = new(facts.Facts)
	}
	t.facts.Merge(&f.facts.Facts)
}

// add adds a fragment to its trace, and to the account what it made the trace
// grow by: its pieces were reserved when they came in; what the facts grew by
// is known only now.
func (s *shard) add(t *trace, f *fragment, logs bool, now instant) {
	if logs {
		t.logs.add(f)
	} else {
		t.learn(f)
		t.spans.add(f)
		t.last = now
	}
	if t.parkAt == 0 {
		t.parkAt = now.add(s.engine.config.Buffer.ParkAfter.d)
	}
	grown := heapHeadroom*t.facts.Size() - t.factsSize
	t.factsSize += grown
	t.size += f.size() + grown
	s.engine.store.buffer.add(grown)
}

// schedule sets the trace's deadline.
func (s *shard) schedule(t *trace) {
	e := s.engine
	if t.facts.Spans == 0 {
		t.due = t.first.add(e.config.Logs.WaitForSpans.d)
	} else {
		t.due = e.instant(e.policy.Deadline(t.facts, e.learned, e.time(t.first), e.time(t.last)))
	}
	s.wake(t)
}

// wake has the trace come up when it is to be decided or parked, whichever is
// sooner. A time that moves away is looked up again when the old one comes up;
// only one that comes nearer needs a new entry.
func (s *shard) wake(t *trace) {
	at := t.due
	if t.parkAt != 0 {
		at = min(at, t.parkAt)
	}
	if t.scheduled == 0 || at < t.scheduled {
		t.cancel()
		t.scheduled, t.appointment = at, &appointment{t}
		s.deadlines.Add(s.engine.time(at), t.appointment)
	}
}

func (s *shard) wakeDue(now time.Time) {
	at := s.engine.instant(now)
	s.deadlines.Due(now, func(a *appointment) {
		t := a.trace
		if t == nil {
			return
		}
		t.cancel()
		if t.due <= at {
			s.decide(t, policy.Waited, "")
			return
		}
		if s.mayPark(t, at) {
			s.park(t, at)
		}
		s.wake(t)
	})
}

func (s *shard) decideAll() {
	for s.oldest != nil {
		s.cutShort++
		s.decide(s.oldest, policy.Early, earlyShutdown)
	}
	s.letGo(everything)
}
