package journeyprocessor

import (
	"context"
	"math"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

// recall holds the traces that were dropped last, as they were, because an
// error that comes late may show that they should have been kept. What it holds
// is accounted in the buffer and is freed before anything else is parked or
// decided early. It belongs to its shard's goroutine.
type recall struct {
	limit, size int64 // size is the traces' weight
	traceList
	unsettled *trace // the oldest that parkHeld has not seen; nil: none
	// traces has the latest of each id: there are two when the decision about
	// the first was forgotten before the trace was let go.
	traces map[pcommon.TraceID]*trace
}

func newRecall(limit int64) recall {
	return recall{limit: limit, traces: make(map[pcommon.TraceID]*trace)}
}

// hold takes a dropped trace over instead of dropping it, and says whether it
// did. What has no spans is remembered by nobody, and so never asked for.
func (s *shard) hold(t *trace) bool {
	r := &s.recall
	t.held = s.engine.store.weight(t)
	if t.facts.Spans == 0 || t.held > r.limit || overload(s.engine.store.buffer.level.Load()) > calm {
		return false
	}
	r.push(t)
	if r.unsettled == nil {
		r.unsettled = t
	}
	t.parkAt = s.engine.instant(s.engine.now()).add(settled)
	r.traces[t.id] = t
	r.size += t.held
	s.countHeld(t.spans.count, t.logs.count)
	s.letGo(r.size - r.limit)
	return true
}

// unhold takes a trace out of the recall.
func (s *shard) unhold(t *trace) {
	if s.recall.unsettled == t {
		s.recall.unsettled = t.newer
	}
	s.recall.remove(t)
	if s.recall.traces[t.id] == t {
		delete(s.recall.traces, t.id)
	}
	s.recall.size -= t.held
	s.countHeld(-t.spans.count, -t.logs.count)
}

func (s *shard) countHeld(spans, logs int) {
	s.engine.telemetry.spans.recallable.Add(int64(spans))
	s.engine.telemetry.logs.recallable.Add(int64(logs))
}

// letGo drops the oldest that are held until that many bytes are freed, and
// returns how many were.
func (s *shard) letGo(bytes int64) (freed int64) {
	for t := s.recall.oldest; t != nil && freed < bytes; t = s.recall.oldest {
		freed += t.held
		s.unhold(t)
		s.send(t, droppedVerdict, nil)
	}
	return freed
}

// settled is how long after a decision those that were kept by then have left.
const settled = 5 * time.Second

// parkHeld parks dropped traces that are held, once the kept ones they came with
// have left: where most is kept, the few that are not would hold the bundles of
// all.
func (s *shard) parkHeld(now instant) {
	for t := s.recall.unsettled; t != nil && t.parkAt <= now; t = s.recall.unsettled {
		s.recall.unsettled = t.newer
		s.park(t, now)
		s.weigh(t)
	}
	s.letGo(s.recall.size - s.recall.limit)
}

// weigh brings the recall to what a held trace weighs now.
func (s *shard) weigh(t *trace) {
	s.recall.size -= t.held
	t.held = s.engine.store.weight(t)
	s.recall.size += t.held
}

// everything is more bytes than there are.
const everything = math.MaxInt64

// followDropped treats what comes late of a dropped trace. It is dropped as
// well, unless it shows an error for which a rule now keeps the journey; or it
// joins the rest if that is still held, and goes the way of it.
func (s *shard) followDropped(f *fragment, logs bool) {
	failed := !logs && s.engine.policy.ShowsFault(&f.facts.Facts)
	t := s.recall.traces[f.id]
	held := t != nil
	switch {
	case held:
		s.join(t, f, logs)
	case failed:
		t = alone(f)
	}
	kept := failed && s.upgrade(t, held)
	if !logs {
		s.late(f, kept)
		s.report.late(s.ledger.journey(f.id), f, false)
	}
	switch {
	case kept:
	case held:
		s.letGo(s.recall.size - s.recall.limit)
	default:
		s.sendLate(droppedVerdict, f, logs)
	}
}

// join adds a fragment to a trace that is held.
func (s *shard) join(t *trace, f *fragment, logs bool) {
	t.facts.Services = slices.Clone(t.facts.Services) // the ledger has shown them since the decision
	s.add(t, f, logs, t.last)
	s.weigh(t)
	if logs {
		s.countHeld(0, f.count)
	} else {
		s.countHeld(f.count, 0)
	}
}

// alone is a fragment as a trace: all that is left of it.
func alone(f *fragment) *trace {
	t := &trace{id: f.id, facts: noFacts, size: f.size()}
	t.learn(f)
	t.spans.add(f)
	return t
}

// lateError is what the sampling reason of an upgraded journey begins with.
const lateError = "late error in a dropped journey: "

// upgrade decides again about a dropped trace of which an error has come late,
// and sends it on if a rule that must keep keeps it now, and the budget has it;
// a rule that samples has had its chance. How many such journeys stand for is
// not known, because most of them had no late span to tell: their weight is
// erased. Nothing is concluded from what is missing, as in any early decision.
func (s *shard) upgrade(t *trace, held bool) bool {
	e := s.engine
	now := e.now()
	d := e.policy.Decide(t.id, t.facts, policy.Early, e.learned, now)
	if !d.MustKeep {
		return false
	}
	d.Reason = lateError + d.Reason
	if e.thinner.thin(t, &d, now); !d.Kept {
		return false // must-keeps are to stay within the budget
	}
	d.Probability = 0
	v := &verdict{kept: true, journey: d.Journey, unweighted: true}
	s.memory.Keep(t.id, remembrance(v))
	s.report.upgrade(s.ledger.outcome(t.id), t, &d, now)
	s.ledger.revise(t, &d, now)
	e.telemetry.upgraded(context.Background(), held)
	how := lateAlone
	if held {
		s.unhold(t)
		how = broughtBack
	}
	e.witness.tell(t, &d, how)
	s.send(t, v, &d)
	return true
}
