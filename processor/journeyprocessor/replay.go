package journeyprocessor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/deadline"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

// Replay is the processor over recorded telemetry, in the recording's own
// time: the same engine, whose clock stands still until the next batch is
// brought, and whose one shard and releases are worked by the caller's
// goroutine in place of their own. So it decides what a collector would have
// decided that got the same batches at the same times, as fast as the machine
// can, and always the same.
//
// What differs from a collector: it has one shard, so of decisions that depend
// on those before them (budget, percentiles, shapes) the order within a tick
// may be another; the next component takes everything at once; and storage
// plays no part. One goroutine at a time.
type Replay struct {
	engine *engine
	shard  *shard
	now    time.Time
	ticked time.Time // the last tick of the shard's clock
}

// ReplayDecision is a decision, as Replay reports it.
type ReplayDecision struct {
	TraceID          pcommon.TraceID
	Journey, Outcome string
	Rule             string
	MustKeep         bool // the rule keeps all that it matches
	Kept             bool
	Probability      float64 // with which it was kept or dropped; 0 with Kept: not known
	At               time.Time
	// Spans and log records that were there; Spans is 0 for log records whose
	// spans have not come.
	Spans, LogRecords   int
	SpanBytes, LogBytes int64 // as OTLP, without their resources
	// Revises says that the journey was dropped before and a late error has
	// brought it back: all of it or, with LateAlone, what came late, because
	// the rest was no longer held.
	Revises, LateAlone bool
}

// ReplaySettings is what a replay is made of.
type ReplaySettings struct {
	Config *Config
	// Telemetry takes the processor's metrics and logs.
	Telemetry component.TelemetrySettings
	// Traces and Logs get what a collector would have sent on; batches are theirs.
	Traces consumer.Traces
	Logs   consumer.Logs
	// Decided is told of each decision as it is made.
	Decided func(ReplayDecision)
	// Begin is when the processor starts; of what comes first, usually.
	Begin time.Time
}

// NewReplay makes a replay. The configuration is one that is valid.
func NewReplay(s ReplaySettings) (*Replay, error) {
	r := &Replay{now: s.Begin, ticked: s.Begin}
	in := surroundings{shardCount: 1, now: func() time.Time { return r.now }}
	in.witness = func(t *trace, d *policy.Decision, how revision) {
		decision := newReplayDecision(t, d, r.now)
		decision.Revises, decision.LateAlone = how != firstDecision, how == lateAlone
		s.Decided(decision)
	}
	e, err := newEngineIn(in, component.NewID(NewFactory().Type()), s.Telemetry, s.Config)
	if err != nil {
		return nil, fmt.Errorf("make a processor to replay with: %w", err)
	}
	if err := errors.Join(e.setTraces(s.Traces), e.setLogs(s.Logs)); err != nil {
		return nil, err
	}
	// Nothing is started: a queue that is closed hands out what it has and does
	// not wait for more, on whichever goroutine asks.
	e.spansOut.closed, e.logsOut.closed = true, true
	r.engine, r.shard = e, newShard(e, 0)
	e.shards[0], e.running = r.shard, true
	return r, nil
}

func newReplayDecision(t *trace, d *policy.Decision, now time.Time) ReplayDecision {
	return ReplayDecision{
		TraceID: t.id, Journey: d.Journey, Outcome: d.Outcome.String(), Rule: d.Rule, MustKeep: d.MustKeep,
		Kept: d.Kept, Probability: d.Probability, At: now,
		Spans: t.facts.Spans, LogRecords: t.logs.count, SpanBytes: t.spans.bytes, LogBytes: t.logs.bytes,
	}
}

// ConsumeTraces lets time pass until at and takes a batch in, as the
// processor's does. An earlier time than the one before counts as that. It
// only reads td. A batch that is refused is counted by the metrics.
func (r *Replay) ConsumeTraces(at time.Time, td ptrace.Traces) {
	r.consume(at, func() error { return r.engine.ConsumeTraces(context.Background(), td) })
}

// ConsumeLogs is ConsumeTraces for log records.
func (r *Replay) ConsumeLogs(at time.Time, ld plog.Logs) {
	r.consume(at, func() error { return r.engine.ConsumeLogs(context.Background(), ld) })
}

// consume brings a batch in. One that is refused for want of memory is offered
// once more when the shard has made room, as a sender does.
func (r *Replay) consume(at time.Time, batch func() error) {
	r.Advance(at)
	if err := batch(); errors.Is(err, errFull) {
		r.settle()
		_ = batch() // counted
	}
	r.settle()
}

// settle does what the shard's goroutine and those of the releases do until
// there is nothing left to do at this time.
func (r *Replay) settle() {
	for s := r.shard; ; {
		select {
		case a := <-s.in:
			s.assemble(a)
			continue
		case <-s.short:
			continue
		default:
		}
		s.relieve()
		s.flush()
		break
	}
	for _, out := range []*releaser{r.engine.spansOut, r.engine.logsOut} {
		if len(out.queue) > 0 {
			out.run(context.Background())
		}
	}
}

// Advance lets time pass: the shard ticks as its ticker would have, and stands
// still while nothing waits for a decision.
func (r *Replay) Advance(to time.Time) {
	for next := r.ticked.Add(tick); !next.After(to); next = r.ticked.Add(tick) {
		if r.shard.oldest == nil {
			r.skip(to)
			break
		}
		r.now, r.ticked = next, next
		r.shard.onTick(next)
		r.settle()
	}
	if to.After(r.now) {
		r.now = to
	}
}

// skip passes over the ticks of a time in which nothing waits, which may be
// years in a recording that was put together.
func (r *Replay) skip(to time.Time) {
	r.ticked = r.ticked.Add(to.Sub(r.ticked).Truncate(tick))
	r.shard.deadlines = deadline.New[*appointment](tick, r.ticked)
	r.now = r.ticked
	r.shard.onTick(r.now)
	r.settle()
}

// Finish lets time pass until everything is decided, parts with what is held
// for late errors, and gives everything back. The time is that of the last
// decision.
func (r *Replay) Finish() time.Time {
	for r.shard.oldest != nil {
		r.Advance(r.ticked.Add(tick))
	}
	r.shard.letGo(everything)
	r.settle()
	e := r.engine
	e.running, e.stopped = false, true
	e.telemetry.Shutdown()
	return r.now
}

// Now is what the recording's time has come to.
func (r *Replay) Now() time.Time { return r.now }

// Pending is how many spans and log records wait, for a decision or for a late
// error.
func (r *Replay) Pending() int64 {
	return r.engine.telemetry.spans.pending.Load() + r.engine.telemetry.logs.pending.Load()
}
