package journeyprocessor

import "github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/arena"

// holdings are the records of one trace and one signal that wait. They have one
// owner, who hands them on or frees them.
type holdings struct {
	pieces []piece
	count  int   // records
	bytes  int64 // of records, as encoded
}

// piecesRoom is by how many pieces their room grows: most traces have ten to
// twenty, and half of a room that doubles would be empty.
const piecesRoom = 6

func (h *holdings) add(f *fragment) {
	if n := len(h.pieces) + len(f.pieces); n > cap(h.pieces) {
		h.pieces = append(make([]piece, 0, max(n, cap(h.pieces)+max(piecesRoom, cap(h.pieces)/4))), h.pieces...)
	}
	h.pieces = append(h.pieces, f.pieces...)
	h.count += f.count
	h.bytes += f.bytes
}

func (h *holdings) addPiece(p piece) {
	h.pieces = append(h.pieces, p)
	h.count += int(p.count)
	h.bytes += int64(p.n)
}

// size is the accounted memory of the pieces, without their bundles.
func (h *holdings) size() int64 { return piecesSize(h.pieces) }

// share is the part of their bundles' memory that is theirs.
func (h *holdings) share(t *bundles) int64 {
	var n int64
	for i := range h.pieces {
		n += t.share(&h.pieces[i])
	}
	return n
}

func newStore(b *buffer) store {
	return store{buffer: b, headers: newHeaderTable(b), bundles: newBundles()}
}

// store is where holdings lie. Any goroutine may use it.
type store struct {
	buffer       *buffer
	headers      *headerTable
	bundles      *bundles
	dictionaries dictionaries
}

// memory is where the bytes of records lie.
func (s *store) memory() *arena.Arena { return s.buffer.memory }

// free gives the memory of holdings back; not the account of the pieces, which
// their owner keeps.
func (s *store) free(h *holdings) {
	s.freePieces(h.pieces)
	h.pieces = nil
}

func (s *store) freePieces(pieces []piece) {
	for i := range pieces {
		s.unbind(&pieces[i])
	}
}
