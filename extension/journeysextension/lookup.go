package journeysextension

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// askTimeout is how long a processor is waited for that is asked about a trace.
// It answers at once unless it has far too much to do.
const askTimeout = 2 * time.Second

// errBusy says that a processor did not answer in time.
var errBusy = errors.New("the processor has not answered in time; ask again")

// lookUp is what all processors know of a trace. What the ledgers have, nobody
// has to be asked for; and what was decided while a processor was asked, they
// have then.
func (a *attached) lookUp(ctx context.Context, config *Config, id pcommon.TraceID, now time.Time) (any, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if processor, d, ok := a.decided(id); ok {
		return config.lookup(processor, &d), nil
	}
	processor, standing, err := a.standing(ctx, id)
	if standing.Waiting != nil {
		return config.waiting(processor, id, standing.Waiting, now), nil
	}
	if processor, d, ok := a.decided(id); ok {
		return config.lookup(processor, &d), nil
	}
	switch {
	case standing.Remembered != nil:
		return config.remembered(processor, id, standing.Remembered), nil
	case err != nil:
		return nil, fmt.Errorf("trace %s: %w: %w", id, errBusy, err)
	}
	return nil, fmt.Errorf("trace %s: %w: %s", id, errUnknown, a.unknown())
}

// standing asks all processors that can be asked. That a trace waits is more
// than that a decision about it is remembered, and kept more than dropped. The
// lock is held.
func (a *attached) standing(ctx context.Context, id pcommon.TraceID) (processor string, s journey.Standing, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var errs []error
	for _, p := range a.list {
		asked, ok := p.Processor.(journey.Asked)
		if !ok {
			continue
		}
		one, err := asked.Standing(ctx, id)
		errs = append(errs, err)
		switch {
		case one.Waiting != nil:
			return p.id, one, nil
		case one.Remembered != nil && (s.Remembered == nil || one.Remembered.Kept):
			processor, s = p.id, one
		}
	}
	return processor, s, errors.Join(errs...)
}

// unknown says in words what it means that nothing is known of a trace. The lock
// is held.
func (a *attached) unknown() string {
	if len(a.list) == 0 {
		return "no journey processor reports here"
	}
	said := []string{"this collector has not seen it, or has decided about it so long ago that it is forgotten"}
	for _, p := range a.list {
		if asked, ok := p.Processor.(journey.Asked); ok {
			m := asked.Memory()
			said = append(said, fmt.Sprintf("%s knows the latest %d decisions in detail, and of the latest %d kept and %d dropped traces that they were",
				p.id, m.Ledger, m.Kept, m.Dropped))
		}
	}
	return strings.Join(said, "; ")
}

// decided asks the ledgers for a trace. The latest decision counts. The lock is
// held.
func (a *attached) decided(id pcommon.TraceID) (processor string, d journey.Decision, ok bool) {
	for _, p := range a.list {
		if one, found := p.Ledger().Lookup(id); found && (!ok || one.At.After(d.At)) {
			processor, d, ok = p.id, one, true
		}
	}
	return processor, d, ok
}

// link is the trace's address in the trace store; "" without a template.
func (c *Config) link(traceID string) string {
	return strings.ReplaceAll(c.TraceLink, traceIDMark, traceID)
}

func (c *Config) lookup(processor string, d *journey.Decision) api.Lookup {
	limits := c.Limits.forProcessors()
	name := func(s string) string { name, _ := limits.Name(s); return name }
	l := api.Lookup{
		TraceID: d.TraceID.String(), Status: "dropped", Processor: processor, At: d.At.UTC(), Journey: name(d.Journey),
		Outcome: d.Outcome, OutcomeReason: reason(d.OutcomeReason), Rule: name(d.Rule), Reason: reason(d.Reason),
		Probability: known(d.Probability), Early: d.Early,
		Complete: d.Complete, Path: names(d.Path, name), RootService: name(d.RootService), RootSpan: name(d.RootSpan),
		Spans: int64(d.Spans), LateSpans: int64(d.LateSpans), Bytes: d.Bytes, DurationMS: milliseconds(d.Duration),
		StepsReached: names(d.StepsReached, name), StepsMissing: names(d.StepsMissing, name),
	}
	if d.Kept {
		l.Status, l.Link = "kept", c.link(l.TraceID)
	}
	return l
}

func (c *Config) waiting(processor string, id pcommon.TraceID, w *journey.Waiting, now time.Time) api.Waiting {
	limits := c.Limits.forProcessors()
	name := func(s string) string { name, _ := limits.Name(s); return name }
	answer := api.Waiting{
		TraceID: id.String(), Status: "waiting", Processor: processor,
		Since: w.Since.UTC(), WaitedSeconds: rounded(max(now.Sub(w.Since), 0).Seconds()), LastSpanAt: w.LastSpanAt.UTC(),
		Due: w.Due.UTC(), DecidedBy: w.DecidedBy.UTC(),
		Journey: name(w.Journey), Outcome: w.Outcome, OutcomeReason: reason(w.OutcomeReason), Complete: w.Complete,
		Path: names(w.Path, name), RootService: name(w.RootService), RootSpan: name(w.RootSpan),
		Spans: int64(w.Spans), LogRecords: int64(w.LogRecords), Bytes: w.Bytes, DurationMS: milliseconds(w.Duration),
		StepsReached: names(w.StepsReached, name), StepsMissing: names(w.StepsMissing, name),
		WaitsFor: make([]api.WaitsFor, 0, len(w.WaitsFor)),
	}
	for _, l := range w.WaitsFor {
		answer.WaitsFor = append(answer.WaitsFor, api.WaitsFor{
			What: string(l.What), Name: name(l.Name), Count: int64(l.Count), Until: l.Until.UTC(),
		})
	}
	return answer
}

func (c *Config) remembered(processor string, id pcommon.TraceID, r *journey.Remembered) api.Remembered {
	limits := c.Limits.forProcessors()
	answer := api.Remembered{TraceID: id.String(), Status: "dropped", DetailsForgotten: true, Processor: processor}
	if r.Kept {
		answer.Status, answer.Probability, answer.Link = "kept", known(r.Probability), c.link(answer.TraceID)
		answer.Journey, _ = limits.Name(r.Journey)
	}
	return answer
}

// names is never nil: it is a list in the answer, even of nothing.
func names(list []string, name func(string) string) []string {
	shown := make([]string, 0, len(list))
	for _, s := range list {
		shown = append(shown, name(s))
	}
	return shown
}
