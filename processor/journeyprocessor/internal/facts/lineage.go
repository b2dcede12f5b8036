package facts

import (
	"math/rand/v2"
	"unsafe"
)

// MaxIDs is how many span ids of one trace are told apart, seen or only named
// as a parent. A trace of more has no lineage: nothing is known to be missing
// of it, and nothing is waited for. That is 3 MiB at most.
const MaxIDs = 1 << 16

// lineage knows of every span id of a trace whether the span has been seen,
// and what has been seen below it. Its only operation is to join two pieces of
// knowledge about one id, which makes it independent of the order of arrival.
type lineage struct {
	ids     idSet
	calls   *callCounts // of a large trace; of others they are counted when somebody asks
	missing int32       // ids that were named as a parent and not seen
	lost    bool        // there were more than MaxIDs
}

// put adds what n says about its span id.
func (l *lineage) put(n *node) {
	if n.id == 0 || l.lost {
		return
	}
	have, known := l.ids.find(n.id)
	if !known {
		l.insert(n)
		return
	}
	before := *have
	have.join(n)
	if have.isSeen() && !before.isSeen() {
		l.missing--
	}
	if l.ids.isLarge() && (have.call != before.call || have.isAnswered() != before.isAnswered()) {
		l.calls.add(&before, -1)
		l.calls.add(have, 1)
	}
}

// insert adds the node of an id that is new.
func (l *lineage) insert(n *node) {
	if l.ids.len() == MaxIDs {
		*l = lineage{lost: true}
		return
	}
	wasLarge := l.ids.isLarge()
	l.ids.insert(*n)
	if !n.isSeen() {
		l.missing++
	}
	switch {
	case !l.ids.isLarge():
	case wasLarge:
		l.calls.add(n, 1)
	default:
		l.calls = new(callCounts)
		for i := range l.ids.nodes {
			l.calls.add(&l.ids.nodes[i], 1)
		}
	}
}

func (l *lineage) merge(other *lineage) {
	if other.lost {
		*l = lineage{lost: true}
		return
	}
	for i := range other.ids.nodes {
		l.put(&other.ids.nodes[i]) // empty slots have id 0
	}
}

// service returns the service of a span that has been seen, 0 of any other.
func (l *lineage) service(id SpanID) serviceKey {
	if n, ok := l.ids.find(id); ok && n.isSeen() {
		return n.service
	}
	return 0
}

func (l *lineage) size() int64 {
	n := l.ids.size()
	if l.calls != nil {
		n += int64(16 * cap(*l.calls))
	}
	return n
}

// node is what is known about one span id.
type node struct {
	id      SpanID
	call    CallKey    // 0 if the span is no call, or has not been seen
	service serviceKey // 0 if it has not been seen
	below   below
}

// below is what is known of a span's children: the smallest of their services
// in the upper bits, 0 without children, and flags in the lower.
type below uint32

const (
	// sharedID: spans of several services have this id, as Zipkin's client and
	// server spans do. The call has then arrived.
	sharedID below = 1 << iota
	// severalChildren: the children belong to more than one service.
	severalChildren
	// taken: a consumer's or the broker's span is below it.
	taken

	belowFlags = 3 // how many bits they take
)

func newBelow(child serviceKey, flags below) below { return below(child)<<belowFlags | flags }

func (b below) child() serviceKey { return serviceKey(b >> belowFlags) }

func (n *node) isSeen() bool { return n.service != 0 }

// join adds what other says about the same id. It does not matter in which
// order joins happen.
func (n *node) join(other *node) {
	flags := (n.below | other.below) & (1<<belowFlags - 1)
	if n.service != other.service && n.service != 0 && other.service != 0 {
		flags |= sharedID
	}
	mine, others := n.below.child(), other.below.child()
	if mine != others && mine != 0 && others != 0 {
		flags |= severalChildren
	}
	n.service = lesser(n.service, other.service)
	n.call = lesser(n.call, other.call)
	n.below = newBelow(lesser(mine, others), flags)
}

// isAnswered says that what the call asked for has been seen.
func (n *node) isAnswered() bool {
	switch child := n.below.child(); {
	case n.below&sharedID != 0:
		return true
	case n.call.IsProducer():
		return n.below&taken != 0
	default:
		return n.below&severalChildren != 0 || child != 0 && child != n.service
	}
}

// lesser returns the smaller of those that are not zero.
func lesser[T ~uint32 | ~uint64](a, b T) T {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// idSet holds nodes by span id: in a list while they are few, as they mostly
// are, and after that in a hash table with open addressing, whose empty slots
// have id 0. Nothing is ever taken out.
type idSet struct {
	nodes []node // the list, or all slots of the table
	used  int    // slots in use; 0 for the list
}

// fewIDs is how far a list is used. BenchmarkLineage: at 32 spans a list costs
// about 50 ns a span and 24 B, a table of 48 spans 70 ns and 32 to 64 B.
const fewIDs = 32

// seed keeps a stranger from choosing ids that all fall into one slot.
var seed = rand.Uint64() | 1

func (s *idSet) isLarge() bool { return s.used > 0 }

func (s *idSet) len() int {
	if s.isLarge() {
		return s.used
	}
	return len(s.nodes)
}

// find returns the node of id; it is valid until the next insert.
func (s *idSet) find(id SpanID) (n *node, ok bool) {
	if s.isLarge() {
		slot := s.slot(id)
		return slot, slot.id == id
	}
	for i := len(s.nodes) - 1; i >= 0; i-- { // parents have mostly come lately
		if s.nodes[i].id == id {
			return &s.nodes[i], true
		}
	}
	return nil, false
}

// slot returns the table's slot of id, or the empty one where it belongs.
func (s *idSet) slot(id SpanID) *node {
	mask := uint64(len(s.nodes) - 1)
	at := (uint64(id) ^ seed) * 0x9e3779b97f4a7c15
	for at = at >> 32 & mask; s.nodes[at].id != 0 && s.nodes[at].id != id; {
		at = (at + 1) & mask
	}
	return &s.nodes[at]
}

// insert adds a node whose id is new.
func (s *idSet) insert(n node) {
	switch {
	case s.isLarge() && 4*(s.used+1) > 3*len(s.nodes):
		s.rehash(2 * len(s.nodes))
	case !s.isLarge() && len(s.nodes) == fewIDs:
		s.rehash(2 * fewIDs)
	case !s.isLarge() && len(s.nodes) == cap(s.nodes):
		s.nodes = append(make([]node, 0, listRoom(len(s.nodes))), s.nodes...)
	}
	if !s.isLarge() {
		s.nodes = append(s.nodes, n)
		return
	}
	*s.slot(n.id) = n
	s.used++
}

// listRoom is the room for a list of more than n nodes: as the allocator's
// classes have it, 24 bytes each.
func listRoom(n int) int {
	for _, room := range [...]int{8, 16, 20} {
		if n < room {
			return room
		}
	}
	return fewIDs
}

func (s *idSet) rehash(slots int) {
	old := s.nodes
	s.nodes, s.used = make([]node, slots), 0
	for i := range old {
		if old[i].id != 0 {
			*s.slot(old[i].id) = old[i]
			s.used++
		}
	}
}

// size is the memory beyond the set itself.
func (s *idSet) size() int64 {
	return int64(cap(s.nodes)) * int64(unsafe.Sizeof(node{}))
}
