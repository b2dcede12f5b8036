package memory

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// generations is how many parts a table forgets in. More forget less at once
// and make a look-up longer: BenchmarkLookup.
const generations = 4

// table remembers the latest size traces, but for the quarter of them that is
// forgotten at once to make room.
type table struct {
	seed     Seed
	each     int  // traces a generation takes
	limit    int  // generations, own and adopted
	verdicts bool // has them
	// own are the generations written here, the youngest, which is the one
	// that is written to, first.
	own []*generation
	// adopted are others' generations, older than own, by age: each row is as
	// old as the others' generations were that are in it. They are only read.
	adopted [][]*generation
}

func newTable(seed Seed, size int, verdicts bool) table {
	limit := min(size, generations)
	t := table{seed: seed, limit: limit, verdicts: verdicts}
	if limit > 0 {
		t.each = size / limit
	}
	return t
}

func (t *table) put(id pcommon.TraceID, v Verdict) {
	if t.limit == 0 {
		return
	}
	if len(t.own) == 0 || t.own[0].used >= t.each {
		t.begin()
	}
	t.own[0].put(t.seed.hash(id), v)
}

// begin makes a new youngest generation. When there are as many as there may
// be, the oldest is forgotten; one of our own gives its memory.
func (t *table) begin() {
	if rows := len(t.adopted); rows > 0 && len(t.own)+rows >= t.limit {
		t.adopted = t.adopted[:max(t.limit-len(t.own)-1, 0)]
	}
	var g *generation
	if len(t.own) >= t.limit {
		last := len(t.own) - 1
		g = t.own[last]
		g.clear()
		t.own = t.own[:last]
	} else {
		g = newGeneration(t.seed, t.each, t.verdicts)
	}
	t.own = append([]*generation{g}, t.own...)
}

// find returns the youngest generation that has the trace, and its slot there;
// nil if none has.
func (t *table) find(id pcommon.TraceID) (*generation, int) {
	h := t.seed.hash(id)
	for _, g := range t.own {
		if slot := g.find(h); slot >= 0 {
			return g, slot
		}
	}
	for _, row := range t.adopted {
		for _, g := range row {
			if slot := g.find(g.seed.hash(id)); slot >= 0 {
				return g, slot
			}
		}
	}
	return nil, 0
}

// adopt adds all that o has. Rows beyond the limit are forgotten when the next
// generation begins, so what o has is not lost at once to a smaller limit.
func (t *table) adopt(o *table) {
	if t.limit == 0 {
		return
	}
	rows := make([][]*generation, 0, len(o.own)+len(o.adopted))
	for _, g := range o.own {
		rows = append(rows, []*generation{g})
	}
	rows = append(rows, o.adopted...)
	for i, row := range rows {
		if i == len(t.adopted) {
			t.adopted = append(t.adopted, nil)
		}
		for _, g := range row {
			if !slices.ContainsFunc(t.adopted[i], g.same) {
				// A new array: the row may be shared.
				t.adopted[i] = append(t.adopted[i][:len(t.adopted[i]):len(t.adopted[i])], g)
			}
		}
	}
}

// all calls f for every generation, youngest first.
func (t *table) all(f func(*generation)) {
	for _, g := range t.own {
		f(g)
	}
	for _, row := range t.adopted {
		for _, g := range row {
			f(g)
		}
	}
}

func (t *table) len() int {
	n := 0
	t.all(func(g *generation) { n += g.used })
	return n
}

func (t *table) size() int64 {
	var n int64
	for _, g := range t.own {
		n += g.size()
	}
	return n
}
