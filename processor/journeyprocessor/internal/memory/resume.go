package memory

import "slices"

// Resume goes on with what o remembers as if d had remembered it itself, and
// says whether it could: d must have forgotten nothing yet and o have been
// loaded from a memory of d's sizes. O must not be used afterwards.
//
// Unlike what is adopted, what is resumed is written to again: a process that
// is reloaded often does not come to remember a few decisions of each life in
// the place of many of its last one.
func (d *Decisions) Resume(o *Decisions) bool {
	if !d.kept.fits(&o.kept) || !d.dropped.fits(&o.dropped) {
		return false
	}
	d.kept.resume(&o.kept)
	d.dropped.resume(&o.dropped)
	return true
}

// fits says whether t could have written all that o has adopted from a saved
// memory.
func (t *table) fits(o *table) bool {
	if len(t.own)+len(t.adopted)+len(o.own) > 0 || len(o.adopted) > t.limit {
		return false
	}
	slots := slotsOf(t.each)
	for _, row := range o.adopted {
		if len(row) != 1 || len(row[0].low) != slots || row[0].seed != o.adopted[0][0].seed {
			return false
		}
	}
	return true
}

func (t *table) resume(o *table) {
	for _, row := range o.adopted {
		g := row[0]
		if t.verdicts {
			g.journeys.resume(t.each)
		}
		t.seed = g.seed
		t.own = append(t.own, g)
	}
}

// resume makes loaded names ready for more.
func (n *journeyNames) resume(traces int) {
	list := n.list
	*n = newJourneyNames(traces)
	for _, name := range list {
		n.list = append(n.list, name)
		n.places[name] = uint16(len(n.list))
		n.bytes += len(name) + nameOverhead
	}
}

// same says whether two generations remember the same: what several shards
// have adopted is saved by each of them.
func (g *generation) same(other *generation) bool {
	return g.seed == other.seed && g.used == other.used &&
		slices.Equal(g.low, other.low) && slices.Equal(g.high, other.high)
}
