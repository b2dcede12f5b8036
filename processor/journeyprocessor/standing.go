package journeyprocessor

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/memory"
)

// question asks a shard about one trace. The answer has room for one, so that
// the shard never waits for whoever asks.
type question struct {
	id     pcommon.TraceID
	answer chan<- journey.Standing
}

// Memory implements journey.Asked.
func (e *engine) Memory() journey.Memory {
	c := &e.config.Decisions
	return journey.Memory{Ledger: c.Ledger, Kept: c.Kept, Dropped: c.Dropped}
}

// Standing implements journey.Asked. A shard takes one question at a time, and
// as readily as a batch; whoever asks waits for it, and nobody else does.
func (e *engine) Standing(ctx context.Context, id pcommon.TraceID) (journey.Standing, error) {
	s := e.shards[shardOf(id, len(e.shards))]
	answer := make(chan journey.Standing, 1)
	select {
	case s.questions <- question{id, answer}:
		return <-answer, nil // at once: it has taken the question
	case <-s.ended:
		return journey.Standing{}, errStopping
	case <-ctx.Done():
		return journey.Standing{}, fmt.Errorf("journey: ask about trace %s: %w", id, ctx.Err())
	}
}

// standing answers a question.
func (s *shard) standing(id pcommon.TraceID) journey.Standing {
	if t := s.traces[id]; t != nil {
		return journey.Standing{Waiting: s.waiting(t)}
	}
	switch answer, v := s.memory.Lookup(id); answer {
	case memory.Kept:
		r := &journey.Remembered{Kept: true, Journey: v.Journey}
		if kept := asVerdict(v); !kept.unweighted {
			r.Probability = kept.threshold.Probability()
		}
		return journey.Standing{Remembered: r}
	case memory.Dropped:
		return journey.Standing{Remembered: &journey.Remembered{}}
	default:
		return journey.Standing{}
	}
}

// waiting puts into words what is known of a trace that waits.
func (s *shard) waiting(t *trace) *journey.Waiting {
	e, f := s.engine, t.facts
	w := &journey.Waiting{
		Since: e.time(t.first), LastSpanAt: e.time(t.last), Due: e.time(t.due), LogRecords: t.logs.count,
	}
	if f.Spans == 0 {
		w.DecidedBy, w.Outcome = w.Due, "ok"
		w.WaitsFor = []journey.Lack{{What: journey.LackSpans, Until: w.Due}}
		return w
	}
	known := e.policy.Waiting(f, e.learned)
	w.DecidedBy = w.Since.Add(known.Max)
	w.Journey, w.Outcome, w.OutcomeReason = known.Journey, known.Outcome.String(), shortReason(known.Why)
	w.Summary = journey.Summary{
		Complete: known.Whole, Spans: f.Spans, Bytes: t.spans.bytes,
		Duration: time.Duration(f.Duration()), //nolint:gosec // not 292 years
	}
	for _, service := range shortPath(f.Services) {
		w.Path = append(w.Path, service.Name)
	}
	if root := f.Root(); root != nil {
		w.RootService, w.RootSpan = root.Service, root.Name
	}
	for i := range known.Steps {
		if name := known.Steps[i].Name; f.Held.Has(known.Steps[i].Match) {
			w.StepsReached = append(w.StepsReached, name)
		} else {
			w.StepsMissing = append(w.StepsMissing, name)
		}
	}
	for _, l := range known.Lacks {
		until := w.LastSpanAt.Add(l.Wait)
		if until.After(w.DecidedBy) {
			until = w.DecidedBy
		}
		w.WaitsFor = append(w.WaitsFor, journey.Lack{What: l.What, Name: l.Name, Count: l.Count, Until: until})
	}
	return w
}
