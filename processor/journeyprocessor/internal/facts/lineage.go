package facts

// lineage knows which spans of a trace have been seen and which have only been
// named as a parent. It holds missing = wanted \ seen at any time and in any
// order of arrival.
type lineage struct {
	seen, missing idSet
}

func (l *lineage) add(id, parent SpanID) {
	if id != 0 && l.seen.add(id) {
		l.missing.remove(id)
	}
	if parent != 0 && !l.seen.has(parent) {
		l.missing.add(parent)
	}
}

func (l *lineage) merge(other *lineage) {
	for id := range other.seen.all {
		l.add(id, 0)
	}
	for parent := range other.missing.all {
		l.add(0, parent)
	}
}

func (l *lineage) size() int64 { return l.seen.size() + l.missing.size() }

// idSet is a set of span ids: a list while it is small, as most are, and a map
// after that. The zero value is empty.
type idSet struct {
	few  []SpanID
	many map[SpanID]struct{}
}

// fewIDs is how far a list is used. BenchmarkLineage: at 32 spans a list costs
// 28 ns a span and 16 B, a map of 48 spans 49 ns and 60 B.
const fewIDs = 32

// add says whether id is new to the set.
func (s *idSet) add(id SpanID) bool {
	if s.has(id) {
		return false
	}
	if s.many == nil && len(s.few) < fewIDs {
		s.few = append(s.few, id)
		return true
	}
	if s.many == nil {
		s.many = make(map[SpanID]struct{}, 2*fewIDs)
		for _, old := range s.few {
			s.many[old] = struct{}{}
		}
		s.few = nil
	}
	s.many[id] = struct{}{}
	return true
}

func (s *idSet) has(id SpanID) bool {
	if s.many != nil {
		_, ok := s.many[id]
		return ok
	}
	for _, old := range s.few {
		if old == id {
			return true
		}
	}
	return false
}

func (s *idSet) remove(id SpanID) {
	if s.many != nil {
		delete(s.many, id)
		return
	}
	for i, old := range s.few {
		if old == id {
			last := len(s.few) - 1
			s.few[i] = s.few[last]
			s.few = s.few[:last]
			return
		}
	}
}

func (s *idSet) len() int { return len(s.few) + len(s.many) }

// all iterates over the ids in no particular order.
func (s *idSet) all(yield func(SpanID) bool) {
	for _, id := range s.few {
		if !yield(id) {
			return
		}
	}
	for id := range s.many {
		if !yield(id) {
			return
		}
	}
}

// size estimates bytes of memory; a map entry of 8 bytes takes about 20 with
// the table's slack.
func (s *idSet) size() int64 { return int64(8*cap(s.few) + 20*len(s.many)) }
