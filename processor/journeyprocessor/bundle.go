package journeyprocessor

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/klauspost/compress/s2"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/arena"
)

// bundle is encoded records that lie compressed as one: those of a part of a
// batch, for several traces, or parked ones of a single trace. Its memory is
// given back when the last piece that refers to it is.
type bundle struct {
	block      arena.Block  // zero until it is sealed
	dictionary *s2.Dict     // nil for none
	size       uint32       // bytes of its records, as encoded
	parked     bool         // has records of one trace only
	live       atomic.Int64 // bytes of pieces that refer to it
	headers    []*header    // of its pieces, one use of each
	one        [1]*header   // room for the header that most have only one of
	serial     uint64       // of all bundles; an id is used again, a serial is not
}

const (
	// bundleSize is when a bundle is sealed. To read one trace of it all of it
	// is decompressed: 4 µs for some thirty spans. Half of it takes a tenth
	// more memory, double of it a seventeenth less (BenchmarkBundles).
	bundleSize = 16 << 10
	// parkedSize is the same where all of a bundle is read together.
	parkedSize = 64 << 10
	// smallBundle is up to when a dictionary is worth what it costs: an eighth to a
	// fifth less memory for nearly three times the time.
	smallBundle = 4 << 10
	// bundleOverhead is what a bundle takes on the heap.
	bundleOverhead = 90
	// maxHeaders is how many headers a bundle has at most: they are looked
	// through.
	maxHeaders = 64
)

// cost is the memory a sealed bundle takes.
func (b *bundle) cost() int64 { return b.block.Size() + heapHeadroom*bundleOverhead }

// piece is records of one trace that share a header. Whoever owns it gives back
// its use of the bundle, once: see holdings. There are many, so it is small, and
// has no pointer.
type piece struct {
	bundle bundleID
	at, n  uint32 // where they are in it, and their bytes: each record with tag and length
	under  uint16 // which of its headers
	count  uint16 // records, of at least two bytes each
}

// header is what the piece's records share.
func (t *bundles) header(p *piece) *header { return t.at(p.bundle).headers[p.under] }

// pieceOverhead is what a piece takes on the heap: itself, in slices that have
// some room. TestTheAccountIsWhatMemoryIsUsed holds the account against the
// heap.
const pieceOverhead = heapHeadroom * 16

// share is the piece's part of what its bundle takes.
func (t *bundles) share(p *piece) int64 {
	b := t.at(p.bundle)
	return b.cost() * int64(p.n) / int64(b.size)
}

// pinned is the piece's part of what its bundle takes, shared by those only that
// are still there.
func (t *bundles) pinned(p *piece) int64 {
	b := t.at(p.bundle)
	return b.cost() * int64(p.n) / max(b.live.Load(), int64(p.n))
}

// binder makes bundles of records. It belongs to one goroutine at a time, and
// keeps the memory it works in.
type binder struct {
	store    *store
	open     *bundle // being filled; nil for none
	id       bundleID
	unsealed []byte // its records
	encoded  []byte
}

// bind appends records of a trace whose pieces are given to the open bundle, and
// returns the trace's pieces with them.
func (w *binder) bind(pieces []piece, h *header, records []byte, count uint16) []piece {
	under := w.under(h)
	at, n := uint32(len(w.unsealed)), uint32(len(records))
	w.unsealed = append(w.unsealed, records...)
	w.open.live.Add(int64(n))
	if last := len(pieces) - 1; last >= 0 {
		if p := &pieces[last]; p.bundle == w.id && p.under == under && p.at+p.n == at {
			p.n += n
			p.count += count
			return pieces
		}
	}
	return append(pieces, piece{bundle: w.id, at: at, n: n, under: under, count: count})
}

// under returns h's number among the open bundle's headers. A header that is
// new to it is used by it from now on.
func (w *binder) under(h *header) uint16 {
	b := w.open
	if b == nil {
		w.id, b = w.store.bundles.add()
		w.open = b
	}
	for i := len(b.headers) - 1; i >= 0; i-- { // records of one header mostly come together
		if b.headers[i] == h {
			return uint16(i)
		}
	}
	h.users.Add(1)
	b.headers = append(b.headers, h)
	return uint16(len(b.headers) - 1)
}

// isFull says that the open bundle has that many bytes, or all the headers it
// may have, and is to be sealed.
func (w *binder) isFull(size int) bool {
	return len(w.unsealed) >= size || w.open != nil && len(w.open.headers) == maxHeaders
}

// seal compresses the open bundle, if there is one, and accounts for it.
// Nothing of it can be read before.
func (w *binder) seal(parked bool) {
	b := w.open
	if b == nil {
		return
	}
	dictionary := w.store.dictionaries.learn(w.unsealed)
	if dictionary != nil && (parked || len(w.unsealed) <= smallBundle) {
		b.dictionary = dictionary
		w.encoded = dictionary.Encode(w.encoded[:cap(w.encoded)], w.unsealed)
	} else {
		w.encoded = s2.Encode(w.encoded[:cap(w.encoded)], w.unsealed)
	}
	b.size, b.parked = uint32(len(w.unsealed)), parked
	b.block = w.store.memory().Alloc(len(w.encoded))
	copy(b.block.Bytes(), w.encoded)
	w.store.buffer.add(b.cost())
	w.open, w.unsealed = nil, w.unsealed[:0]
	if cap(w.unsealed) > workRoom {
		w.unsealed, w.encoded = nil, nil
	}
}

// discard forgets the open bundle, whose pieces have been freed.
func (w *binder) discard() { w.open, w.unsealed = nil, w.unsealed[:0] }

// workRoom is how much memory is kept for the next bundle. Only single records
// can take more.
const workRoom = 1 << 20

// unbind gives a piece's use of its bundle back.
func (s *store) unbind(p *piece) {
	b := s.bundles.at(p.bundle)
	if b.live.Add(-int64(p.n)) > 0 {
		return
	}
	for _, h := range b.headers {
		s.headers.release(h)
	}
	if b.size > 0 { // it has been sealed
		s.buffer.add(-b.cost())
		s.memory().Free(b.block)
	}
	s.bundles.remove(p.bundle)
}

var errBundle = errors.New("buffered records are damaged")

// reader reads bundles. It belongs to one goroutine at a time, and keeps the
// bundle it has read last.
type reader struct {
	bundles *bundles
	raw     []byte
	of      uint64 // the serial of the bundle they are of; 0 for none
}

func (s *store) newReader() reader { return reader{bundles: s.bundles} }

// read returns the records of a bundle, which are valid until the next call. It
// fails only by a fault of memory or of ours.
func (r *reader) read(id bundleID) ([]byte, error) {
	b := r.bundles.at(id)
	if r.of == b.serial {
		return r.raw, nil
	}
	r.of = 0
	if cap(r.raw) > workRoom {
		r.raw = nil
	}
	var err error
	if b.dictionary == nil {
		r.raw, err = s2.Decode(r.raw[:cap(r.raw)], b.block.Bytes())
	} else {
		r.raw, err = b.dictionary.Decode(r.raw[:cap(r.raw)], b.block.Bytes())
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBundle, err)
	}
	if len(r.raw) != int(b.size) {
		return nil, fmt.Errorf("%w: %d bytes in place of %d", errBundle, len(r.raw), b.size)
	}
	r.of = b.serial
	return r.raw, nil
}

// records returns those of a piece, under the conditions of read.
func (r *reader) records(p *piece) ([]byte, error) {
	raw, err := r.read(p.bundle)
	if err != nil {
		return nil, err
	}
	return raw[p.at : p.at+p.n], nil
}
