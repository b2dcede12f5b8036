package facts

import (
	"encoding/binary"
	"math"
	"unsafe"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// maxHops is of how many spans a trace may be for a map: a journey of more is
// no picture.
const maxHops = 1024

// Hop is what a map of services needs to know of a span.
type Hop struct {
	ID, Parent SpanID
	Start, End uint64 // ns since the Unix epoch
	Service    string
	// Peer is who was called or, of messages, where they go; System is the
	// database's or the broker's kind. Both are "" if the span does not say.
	Peer, System string
	// Queues are those that the broker routed a message to or, of a delivery
	// (which names its queue as Peer), those that gave the message up before.
	Queues   []string
	Kind     ptrace.SpanKind
	Protocol journey.Protocol
	Failed   bool
	Broker   bool // it is the broker's
	Delivery bool // and a delivery
	Waited   bool // of which it is known how long the message was in the queue
}

// Duration is the span's length in nanoseconds, 0 if its clock ran backwards.
func (h *Hop) Duration() uint64 { return max(h.End, h.Start) - h.Start }

// Report asks for what only reports need: LastFailed and, of that share of the
// traces, the hops. The share goes from 0 (none) to the greatest number (all).
func (r *Resource) Report(share uint64) { r.reports, r.mapped = true, share }

// reported is what only reports need.
type reported struct {
	hops       []Hop
	lastFailed *Span
}

// report gathers what Report asked for.
func (f *Facts) report(r *Resource, parent SpanID, span ptrace.Span, seen *Span) {
	if seen.Failed && (!r.broker || !isUnroutable(span)) {
		f.reports().addFailed(seen)
	}
	if r.isMapped(span.TraceID()) {
		f.reports().addHop(r, parent, span, seen)
	}
}

func (f *Facts) reports() *reported {
	if f.reported == nil {
		f.reported = &reported{}
	}
	return f.reported
}

func (p *reported) addFailed(seen *Span) {
	if p.lastFailed == nil || p.lastFailed.before(seen) {
		p.lastFailed = &Span{}
		p.lastFailed.keep(seen, nil)
	}
}

// LastFailed is the span with error status that started last: of calls that
// fail within each other the innermost. Nil without one, or if no report asks
// for it. It belongs to the facts.
func (f *Facts) LastFailed() *Span {
	if f.reported == nil {
		return nil
	}
	return f.reported.lastFailed
}

// isMapped says whether the trace is one of those whose hops are gathered: by
// its id alone, so that whoever sees a span of it says the same, and by other
// bits than those that sampling goes by.
func (r *Resource) isMapped(id pcommon.TraceID) bool {
	if r.mapped == 0 || r.mapped == math.MaxUint64 {
		return r.mapped != 0
	}
	return mix(binary.BigEndian.Uint64(id[:8])+0x9e3779b97f4a7c15*binary.BigEndian.Uint64(id[8:])) <= r.mapped
}

// Hops are what a map needs of the trace's spans, in any order; nil if they
// were not asked for, or some are missing. They belong to the facts.
func (f *Facts) Hops() []Hop {
	if f.reported == nil || len(f.reported.hops) != f.Spans {
		return nil
	}
	return f.reported.hops
}

// hopsRoom is how many hops a fragment is given room for at first.
const hopsRoom = 4

func (p *reported) addHop(r *Resource, parent SpanID, span ptrace.Span, seen *Span) {
	if len(p.hops) >= maxHops {
		return
	}
	if p.hops == nil {
		p.hops = make([]Hop, 0, hopsRoom)
	}
	p.hops = append(p.hops, Hop{
		ID: seen.ID, Parent: parent, Start: seen.Start, End: seen.End, Service: r.service,
		Kind: span.Kind(), Failed: seen.Failed, Broker: r.broker,
	})
	h := &p.hops[len(p.hops)-1]
	switch {
	case r.broker:
		h.readBroker(span.Attributes())
	case h.Kind != ptrace.SpanKindInternal:
		h.read(span.Attributes())
	}
}

// mergeReported adds what other has gathered for reports.
func (f *Facts) mergeReported(other *reported) {
	switch {
	case other == nil:
		return
	case f.reported == nil:
		f.reported = other
		return
	}
	p := f.reported
	if other.lastFailed != nil {
		p.addFailed(other.lastFailed)
	}
	p.hops = append(p.hops, other.hops[:min(len(other.hops), maxHops-len(p.hops))]...)
}

// size is the memory that it takes.
func (p *reported) size() int64 {
	if p == nil {
		return 0
	}
	n := int64(unsafe.Sizeof(*p)) + int64(cap(p.hops))*int64(unsafe.Sizeof(Hop{}))
	if p.lastFailed != nil {
		n += int64(unsafe.Sizeof(Span{})) + int64(len(p.lastFailed.Name))
	}
	for i := range p.hops {
		n += int64(len(p.hops[i].Peer) + len(p.hops[i].System))
		for _, q := range p.hops[i].Queues {
			n += int64(16 + len(q))
		}
	}
	return n
}

// readBroker reads a span of the amqp_trace receiver.
func (h *Hop) readBroker(attributes pcommon.Map) {
	h.Protocol, h.System = journey.AMQP, "rabbitmq"
	for key, value := range attributes.All() {
		switch key {
		case attrQueue:
			h.Peer, h.Delivery = bounded(value.AsString()), true
		case attrRoutedQueues, attrDeadLetterQueues:
			h.Queues = texts(value)
		case attrTimeInQueue:
			h.Waited = true
		}
	}
}

// maxQueues is how many queues one message is shown in.
const maxQueues = 16

func texts(value pcommon.Value) []string {
	if value.Type() != pcommon.ValueTypeSlice {
		return nil
	}
	var list []string
	for _, v := range value.Slice().All() {
		if len(list) == maxQueues {
			break
		}
		list = append(list, bounded(v.AsString()))
	}
	return list
}

const attrTimeInQueue = "amqp.time_in_queue_ms"

// peer collects the attributes that may name who was called, the best first.
type peer struct{ service, namespace, address, destination string }

// read looks at each attribute once. The names are those of the semantic
// conventions 1.41 and, behind them, those before 1.20 to 1.26.
func (h *Hop) read(attributes pcommon.Map) {
	var p peer
	for key, value := range attributes.All() {
		if value.Type() != pcommon.ValueTypeStr {
			continue
		}
		switch key {
		case "http.request.method", "http.method":
			h.protocol(journey.HTTP, "")
		case "rpc.system.name", "rpc.system":
			h.protocol(journey.GRPC, value.Str())
		case "messaging.system":
			h.protocol(journey.AMQP, value.Str())
		case "db.system.name", "db.system":
			h.protocol(journey.DB, value.Str())
		case "peer.service", "service.peer.name":
			p.service = value.Str()
		case "db.namespace", "db.name":
			p.namespace = value.Str()
		case "server.address", "net.peer.name":
			p.address = value.Str()
		case "messaging.destination.name", "messaging.destination":
			p.destination = value.Str()
		}
	}
	h.Peer = bounded(p.of(h.Protocol))
}

// protocol sets the protocol. gRPC and databases over HTTP are called by the
// former's names.
func (h *Hop) protocol(p journey.Protocol, system string) {
	if p < h.Protocol {
		return
	}
	switch {
	case p == journey.GRPC && system != "grpc":
		p = journey.OtherProtocol // another kind of remote call, over whatever
	case p == journey.AMQP && system != "rabbitmq":
		p = journey.Messaging
	}
	h.Protocol = max(h.Protocol, p)
	if p >= journey.AMQP {
		h.System = bounded(system)
	}
}

func (p *peer) of(protocol journey.Protocol) string {
	var names [3]string
	switch protocol {
	case journey.DB:
		names = [3]string{p.namespace, p.service, p.address}
	case journey.AMQP, journey.Messaging:
		names = [3]string{p.destination}
	default:
		names = [3]string{p.service, p.address}
	}
	for _, name := range names {
		if name != "" {
			return name
		}
	}
	return ""
}
