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
	return cmp.Or(
		cmp.Compare(s.Start, other.Start), cmp.Compare(s.ID, other.ID), cmp.Compare(s.End, other.End),
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
// The zero value is a trace without spans. One goroutine at a time.
type Facts struct {
	Spans    int
	Start    uint64 // the earliest start, ns since the Unix epoch
	End      uint64 // the latest end, ns since the Unix epoch
	Held     match.Bits
	Services []Service // ordered by start, at most maxServices

	// Root is the span without a parent; of several the one that started
	// first. First is the span that started first. Both are nil until seen.
	Root, First *Span
	// Error is the first span with error status, Unroutable the first publish
	// that the broker could route to no queue. Nil without one.
	Error, Unroutable *Fault

	// Randomness is the trace's explicit randomness (tracestate ot=rv), 56
	// bits; spans that disagree have the smallest.
	Randomness    uint64
	HasRandomness bool
	// Threshold is the sampling threshold that the trace came with (tracestate
	// ot=th); of spans that disagree the loosest.
	Threshold    sampling.Threshold
	HasThreshold bool

	lineage  lineage
	messages messages
}

// Service is one stop on the journey's path.
type Service struct {
	Name  string
	Start uint64 // the earliest start of its spans, ns since the Unix epoch
}

// Resource is what all spans of one resource and scope share.
type Resource struct {
	Service string
	Broker  bool // these are spans of the amqp_trace receiver
}

// Add looks at one span. Texts that stay are shared with the span, so the
// caller must not change them later.
func (f *Facts) Add(r Resource, span ptrace.Span) {
	seen := Span{
		ID: NewSpanID(span.SpanID()), Service: r.Service, Name: span.Name(),
		Start: uint64(span.StartTimestamp()), End: uint64(span.EndTimestamp()),
		Failed: span.Status().Code() == ptrace.StatusCodeError,
	}
	parent := NewSpanID(span.ParentSpanID())
	f.addTimes(seen.Start, seen.End)
	f.Spans++
	f.lineage.add(seen.ID, parent)
	if parent == 0 {
		f.Root = earlier(f.Root, &seen)
	}
	f.First = earlier(f.First, &seen)
	f.addService(r.Service, seen.Start)
	f.addFault(r, span, &seen)
	if r.Broker {
		f.messages.add(parent, span)
	}
	f.addSampling(span.TraceState().AsRaw())
}

// earlier returns whichever of old and seen started first, seen as a copy of
// its own with bounded texts.
func earlier(old, seen *Span) *Span {
	if old != nil && !seen.before(old) {
		return old
	}
	kept := *seen
	kept.Service, kept.Name = bounded(seen.Service), bounded(seen.Name)
	return &kept
}

func (f *Facts) addFault(r Resource, span ptrace.Span, seen *Span) {
	if !seen.Failed {
		return
	}
	fault := &f.Error
	if r.Broker && isUnroutable(span) {
		fault = &f.Unroutable
	}
	if *fault != nil && !seen.before(&(*fault).Span) {
		return
	}
	kept := Fault{Span: *seen, Message: bounded(span.Status().Message())}
	kept.Service, kept.Name = bounded(seen.Service), bounded(seen.Name)
	*fault = &kept
}

func (f *Facts) addTimes(start, end uint64) {
	if f.Spans == 0 || start < f.Start {
		f.Start = start
	}
	f.End = max(f.End, end)
}

// addService keeps the maxServices services that started first. Which ones
// those are does not depend on the order: whatever is pushed out started later
// than all that stay, and can only come back with an earlier start.
func (f *Facts) addService(name string, start uint64) {
	name = bounded(name)
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
		f.Services = append(f.Services, s)
	} else if last := maxServices - 1; s.before(f.Services[last]) {
		f.Services[last] = s
	} else {
		return
	}
	f.settle(len(f.Services) - 1)
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
	if other.Spans > 0 {
		f.addTimes(other.Start, other.End)
	}
	f.Spans += other.Spans
	f.Held.Merge(&other.Held)
	for _, s := range other.Services {
		f.addService(s.Name, s.Start)
	}
	f.Root = earliest(f.Root, other.Root)
	f.First = earliest(f.First, other.First)
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
}

func earliest(a, b *Span) *Span {
	if a == nil || b != nil && b.before(a) {
		return b
	}
	return a
}

func earliestFault(a, b *Fault) *Fault {
	if a == nil || b != nil && b.before(&a.Span) {
		return b
	}
	return a
}

// MissingParents is how many spans are named as a parent and have not been seen.
func (f *Facts) MissingParents() int { return f.lineage.missing.len() }

// OpenMessages is how many published messages wait in a queue.
func (f *Facts) OpenMessages() int { return f.messages.open() }

// OpenQueue names a queue in which a message waits; "" if none does.
func (f *Facts) OpenQueue() string { return f.messages.openQueue() }

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
	const fixed, perSpan, perService = 220, 80, 24
	n := int64(fixed + perService*cap(f.Services))
	for _, s := range []*Span{f.Root, f.First} {
		if s != nil {
			n += perSpan
		}
	}
	return n + f.lineage.size() + f.messages.size()
}

// bounded cuts s to maxText bytes; what is cut no longer holds the whole.
func bounded(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(strings.Clone(s[:maxText]), "")
}
