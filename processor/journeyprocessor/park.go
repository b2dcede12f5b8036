package journeyprocessor

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/s2"
)

// parker parks what waits for long: it takes a trace's records out of the
// bundles they came in, of which most others have gone, and binds them anew,
// sorted by header, with a dictionary. Else one trace that waits for a message
// would hold the bundles of a hundred that do not. It belongs to one goroutine
// at a time.
type parker struct {
	binder
	reader
}

func newParker(s *store) parker {
	return parker{binder: binder{store: s}, reader: s.newReader()}
}

// parkGain is the least that is worth parking for, in bytes.
const parkGain = 512

// which of a trace's pieces are to be parked.
type which int

const (
	stranded which = iota // those in bundles of which half has gone, if that is worth it
	unparked              // all that lie in bundles with other traces' records
)

// wants says whether what lies in a bundle is to be parked.
func (w which) wants(b *bundle) bool {
	return !b.parked && (w == unparked || 2*b.live.Load() < int64(b.size))
}

// park binds pieces of holdings anew, and returns how many bytes that saves in
// the end: a bundle that others refer to as well is not smaller for it. What
// cannot be read stays where it is, and is found damaged when it is to leave.
func (k *parker) park(h *holdings, w which) (saved int64) {
	chosen, rest := k.bundles.choose(h.pieces, w)
	if len(chosen) == 0 {
		return 0
	}
	slices.SortStableFunc(chosen, func(a, b piece) int { return cmp.Compare(k.bundles.header(&a).serial, k.bundles.header(&b).serial) })
	anew := make([]piece, 0, len(chosen))
	for i := range chosen {
		saved += k.bundles.pinned(&chosen[i])
		records, err := k.records(&chosen[i])
		if err != nil {
			k.store.freePieces(anew)
			k.discard()
			return 0
		}
		anew = k.bind(anew, k.bundles.header(&chosen[i]), records, chosen[i].count)
		if k.isFull(parkedSize) {
			k.seal(true)
		}
	}
	k.seal(true)
	for i := range anew {
		saved -= k.bundles.share(&anew[i])
	}
	k.store.freePieces(chosen)
	h.pieces = slices.Concat(rest, anew)
	return saved
}

// choose divides pieces into those that are to be parked, which may turn out
// not to be worth it, and the rest.
func (t *bundles) choose(pieces []piece, w which) (chosen, rest []piece) {
	gain := int64(0)
	for i := range pieces {
		p := &pieces[i]
		if !w.wants(t.at(p.bundle)) {
			rest = append(rest, *p)
			continue
		}
		chosen = append(chosen, *p)
		gain += t.pinned(p) - t.share(p)
	}
	if w == stranded && gain < parkGain {
		return nil, pieces
	}
	return chosen, rest
}

// allParked says whether nothing lies in bundles with other traces' records.
func (h *holdings) allParked(t *bundles) bool {
	return !slices.ContainsFunc(h.pieces, func(p piece) bool { return !t.at(p.bundle).parked })
}

const (
	// dictionarySize is the most that S2 takes.
	dictionarySize = s2.MaxDictSize
	// dictionarySample is how much of one trace goes into a dictionary: it
	// should have seen many kinds of them.
	dictionarySample = 4 << 10
	// dictionaryAge is when a new one is made, since traffic changes. Bundles
	// keep the one they were sealed with, so with a wait of half an hour there
	// are at most four, of some 100 KiB each.
	dictionaryAge = 10 * time.Minute
)

// dictionaries learns from what comes in what the spans of this installation
// have in common, which makes small bundles about half as large. Any goroutine
// may use it.
type dictionaries struct {
	current atomic.Pointer[s2.Dict]

	mu     sync.Mutex
	sample []byte
	due    time.Time // when to begin with the next one
}

// learn takes a sample of raw if one is wanted, and returns the dictionary to
// use; nil while there is none.
func (d *dictionaries) learn(raw []byte) *s2.Dict {
	if d.mu.TryLock() {
		defer d.mu.Unlock()
		d.add(raw, time.Now())
	}
	return d.current.Load()
}

func (d *dictionaries) add(raw []byte, now time.Time) {
	if now.Before(d.due) {
		return
	}
	// Another part of each bundle: the first one may always be of the same kind.
	from := len(d.sample) % max(len(raw)-dictionarySample, 1)
	d.sample = append(d.sample, raw[from:min(from+dictionarySample, len(raw))]...)
	if len(d.sample) < dictionarySize {
		return
	}
	d.current.Store(s2.MakeDict(d.sample, nil))
	d.sample, d.due = nil, now.Add(dictionaryAge)
}
