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
	return e.ingest(ctx, intake{
		count: &e.telemetry.spans, records: n,
		encode: func() ([]byte, error) { return e.marshalTraces.MarshalTraces(td) },
		split:  func(s *splitter) { e.splitTraces(s, td) },
	})
}

// intake is what differs between the signals.
type intake struct {
	count   *signalCounters
	records int
	encode  func() ([]byte, error)
	split   func(*splitter)
}

// ingest is what both signals share: split outside of all locks, reserve
// memory for the whole batch, then hand every shard its part.
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
	s := splitters.Get().(*splitter)
	defer func() { s.reset(); splitters.Put(s) }()
	request, err := in.encode()
	if err == nil {
		s.groups, err = wire.Split(request, s.groups)
	}
	if err != nil {
		return count.refused(ctx, n, refusedMalformed, consumererror.NewPermanent(fmt.Errorf("encode a batch: %w", err)))
	}
	// The request stands for what its records will take, until that is known.
	reserved := int64(len(request))
	if reason, err := e.store.buffer.reserve(reserved); err != nil {
		e.relieve()
		return count.refused(ctx, n, reason, err)
	}
	s.metadata = metadataOf(ctx, e.config.Release.MetadataKeys)
	in.split(s)
	size, bytes := s.total()
	e.store.buffer.add(size - reserved)
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
	now, first := time.Now(), true
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

// splitTraces looks at every span once, for its trace's facts, and cuts its
// bytes out of the encoded batch.
func (e *engine) splitTraces(s *splitter, td ptrace.Traces) {
	group := 0
	var candidates match.Candidates
	for _, rs := range td.ResourceSpans().All() {
		service := serviceOf(rs.Resource())
		e.matches.ForResource(service, rs, &candidates)
		for _, ss := range rs.ScopeSpans().All() {
			g := &s.groups[group]
			group++
			candidates.ForScope(ss)
			r := facts.NewResource(service, ss.Scope().Name() == facts.BrokerScope, e.policy.UsesShapes)
			for i, span := range ss.Spans().All() {
				f := s.assign(span.TraceID(), len(g.Records[i]))
				if f.facts == nil {
					f.facts = factsPool.Get().(*facts.Facts)
				}
				f.facts.Add(&r, span)
				candidates.Held(span, &f.facts.Held)
			}
			s.cut(g, &e.store)
		}
	}
}

func serviceOf(resource pcommon.Resource) string {
	if v, ok := resource.Attributes().Get(serviceName); ok && v.Type() == pcommon.ValueTypeStr && v.Str() != "" {
		return v.Str()
	}
	return unknownService
}
