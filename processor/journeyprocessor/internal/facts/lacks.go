package facts

import (
	"cmp"
	"slices"
)

// What is missing of a trace, in detail: for whoever asks what it waits for.
// Decisions and deadlines need less, and are quicker for it.

// maxLacks is how many queues or services are told apart.
const maxLacks = 16

// Lack is how often something is missing of a queue or a service; Name is ""
// where it is not known.
type Lack struct {
	Name  string
	Count int
}

// OpenQueues are the queues in which messages wait, the fullest first.
func (f *Facts) OpenQueues() []Lack {
	var l lacks
	for i := range f.messages {
		if n := f.messages[i].open(); n > 0 {
			l.add(f.messages[i].key.queue, n)
		}
	}
	return l.sorted()
}

// Orphans are the services of spans whose parent has not been seen, by how many
// such parents there are.
func (f *Facts) Orphans() []Lack {
	var l lacks
	for i := range f.lineage.ids.nodes {
		n := &f.lineage.ids.nodes[i]
		if n.id != 0 && !n.isSeen() {
			l.add(f.serviceOf(n.below.child()), 1)
		}
	}
	return l.sorted()
}

// OpenCalls are the services whose calls of that key have not been answered.
// Of a large trace only their number is known.
func (f *Facts) OpenCalls(waitsFor func(CallKey) bool) []Lack {
	var l lacks
	if f.lineage.ids.isLarge() {
		for c := range f.Calls {
			if open := c.Seen - c.Answered; open > 0 && waitsFor(c.Key) {
				l.add("", open)
			}
		}
		return l.sorted()
	}
	for i := range f.lineage.ids.nodes {
		n := &f.lineage.ids.nodes[i]
		if n.call != 0 && !n.isAnswered() && waitsFor(n.call) {
			l.add(f.serviceOf(n.service), 1)
		}
	}
	return l.sorted()
}

// serviceOf is the inverse of newServiceKey, among the services of the path.
func (f *Facts) serviceOf(key serviceKey) string {
	for i := range f.Services {
		if newServiceKey(f.Services[i].Name) == key {
			return f.Services[i].Name
		}
	}
	return ""
}

type lacks []Lack

func (l *lacks) add(name string, n int) {
	for i := range *l {
		if (*l)[i].Name == name || i == maxLacks-1 {
			(*l)[i].Count += n
			return
		}
	}
	*l = append(*l, Lack{name, n})
}

func (l lacks) sorted() []Lack {
	slices.SortFunc(l, func(a, b Lack) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name)) })
	return l
}
