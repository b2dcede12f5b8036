package journeyprocessor

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/weight"
)

// Attributes of kept spans. They are span attributes because Jaeger does not
// show those of a scope.
const (
	attrName        = "journey.name" // on every span; the others on one
	attrID          = "journey.id"
	attrOutcome     = "journey.outcome"
	attrPath        = "journey.path"
	attrDuration    = "journey.duration_ms"
	attrReached     = "journey.steps.reached"
	attrMissing     = "journey.steps.missing"
	attrSpanCount   = "journey.span_count"
	attrComplete    = "journey.complete"
	attrRule        = "journey.sampling.rule"
	attrReason      = "journey.sampling.reason"
	attrProbability = "journey.sampling.probability"
)

// tag is what is written on one span of a kept trace: its root, or its
// earliest span if it has none.
type tag struct {
	span             facts.SpanID
	decision         policy.Decision
	path             []facts.Service
	duration         time.Duration
	spans            int
	reached, missing []string
}

func newTag(t *trace, d *policy.Decision) *tag {
	on := cmp.Or(t.facts.Root(), t.facts.First())
	reached, missing := d.StepNames(t.facts)
	return &tag{
		span: on.ID, decision: *d, path: t.facts.Services,
		duration: time.Duration(t.facts.Duration()), spans: t.facts.Spans,
		reached: reached, missing: missing,
	}
}

func (g *tag) write(id pcommon.TraceID, attributes pcommon.Map) {
	attributes.EnsureCapacity(attributes.Len() + 12)
	attributes.PutStr(attrID, id.String())
	attributes.PutStr(attrOutcome, g.decision.Outcome.String())
	path := attributes.PutEmptySlice(attrPath)
	path.EnsureCapacity(len(g.path))
	for _, service := range g.path {
		path.AppendEmpty().SetStr(service.Name)
	}
	attributes.PutDouble(attrDuration, float64(g.duration)/float64(time.Millisecond))
	putStrings(attributes, attrReached, g.reached)
	putStrings(attributes, attrMissing, g.missing)
	attributes.PutInt(attrSpanCount, int64(g.spans))
	attributes.PutBool(attrComplete, g.decision.Complete)
	attributes.PutStr(attrRule, g.decision.Rule)
	attributes.PutStr(attrReason, g.decision.Reason)
	if g.decision.Probability > 0 { // it is known
		attributes.PutDouble(attrProbability, g.decision.Probability)
	}
}

func putStrings(attributes pcommon.Map, key string, values []string) {
	if len(values) == 0 {
		return
	}
	list := attributes.PutEmptySlice(key)
	for _, v := range values {
		list.AppendEmpty().SetStr(v)
	}
}

// tagger writes on the spans of one batch.
type tagger struct {
	byTrace map[pcommon.TraceID]*released
	// Spans of a trace mostly share their tracestate.
	marked map[mark]string
	// invalid is how many tracestates had to be replaced.
	invalid int
}

type mark struct {
	verdict    *verdict
	tracestate string
}

func newTagger(batch []*released) *tagger {
	t := &tagger{byTrace: make(map[pcommon.TraceID]*released, len(batch)), marked: make(map[mark]string)}
	for _, v := range batch {
		if v.verdict != nil && (v.tag != nil || t.byTrace[v.id] == nil) {
			t.byTrace[v.id] = v
		}
	}
	return t
}

func (t *tagger) write(td ptrace.Traces) {
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				if v := t.byTrace[span.TraceID()]; v != nil {
					t.writeSpan(v, span)
				}
			}
		}
	}
}

func (t *tagger) writeSpan(v *released, span ptrace.Span) {
	span.TraceState().FromRaw(t.mark(v.verdict, span.TraceState().AsRaw()))
	span.Attributes().PutStr(attrName, v.verdict.journey)
	if v.tag != nil && facts.NewSpanID(span.SpanID()) == v.tag.span {
		v.tag.write(v.id, span.Attributes())
	}
}

func (t *tagger) mark(v *verdict, tracestate string) string {
	if v.unweighted {
		return weight.Erase(tracestate)
	}
	key := mark{v, tracestate}
	if done, ok := t.marked[key]; ok {
		return done
	}
	done, ok := weight.Mark(tracestate, v.threshold)
	if !ok {
		t.invalid++
		return done // counted for every span that has it
	}
	t.marked[key] = done
	return done
}

// deliverTraces decodes, tags and hands on a batch of spans.
func (e *engine) deliverTraces(next consumer.Traces) func(context.Context, []byte, []*released) error {
	return func(ctx context.Context, request []byte, batch []*released) error {
		td, invalid, err := taggedSpans(request, batch)
		if err != nil {
			return consumererror.NewPermanent(err)
		}
		size := e.thinner.sizeOfTraces(td)
		if err := next.ConsumeTraces(ctx, td); err != nil {
			return err
		}
		e.thinner.left(size, batch)
		e.telemetry.ProcessorJourneyInvalidTracestates.Add(ctx, int64(invalid))
		return nil
	}
}

// taggedSpans decodes a batch's request and writes on its spans what is to be
// written. Invalid is how many tracestates had to be replaced.
func taggedSpans(request []byte, batch []*released) (td ptrace.Traces, invalid int, err error) {
	td, err = (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(request)
	if err != nil {
		return td, 0, fmt.Errorf("decode buffered spans: %w", err)
	}
	t := newTagger(batch)
	t.write(td)
	return td, t.invalid, nil
}

// deliverLogs decodes, tags and hands on a batch of log records.
func (e *engine) deliverLogs(next consumer.Logs) func(context.Context, []byte, []*released) error {
	return func(ctx context.Context, request []byte, batch []*released) error {
		ld, err := taggedLogs(request, batch)
		if err != nil {
			return consumererror.NewPermanent(err)
		}
		size := e.thinner.sizeOfLogs(ld)
		if err := next.ConsumeLogs(ctx, ld); err != nil {
			return err
		}
		e.thinner.left(size, batch)
		return nil
	}
}

// taggedLogs is taggedSpans for log records.
func taggedLogs(request []byte, batch []*released) (plog.Logs, error) {
	ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(request)
	if err != nil {
		return ld, fmt.Errorf("decode buffered log records: %w", err)
	}
	t := newTagger(batch)
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, record := range sl.LogRecords().All() {
				if v := t.byTrace[record.TraceID()]; v != nil {
					record.Attributes().PutStr(attrName, v.verdict.journey)
				}
			}
		}
	}
	return ld, nil
}
