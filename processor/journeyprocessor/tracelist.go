package journeyprocessor

// traceList is traces in the order in which they were put in. A trace is in at
// most one.
type traceList struct{ oldest, newest *trace }

func (l *traceList) push(t *trace) {
	t.older = l.newest
	if l.newest != nil {
		l.newest.newer = t
	} else {
		l.oldest = t
	}
	l.newest = t
}

func (l *traceList) remove(t *trace) {
	if t.older != nil {
		t.older.newer = t.newer
	} else {
		l.oldest = t.newer
	}
	if t.newer != nil {
		t.newer.older = t.older
	} else {
		l.newest = t.older
	}
	t.older, t.newer = nil, nil
}
