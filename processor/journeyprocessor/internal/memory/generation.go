package memory

import "math/bits"

// maxLoad is how full a generation's slots get. Linear probing then compares 6
// slots on average for a trace that is not there, and 2 for one that is.
const maxLoad = 0.7

// generation is a hash table of fingerprints with open addressing: no pointer
// and no allocation per trace. Nothing is ever taken out of it but everything.
type generation struct {
	seed Seed
	// A slot's fingerprint is in two arrays because Go has no five-byte
	// number. An empty slot has 0 in low; high is only read where low agrees.
	low  []uint32
	high []uint8
	used int

	// Of a table with verdicts: each slot's weight, and its journey's place in
	// journeys.
	weights  []uint64
	names    []uint16
	journeys journeyNames
}

func newGeneration(seed Seed, size int, verdicts bool) *generation {
	slots := slotsOf(size)
	g := &generation{seed: seed, low: make([]uint32, slots), high: make([]uint8, slots)}
	if verdicts {
		g.weights, g.names = make([]uint64, slots), make([]uint16, slots)
		g.journeys = newJourneyNames(size)
	}
	return g
}

// slotsOf leaves at least one slot empty: a search ends there.
func slotsOf(size int) int { return int(float64(size)/maxLoad) + 1 }

// clear forgets everything. What is found in weights and names of an empty
// slot is never looked at.
func (g *generation) clear() {
	clear(g.low)
	clear(g.high)
	g.used = 0
	g.journeys.clear()
}

// put must not be called more often than the size that g was made for.
func (g *generation) put(h uint64, v Verdict) {
	slot, found := g.search(h)
	if !found {
		f := fingerprint(h)
		g.low[slot], g.high[slot] = uint32(f), uint8(f>>32)
		g.used++
	}
	if g.weights != nil {
		g.weights[slot], g.names[slot] = v.Weight, g.journeys.put(v.Journey)
	}
}

// find returns the slot of a trace, or -1.
func (g *generation) find(h uint64) int {
	slot, found := g.search(h)
	if !found {
		return -1
	}
	return slot
}

// search returns the trace's slot, or the one where it would be put.
func (g *generation) search(h uint64) (slot int, found bool) {
	f := fingerprint(h)
	low, high := uint32(f), uint8(f>>32)
	home, _ := bits.Mul64(h, uint64(len(g.low)))
	slot = int(home)
	for {
		switch {
		case g.low[slot] == low && g.high[slot] == high:
			return slot, true
		case g.low[slot] == 0:
			return slot, false
		}
		if slot++; slot == len(g.low) {
			slot = 0
		}
	}
}

// fingerprint is the low 40 bits of a hash; a slot's place comes from the high
// 24, so the two are independent up to 16 million slots. Its low part is never
// 0.
func fingerprint(h uint64) uint64 {
	f := h & (1<<40 - 1)
	if uint32(f) == 0 {
		f++
	}
	return f
}

func (g *generation) verdict(slot int) Verdict {
	return Verdict{Journey: g.journeys.at(g.names[slot]), Weight: g.weights[slot]}
}

func (g *generation) size() int64 {
	const perFingerprint, perVerdict = 4 + 1, 8 + 2
	n := int64(len(g.low)) * perFingerprint
	if g.weights != nil {
		n += int64(len(g.low))*perVerdict + int64(g.journeys.bytes)
	}
	return n
}

const (
	// namesPerTrace and minNames are the bytes that the names of a
	// generation's journeys may take: with the slot's 15/0.7 bytes that is 32
	// a trace. Names come from strangers, so there may be as many as traces.
	namesPerTrace, minNames = 10, 4 << 10
	// nameOverhead is what a name takes besides its text: two string headers,
	// and its entry in the map with the map's slack.
	nameOverhead = 80
	maxNames     = 1<<16 - 1
)

// journeyNames holds each name once. Place 0 is a name that found no room.
type journeyNames struct {
	list   []string // the name at place i+1
	places map[string]uint16
	bytes  int // what the names take
	limit  int
}

func newJourneyNames(traces int) journeyNames {
	return journeyNames{places: make(map[string]uint16), limit: max(namesPerTrace*traces, minNames)}
}

func (n *journeyNames) clear() {
	clear(n.list)
	n.list, n.bytes = n.list[:0], 0
	clear(n.places)
}

func (n *journeyNames) put(name string) uint16 {
	if place, ok := n.places[name]; ok {
		return place
	}
	size := len(name) + nameOverhead
	if n.bytes+size > n.limit || len(n.list) == maxNames {
		return 0
	}
	n.list = append(n.list, name)
	n.bytes += size
	place := uint16(len(n.list))
	n.places[name] = place
	return place
}

func (n *journeyNames) at(place uint16) string {
	if place == 0 {
		return ""
	}
	return n.list[place-1]
}
