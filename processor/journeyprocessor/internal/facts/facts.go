// Package facts holds what a decision needs to know of a trace.
//
// Each arriving span is looked at once and adds to the Facts of its trace; the
// span itself only waits as bytes. Facts of the same trace that were gathered
// apart (in another batch, on another goroutine) merge, and the result does
// not depend on the order: a decision reads the same facts however the spans
// arrived.
package facts

import (
	"cmp"
	"encoding/binary"
	"strings"
	"unsafe"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/match"
)

const (
	// maxServices bounds the journey's path. The services that started first
	// are kept; a path longer than that nobody reads.
	maxServices = 64
	// maxText bounds each text that outlives its span.
	maxText = 256
)

// SpanID is a span id as a number; 0 is no span.
type SpanID uint64

// NewSpanID converts a span id of pdata.
func NewSpanID(id pcommon.SpanID) SpanID { return SpanID(binary.BigEndian.Uint64(id[:])) }

// Span is what is remembered of a single span. Start and End are nanoseconds
// since the Unix epoch, as the service's clock had them.
type Span struct {
	ID            SpanID
	Service, Name string
	Start, End    uint64
	Failed        bool // it has error status
}

// before orders spans by start, and equal starts by the rest, so that the order
// does not depend on which came in first, even if somebody uses an id twice.
func (s *Span) before(other *Span) bool {
	if s.Start != other.Start {
		return s.Start < other.Start
	}
	return cmp.Or(
		cmp.Compare(s.ID, other.ID), cmp.Compare(s.End, other.End),
		strings.Compare(s.Service, other.Service), strings.Compare(s.Name, other.Name),
	) < 0
}

// Duration is the span's length in nanoseconds, 0 if its clock ran backwards.
func (s *Span) Duration() uint64 {
	if s.End < s.Start {
		return 0
	}
	return s.End - s.Start
}

// Fault is a span that says that something went wrong, and what.
type Fault struct {
	Span
	Message string
}

// Facts is the summary of one trace, or of the part of it that one batch held.
// The zero value is a trace without spans. One goroutine at a time; it must not
// be copied once it is in use.
type Facts struct {
	Spans    int
	Start    uint64 // the earliest start, ns since the Unix epoch
	End      uint64 // the latest end, ns since the Unix epoch
	Held     match.Bits
	Services []Service // ordered by start, at most maxServices

	// Error is the first span with error status, Unroutable the first publish
	// that the broker could route to no queue. Nil without one.
	Error, Unroutable *Fault

	// Randomness is the trace's explicit randomness (tracestate ot=rv), 56
	// bits; spans that disagree have the smallest.
	Randomness uint64
	// Threshold is the sampling threshold that the trace came with (tracestate
	// ot=th); of spans that disagree the loosest.
	Threshold sampling.Threshold

	HasRandomness, HasThreshold, hasRoot bool

	first Span
	root  *Span // nil if the first span is the root, as in most traces, or there is none

	lineage  lineage
	messages messages
	shape    *shape    // nil if no rule asks for it
	reported *reported // nil if no report asks for anything
}

// Part is the facts of what one batch holds of a trace, with room for as much as
// most bring. Reset empties it for the next, once its trace has merged it.
type Part struct {
	Facts
	nodes    [2]node
	services [1]Service
}

// NewPart returns an empty part.
func NewPart() *Part {
	p := new(Part)
	p.Reset()
	return p
}

// Reset empties the part.
func (p *Part) Reset() {
	p.Facts = Facts{}
	p.lineage.ids.nodes, p.Services = p.nodes[:0], p.services[:0]
}

// Service is one stop on the journey's path.
type Service struct {
	Name  string
	Start uint64 // the earliest start of its spans, ns since the Unix epoch
}

// Resource is what all spans of one resource and scope share.
type Resource struct {
	service string
	key     serviceKey
	broker  bool
	shapes  bool
	reports bool
	mapped  uint64 // of all traces, as a share of the greatest number
	texts   Texts  // nil: names stay as they came
}

// NewResource prepares for the spans of a service. Broker says that they are
// those of the amqp_trace receiver; shapes, that somebody asks for Shape.
func NewResource(service string, broker, shapes bool) Resource {
	return Resource{service: bounded(service), key: newServiceKey(service), broker: broker, shapes: shapes}
}

// Add looks at one span. Texts that stay are shared with the span, so the
// caller must not change them later.
func (f *Facts) Add(r *Resource, span ptrace.Span) {
	seen := Span{
		ID: NewSpanID(span.SpanID()), Service: r.service, Name: span.Name(),
		Start: uint64(span.StartTimestamp()), End: uint64(span.EndTimestamp()),
		Failed: span.Status().Code() == ptrace.StatusCodeError,
	}
	parent := NewSpanID(span.ParentSpanID())
	f.addSpan(&seen, parent == 0, r.texts)
	f.addService(r.service, seen.Start)
	f.lineage.put(&node{id: seen.ID, call: newCallKey(r.key, span), service: r.key})
	if parent != 0 {
		f.lineage.put(&node{id: parent, below: newBelow(r.key, takenBy(r, span))})
	}
	f.addFault(r, span, &seen)
	if r.broker {
		f.messages.add(parent, span)
	}
	if r.shapes {
		f.addShape(r, parent, span)
	}
	if r.reports {
		f.report(r, parent, span, &seen)
	}
	f.addSampling(span.TraceState().AsRaw())
}

func takenBy(r *Resource, span ptrace.Span) below {
	if r.broker || span.Kind() == ptrace.SpanKindConsumer {
		return taken
	}
	return 0
}

func (f *Facts) addSpan(seen *Span, isRoot bool, texts Texts) {
	if f.Spans == 0 || seen.Start < f.Start {
		f.Start = seen.Start
	}
	f.End = max(f.End, seen.End)
	if f.Spans == 0 || seen.before(&f.first) {
		if f.hasRoot && f.root == nil {
			was := f.first
			f.root = &was
		}
		f.first.keep(seen, texts)
	}
	if isRoot && (!f.hasRoot || seen.before(f.Root())) {
		f.setRoot(seen, texts)
	}
	f.Spans++
}

func (f *Facts) setRoot(root *Span, texts Texts) {
	f.hasRoot = true
	if f.root = nil; f.first != *root {
		f.root = new(Span)
		f.root.keep(root, texts)
	}
}

// keep copies other, with bounded texts, of which the name is shared.
func (s *Span) keep(other *Span, texts Texts) {
	*s = *other
	s.Service, s.Name = bounded(s.Service), texts.shared(bounded(s.Name))
}

func (f *Facts) addShape(r *Resource, parent SpanID, span ptrace.Span) {
	if f.shape == nil {
		f.shape = newShape()
	}
	f.shape.add(r.key, parent, span)
}

// Root is the span without a parent; of several the one that started first.
// Nil until one has been seen. It belongs to the facts.
func (f *Facts) Root() *Span {
	switch {
	case !f.hasRoot:
		return nil
	case f.root == nil:
		return &f.first
	}
	return f.root
}

// First is the span that started first, nil until one has been seen. It
// belongs to the facts.
func (f *Facts) First() *Span {
	if f.Spans == 0 {
		return nil
	}
	return &f.first
}

func (f *Facts) addFault(r *Resource, span ptrace.Span, seen *Span) {
	if !seen.Failed {
		return
	}
	fault := &f.Error
	if r.broker && isUnroutable(span) {
		fault = &f.Unroutable
	}
	if *fault != nil && !seen.before(&(*fault).Span) {
		return
	}
	kept := &Fault{Message: bounded(span.Status().Message())}
	kept.keep(seen, nil)
	*fault = kept
}

// addService keeps the maxServices services that started first. Which ones
// those are does not depend on the order: whatever is pushed out started later
// than all that stay, and can only come back with an earlier start.
func (f *Facts) addService(name string, start uint64) {
	for i := range f.Services {
		if f.Services[i].Name == name {
			if start < f.Services[i].Start {
				f.Services[i].Start = start
				f.settle(i)
			}
			return
		}
	}
	s := Service{Name: name, Start: start}
	if len(f.Services) < maxServices {
		f.growServices()
		f.Services = append(f.Services, s)
	} else if last := maxServices - 1; s.before(f.Services[last]) {
		f.Services[last] = s
	} else {
		return
	}
	f.settle(len(f.Services) - 1)
}

// growServices makes room for one more: a path has one stop or several.
func (f *Facts) growServices() {
	if n := len(f.Services); n == cap(f.Services) {
		f.Services = append(make([]Service, 0, max(1, min(4*n, 2*n+2))), f.Services...)
	}
}

// settle moves service i forward to its place in the order.
func (f *Facts) settle(i int) {
	for ; i > 0 && f.Services[i].before(f.Services[i-1]); i-- {
		f.Services[i], f.Services[i-1] = f.Services[i-1], f.Services[i]
	}
}

func (s Service) before(other Service) bool {
	if s.Start != other.Start {
		return s.Start < other.Start
	}
	return s.Name < other.Name
}

// Merge adds what other knows of the same trace. Other must not be used later:
// f may share its memory.
func (f *Facts) Merge(other *Facts) {
	if other.Spans == 0 {
		f.Held.Merge(&other.Held)
		return
	}
	spans := f.Spans + other.Spans
	f.addSpan(&other.first, false, nil)
	if root := other.Root(); root != nil {
		f.addSpan(root, true, nil)
	}
	f.Spans, f.Start, f.End = spans, min(f.Start, other.Start), max(f.End, other.End)
	f.Held.Merge(&other.Held)
	for _, s := range other.Services {
		f.addService(s.Name, s.Start)
	}
	f.Error = earliestFault(f.Error, other.Error)
	f.Unroutable = earliestFault(f.Unroutable, other.Unroutable)
	if other.HasRandomness {
		f.setRandomness(other.Randomness)
	}
	if other.HasThreshold {
		f.setThreshold(other.Threshold)
	}
	f.lineage.merge(&other.lineage)
	f.messages.merge(other.messages)
	f.mergeShape(other.shape)
	f.mergeReported(other.reported)
}

func (f *Facts) mergeShape(other *shape) {
	switch {
	case other == nil:
	case f.shape == nil:
		f.shape = other
	default:
		f.shape.merge(other)
	}
}

func earliestFault(a, b *Fault) *Fault {
	if a == nil || b != nil && b.before(&a.Span) {
		return b
	}
	return a
}

// MissingParents is how many spans are named as a parent and have not been
// seen; 0 if the trace has more than MaxIDs spans.
func (f *Facts) MissingParents() int { return int(f.lineage.missing) }

// OpenMessages is how many published messages wait in a queue.
func (f *Facts) OpenMessages() int { return f.messages.open() }

// OpenQueue names a queue in which a message waits; "" if none does.
func (f *Facts) OpenQueue() string { return f.messages.openQueue() }

// DeadLettered returns the queue in which a message died and the dead-letter
// queue in which it ended, if one did.
func (f *Facts) DeadLettered() (from, to string, ok bool) { return f.messages.deadLettered() }

// Duration is the time from the earliest start to the latest end, in
// nanoseconds; 0 if clocks ran backwards.
func (f *Facts) Duration() uint64 {
	if f.End < f.Start {
		return 0
	}
	return f.End - f.Start
}

// Size estimates the bytes of memory the facts take.
func (f *Facts) Size() int64 {
	n := int64(unsafe.Sizeof(*f)) + int64(len(f.first.Name)) + int64(cap(f.Services))*int64(unsafe.Sizeof(Service{}))
	if f.root != nil {
		n += int64(unsafe.Sizeof(Span{})) + int64(len(f.root.Name))
	}
	for _, fault := range []*Fault{f.Error, f.Unroutable} {
		if fault != nil {
			n += int64(unsafe.Sizeof(*fault)) + int64(len(fault.Name)+len(fault.Message))
		}
	}
	return n + f.lineage.size() + f.messages.size() + f.shape.size() + f.reported.size()
}

// bounded cuts s to maxText bytes; what is cut no longer holds the whole.
func bounded(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(strings.Clone(s[:maxText]), "")
}
