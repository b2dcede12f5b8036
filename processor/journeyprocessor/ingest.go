package journeyprocessor

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/match"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/wire"
)

// serviceName is the resource attribute that names a service
// (OpenTelemetry semantic conventions, resource).
const serviceName = "service.name"

// unknownService is what the conventions call a service without a name.
const unknownService = "unknown_service"

// ConsumeTraces takes a batch in. It only reads td. On an error nothing of the
// batch was taken, and the sender may send it again unless the error is
// permanent.
func (e *engine) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	n := td.SpanCount()
	if n == 0 {
		return nil
	}
	e.reporting.arrived(n)
	return e.ingest(ctx, intake{
		count: &e.telemetry.spans, records: n,
		split: func(s *splitter) (string, error) { return e.splitTraces(s, td) },
	})
}

// intake is what differs between the signals.
type intake struct {
	count   *signalCounters
	records int
	// split gives each trace its part; on an error the batch is refused for
	// the reason.
	split func(*splitter) (reason string, err error)
}

// ingest is what both signals share: split outside of all locks, with memory
// reserved for the whole batch, then hand every shard its part.
func (e *engine) ingest(ctx context.Context, in intake) error {
	count, n := in.count, in.records
	e.gate.RLock()
	defer e.gate.RUnlock()
	if !e.running {
		return count.refused(ctx, n, refusedStopping, errStopping)
	}
	if e.store.buffer.isRefusing() {
		e.relieve()
		return count.refused(ctx, n, refusedFull, errFull)
	}
	s := e.newSplitter()
	defer s.done()
	s.metadata = metadataOf(ctx, e.config.Release.MetadataKeys)
	if reason, err := in.split(s); err != nil {
		e.discard(s.fragments)
		e.store.buffer.add(-s.reserved)
		if reason == refusedFull {
			e.relieve()
		}
		return count.refused(ctx, n, reason, err)
	}
	size, bytes := s.total()
	s.seal(false)
	e.store.buffer.add(size - s.reserved)
	count.pending.Add(int64(n))
	if err := e.handOver(ctx, count, s.fragments); err != nil {
		count.pending.Add(int64(-n))
		e.discard(s.fragments)
		e.store.buffer.add(-size)
		return count.refused(ctx, n, refusedCancelled, err)
	}
	count.received(ctx, n, bytes)
	count.dropped(ctx, s.skipped)
	return nil
}

// relieve has the shards make room, whatever they wait for.
func (e *engine) relieve() {
	for _, s := range e.shards {
		select {
		case s.short <- struct{}{}:
		default: // it has been told
		}
	}
}

func (e *engine) newSplitter() *splitter {
	s := splitters.Get().(*splitter)
	s.store = &e.store
	return s
}

// done ends the use of a splitter.
func (s *splitter) done() {
	s.reset()
	splitters.Put(s)
}

// discard gives back the memory of fragments that go nowhere.
func (e *engine) discard(fragments []*fragment) {
	for _, f := range fragments {
		e.store.freePieces(f.pieces)
	}
}

// arrival is what one batch brings one shard.
type arrival struct {
	at        time.Time
	logs      bool
	fragments []*fragment
}

// handOver gives every shard its fragments. A shard that is behind makes the
// caller wait. The first hand-over may be given up with ctx; after it the
// batch is taken, and all of it is: giving up half-way would make the sender
// send again what we have.
func (e *engine) handOver(ctx context.Context, count *signalCounters, fragments []*fragment) error {
	arrivals := make([]arrival, len(e.shards))
	var untraced *fragment
	for _, f := range fragments {
		if f.id.IsEmpty() {
			untraced = f
			continue
		}
		a := &arrivals[shardOf(f.id, len(e.shards))]
		a.fragments = append(a.fragments, f)
	}
	now, first := e.now(), true
	for i := range arrivals {
		a := arrivals[i]
		if len(a.fragments) == 0 {
			continue
		}
		a.at, a.logs = now, count == &e.telemetry.logs
		if !first {
			e.shards[i].in <- a
			continue
		}
		select {
		case e.shards[i].in <- a:
			first = false
		case <-ctx.Done():
			return fmt.Errorf("journey: wait for shard %d: %w", i, ctx.Err())
		}
	}
	if untraced != nil {
		e.passUntraced(ctx, count, untraced)
	}
	return nil
}

// passUntraced parts with records that follow no trace's decision: spans
// without a trace id, which are not valid and are kept as they came, and log
// records that are kept in any case.
func (e *engine) passUntraced(ctx context.Context, count *signalCounters, f *fragment) {
	out, logs := e.spansOut, count == &e.telemetry.logs
	if logs {
		out = e.logsOut
	} else {
		e.telemetry.ProcessorJourneyInvalidSpans.Add(ctx, int64(f.count))
	}
	r := newReleased(f)
	e.thinner.follows(r, logs)
	out.push(r)
}

// splitTraces looks at every span once: for its trace's facts, and to encode it.
func (e *engine) splitTraces(s *splitter, td ptrace.Traces) (reason string, err error) {
	var candidates match.Candidates
	for _, rs := range td.ResourceSpans().All() {
		service := serviceOf(rs.Resource())
		e.matches.ForResource(service, rs, &candidates)
		for _, ss := range rs.ScopeSpans().All() {
			candidates.ForScope(ss)
			r := facts.NewResource(service, ss.Scope().Name() == facts.BrokerScope, e.policy.UsesShapes)
			r.Share(s.texts)
			e.reporting.ask(&r)
			for _, span := range ss.Spans().All() {
				s.records = wire.AppendSpan(s.records, span)
				f := s.assign(span.TraceID())
				if f.facts == nil {
					f.facts = factParts.Get().(*facts.Part)
				}
				f.facts.Add(&r, span)
				candidates.Held(span, &f.facts.Held)
			}
			if len(s.ends) == 0 {
				continue
			}
			g, err := spansHeader(rs, ss)
			if err != nil {
				return refusedMalformed, err
			}
			if reason, err := s.cut(&g); err != nil {
				return reason, err
			}
		}
	}
	return "", nil
}

// spansHeader encodes what the spans of a scope share.
func spansHeader(rs ptrace.ResourceSpans, ss ptrace.ScopeSpans) (wire.Group, error) {
	td := ptrace.NewTraces()
	to := td.ResourceSpans().AppendEmpty()
	rs.Resource().CopyTo(to.Resource())
	to.SetSchemaUrl(rs.SchemaUrl())
	scope := to.ScopeSpans().AppendEmpty()
	ss.Scope().CopyTo(scope.Scope())
	scope.SetSchemaUrl(ss.SchemaUrl())
	request, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	return oneGroup(request, err)
}

// oneGroup takes the request of a single scope apart.
func oneGroup(request []byte, err error) (wire.Group, error) {
	if err != nil {
		return wire.Group{}, consumererror.NewPermanent(fmt.Errorf("encode a resource: %w", err))
	}
	groups, err := wire.Split(request, nil)
	if err == nil && len(groups) != 1 {
		err = fmt.Errorf("%w: %d scopes in place of one", wire.ErrMalformed, len(groups))
	}
	if err != nil {
		return wire.Group{}, consumererror.NewPermanent(fmt.Errorf("encode a resource: %w", err))
	}
	return groups[0], nil
}

func serviceOf(resource pcommon.Resource) string {
	if v, ok := resource.Attributes().Get(serviceName); ok && v.Type() == pcommon.ValueTypeStr && v.Str() != "" {
		return v.Str()
	}
	return unknownService
}
