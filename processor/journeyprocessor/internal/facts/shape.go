package facts

import (
	"cmp"
	"slices"
	"unsafe"

	"github.com/cespare/xxhash/v2"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

const (
	// maxOperations is how many different operations make up a shape. Of more,
	// those with the smallest hashes do: always the same ones.
	maxOperations = 128
	// maxLinks is how many pairs of a span and a service below it a shape looks
	// at. The edges of a trace of more do not count for its shape.
	maxLinks = 1024
)

// shape is what makes journeys alike: which operations took place, and which
// service called which. It is gathered only if a rule asks for it.
type shape struct {
	operations []uint64 // the smallest hashes, ascending
	links      []link   // ascending, different
	tooMany    bool     // links

	// Where both lists start: enough for most fragments.
	roomForOperations [4]uint64
	roomForLinks      [4]link
}

func newShape() *shape {
	s := &shape{}
	s.operations, s.links = s.roomForOperations[:0], s.roomForLinks[:0]
	return s
}

// link says that a span of the service lies directly below the parent.
type link struct {
	parent SpanID
	child  serviceKey
}

func (a link) compare(b link) int {
	return cmp.Or(cmp.Compare(a.parent, b.parent), cmp.Compare(a.child, b.child))
}

func (s *shape) add(service serviceKey, parent SpanID, span ptrace.Span) {
	s.addOperation(mix(xxhash.Sum64String(span.Name()) ^
		mix(uint64(service)<<16|uint64(uint8(span.Kind()))<<8|uint64(uint8(span.Status().Code())))))
	if parent != 0 {
		s.addLink(link{parent, service})
	}
}

func (s *shape) addOperation(hash uint64) {
	i, found := slices.BinarySearch(s.operations, hash)
	if found || i == maxOperations {
		return
	}
	if len(s.operations) == maxOperations {
		s.operations = s.operations[:maxOperations-1]
	}
	s.operations = slices.Insert(s.operations, i, hash)
}

func (s *shape) addLink(l link) {
	if s.tooMany {
		return
	}
	i, found := slices.BinarySearchFunc(s.links, l, link.compare)
	switch {
	case found:
	case len(s.links) == maxLinks:
		s.links, s.tooMany = nil, true
	default:
		s.links = slices.Insert(s.links, i, l)
	}
}

func (s *shape) merge(other *shape) {
	for _, hash := range other.operations {
		s.addOperation(hash)
	}
	for _, l := range other.links {
		s.addLink(l)
	}
	if other.tooMany {
		s.links, s.tooMany = nil, true
	}
}

func (s *shape) size() int64 {
	if s == nil {
		return 0
	}
	return int64(unsafe.Sizeof(*s)) + int64(8*cap(s.operations)+16*cap(s.links))
}

// Shape is a hash of the trace's different operations (service, name, kind and
// status) and of its edges from service to service. It does not depend on the
// order in which spans came, nor on how often an operation took place. It is 0
// if shapes were not asked for.
func (f *Facts) Shape() uint64 {
	if f.shape == nil {
		return 0
	}
	var hash uint64
	for _, operation := range f.shape.operations {
		hash += mix(operation)
	}
	for _, edge := range f.edges() {
		hash += mix(edge)
	}
	return max(mix(hash), 1)
}

// edges returns a hash of each different pair of services one of which called
// the other, in ascending order.
func (f *Facts) edges() []uint64 {
	edges := make([]uint64, 0, 16)
	for _, l := range f.shape.links {
		if from := f.lineage.service(l.parent); from != 0 && from != l.child {
			edges = append(edges, uint64(from)<<32|uint64(l.child))
		}
	}
	slices.Sort(edges)
	return slices.Compact(edges)
}
