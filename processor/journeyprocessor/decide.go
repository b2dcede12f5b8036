package journeyprocessor

import (
	"cmp"
	"context"
	"math"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/memory"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

// Reasons of an early decision, as the metrics name them.
const (
	earlyMemory    = "memory"
	earlyTraceSize = "trace_size"
	earlyShutdown  = "shutdown"
)

// earlyWords is what the sampling reason on the root span says of an early
// decision.
var earlyWords = map[string]string{
	earlyMemory:    "decided early: buffer::memory was nearly used up",
	earlyTraceSize: "decided early: the trace reached buffer::trace",
	earlyShutdown:  "decided early: shutdown",
}

// verdict is what is remembered of a decision, and what every span that
// follows it needs. It does not change; traces that were dropped share one.
type verdict struct {
	kept      bool
	journey   string
	threshold sampling.Threshold
	// unweighted says that nobody knows how many it stands for.
	unweighted bool
}

var droppedVerdict = &verdict{}

// remembered returns the verdict about a trace that was decided before; nil if
// there is none or it is forgotten.
func (s *shard) remembered(id pcommon.TraceID) *verdict {
	switch answer, v := s.memory.Lookup(id); answer {
	case memory.Kept:
		return asVerdict(v)
	case memory.Dropped:
		return droppedVerdict
	}
	return nil
}

// unweighted is remembered in place of a threshold, which has 56 bits.
const unweighted = math.MaxUint64

// asVerdict is the inverse of remembrance. A journey for whose name the memory
// had no room is called as in the metrics.
func asVerdict(m memory.Verdict) *verdict {
	v := &verdict{kept: true, journey: cmp.Or(m.Journey, otherJourneys)}
	if threshold, err := sampling.UnsignedToThreshold(m.Weight); err == nil {
		v.threshold = threshold
	} else {
		v.unweighted = true
	}
	return v
}

func remembrance(v *verdict) memory.Verdict {
	if v.unweighted {
		return memory.Verdict{Journey: v.journey, Weight: unweighted}
	}
	return memory.Verdict{Journey: v.journey, Weight: v.threshold.Unsigned()}
}

// decide decides about a trace and parts with it. Early is "" or the reason
// for not having waited.
func (s *shard) decide(t *trace, ending policy.Ending, early string) {
	e := s.engine
	now := e.now()
	d := e.policy.Decide(t.id, t.facts, ending, e.learned, now)
	e.learned.Learn(t.facts, &d, ending, now)
	if early != "" {
		e.telemetry.decidedEarly(early)
		d.Reason += "; " + earlyWords[early]
	}
	e.thinner.thin(t, &d, e.dueAt(t, early, now))
	s.closeTrace(t)
	v := s.remember(t, &d)
	if t.facts.Spans > 0 {
		s.counts.add(&d, t.facts.Spans, t.spans.bytes, t.facts.Duration())
		s.ledger.add(t, &d, early, now)
		s.shadow.decide(t, &d, ending, now, e.dueAt(t, early, now))
		s.report.add(s.engine, t, &d, early, now)
	}
	e.witness.tell(t, &d, firstDecision)
	if !v.kept && s.hold(t) {
		return
	}
	s.send(t, v, &d)
}

// dueAt is the time that a decision counts as made at. At shutdown everything
// that waits is decided at once; it is charged as if it had been decided when
// it would have been finished, or a restart would drop what a budget has room
// for: for as long afterwards nothing leaves.
func (e *engine) dueAt(t *trace, early string, now time.Time) time.Time {
	if due := e.time(t.last).Add(e.config.Completion.Quiet.d); early == earlyShutdown && due.After(now) {
		return due
	}
	return now
}

// remember keeps the verdict for what comes late. About a trace of which only
// log records have come nothing is remembered: its spans may still show that
// it failed.
func (s *shard) remember(t *trace, d *policy.Decision) *verdict {
	v := droppedVerdict
	if d.Kept {
		v = &verdict{kept: true, journey: d.Journey, threshold: d.Threshold}
	}
	switch {
	case t.facts.Spans == 0:
	case d.Kept:
		s.memory.Keep(t.id, remembrance(v))
	default:
		s.memory.Drop(t.id)
	}
	return v
}

// send sends the trace's records on or drops them. The trace's own memory goes
// with its spans. A decision is only needed for what is kept.
func (s *shard) send(t *trace, v *verdict, d *policy.Decision) {
	e := s.engine
	logsSize := t.logs.size()
	spans := &released{id: t.id, verdict: v, holdings: t.spans, size: t.size - logsSize}
	logs := &released{id: t.id, verdict: v, holdings: t.logs, size: logsSize}
	if v.kept && t.facts.Spans > 0 {
		spans.tag = newTag(t, d)
	}
	t.spans, t.logs = holdings{}, holdings{}
	s.parkKept(spans, e.spansOut)
	s.parkKept(logs, e.logsOut)
	e.finish(spans, e.spansOut, &e.telemetry.spans)
	e.finish(logs, e.logsOut, &e.telemetry.logs)
}

// parkKept parks what is kept while it cannot leave: it would hold the bundles
// of all that was dropped with it.
func (s *shard) parkKept(v *released, out *releaser) {
	if !v.verdict.kept || v.count == 0 || !out.isBehind() {
		return
	}
	before := v.holdings.size()
	s.parker.park(&v.holdings, unparked)
	fewer := before - v.holdings.size()
	v.size -= fewer
	s.engine.store.buffer.add(-fewer)
}

// follow treats what comes late as its trace was treated.
func (s *shard) follow(v *verdict, f *fragment, logs bool) {
	if !v.kept {
		s.followDropped(f, logs)
		return
	}
	if !logs {
		s.late(f, true)
		s.report.late(v.journey, f, true)
	}
	s.sendLate(v, f, logs)
}

// late counts spans that came late.
func (s *shard) late(f *fragment, kept bool) {
	s.engine.telemetry.late(kept, f.count)
	s.ledger.late(f.id, f.count)
}

func (s *shard) sendLate(v *verdict, f *fragment, logs bool) {
	e := s.engine
	r := newReleased(f)
	r.id, r.verdict = f.id, v
	if v.kept {
		e.thinner.follows(r, logs)
	}
	if logs {
		e.finish(r, e.logsOut, &e.telemetry.logs)
		return
	}
	e.finish(r, e.spansOut, &e.telemetry.spans)
}

// finish hands r to the release if it is kept; otherwise it ends here, counted.
func (e *engine) finish(r *released, out *releaser, count *signalCounters) {
	if r.verdict.kept && r.count > 0 {
		out.push(r)
		return
	}
	count.dropped(context.Background(), r.count)
	e.store.release(r)
}
