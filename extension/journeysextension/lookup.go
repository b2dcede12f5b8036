package journeysextension

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// lookUp asks all processors for a trace. The latest decision counts.
func (a *attached) lookUp(id pcommon.TraceID) (processor string, d journey.Decision, ok bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
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

// names is never nil: it is a list in the answer, even of nothing.
func names(list []string, name func(string) string) []string {
	shown := make([]string, 0, len(list))
	for _, s := range list {
		shown = append(shown, name(s))
	}
	return shown
}
