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

// trace is a trace that waits for its decision.
type trace struct {
	id          pcommon.TraceID
	facts       facts.Facts
	spans, logs []piece
	spanBytes   int64
	logBytes    int64
	logRecords  int
	size        int64 // accounted memory: pieces, facts and the trace itself
	factsSize   int64

	first, last time.Time // arrival of the first part and of the last span
	due         time.Time // when to decide if nothing more arrives
	scheduled   time.Time // of its newest entry in the deadline queue
	decided     bool

	older, newer *trace // neighbours by arrival, for deciding the oldest early
}

// usualPieces is how many pieces a trace is given room for at first.
const usualPieces = 4

// traceOverhead is what a trace takes besides its pieces and its facts: itself
// and its entries in the map and in the deadline queue.
const traceOverhead = 320

// shard owns a share of the traces. Everything below `in` belongs to its
// goroutine alone.
type shard struct {
	engine *engine
	in     chan arrival

	traces         map[pcommon.TraceID]*trace
	oldest, newest *trace
	deadlines      *deadline.Queue[*trace]
	kept           *memory.Generations[pcommon.TraceID, *verdict]
	dropped        *memory.Generations[pcommon.TraceID, *verdict]
	size           int64 // accounted memory of traces
	counts         decisionCounts
}

func newShard(e *engine) *shard {
	n := len(e.shards)
	return &shard{
		engine: e, in: make(chan arrival, arrivals),
		traces:    make(map[pcommon.TraceID]*trace),
		deadlines: deadline.New[*trace](tick, time.Now()),
		kept:      memory.New[pcommon.TraceID, *verdict](e.config.Decisions.Kept / n),
		dropped:   memory.New[pcommon.TraceID, *verdict](e.config.Decisions.Dropped / n),
		counts:    decisionCounts{telemetry: e.telemetry, options: make(map[decisionKey]decisionOptions)},
	}
}

// run is the shard's goroutine. It ends when its input is closed, after it has
// decided everything.
func (s *shard) run() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case a, ok := <-s.in:
			if !ok {
				s.decideAll()
				return
			}
			s.assemble(a)
		case <-ticker.C:
			s.decideDue(time.Now())
		}
		s.relieve()
	}
}

func (s *shard) assemble(a arrival) {
	for _, f := range a.fragments {
		t := s.traces[f.id]
		if t == nil {
			if v := s.remembered(f.id); v != nil {
				s.follow(v, f, a.logs)
				continue
			}
			t = s.open(f.id, a.at)
		}
		if a.logs {
			t.addLogs(f)
		} else {
			t.addSpans(f, a.at)
		}
		s.account(t, f.size())
		if t.spanBytes+t.logBytes >= int64(s.engine.config.Buffer.Trace) {
			s.decide(t, policy.Early, earlyTraceSize)
			continue
		}
		s.schedule(t)
	}
}

// open adds a trace as the newest.
func (s *shard) open(id pcommon.TraceID, now time.Time) *trace {
	t := &trace{id: id, first: now, last: now, size: traceOverhead, older: s.newest, spans: make([]piece, 0, usualPieces)}
	if s.newest != nil {
		s.newest.newer = t
	} else {
		s.oldest = t
	}
	s.newest = t
	s.traces[id] = t
	s.size += t.size
	s.engine.buffer.add(t.size)
	s.engine.telemetry.tracesPending.Add(1)
	return t
}

// closeTrace takes a trace out. Its entry in the deadline queue stays until it
// comes up, and is then ignored.
func (s *shard) closeTrace(t *trace) {
	t.decided = true
	delete(s.traces, t.id)
	if t.older != nil {
		t.older.newer = t.newer
	} else {
		s.oldest = t.newer
	}
	if t.newer != nil {
		t.newer.older = t.older
	} else {
		s.newest = t.older
	}
	t.older, t.newer = nil, nil
	s.size -= t.size
	s.engine.telemetry.tracesPending.Add(-1)
}

func (t *trace) addSpans(f *fragment, now time.Time) {
	t.facts.Merge(&f.facts)
	t.spans = append(t.spans, f.pieces...)
	t.spanBytes += f.bytes
	t.last = now
}

func (t *trace) addLogs(f *fragment) {
	t.logs = append(t.logs, f.pieces...)
	t.logBytes += f.bytes
	t.logRecords += f.count
}

// account adds what a fragment brought. Its pieces were reserved when it came
// in; what the facts grew by is known only now.
func (s *shard) account(t *trace, pieces int64) {
	grown := t.facts.Size() - t.factsSize
	t.factsSize += grown
	t.size += pieces + grown
	s.size += pieces + grown
	s.engine.buffer.add(grown)
}

// schedule sets the trace's deadline. A deadline that moves away is looked up
// again when the old one comes up; only one that comes nearer needs an entry
// of its own.
func (s *shard) schedule(t *trace) {
	if t.facts.Spans == 0 {
		t.due = t.first.Add(s.engine.config.Logs.WaitForSpans.d)
	} else {
		t.due = s.engine.policy.Deadline(&t.facts, t.first, t.last)
	}
	if t.scheduled.IsZero() || t.due.Before(t.scheduled) {
		t.scheduled = t.due
		s.deadlines.Add(t.due, t)
	}
}

func (s *shard) decideDue(now time.Time) {
	s.deadlines.Due(now, func(_ int64, t *trace) {
		switch {
		case t.decided:
		case t.due.After(now):
			t.scheduled = t.due
			s.deadlines.Add(t.due, t)
		default:
			s.decide(t, policy.Waited, "")
		}
	})
}

// relieve decides the oldest traces early while the shard holds more than its
// share of the buffer.
func (s *shard) relieve() {
	for s.oldest != nil && s.size > s.engine.shardLimit {
		s.decide(s.oldest, policy.Early, earlyMemory)
	}
}

func (s *shard) decideAll() {
	for s.oldest != nil {
		s.decide(s.oldest, policy.Early, earlyShutdown)
	}
}
