package journeyprocessor

import "github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/arena"

// holdings are the records of one trace and one signal that wait: as they came,
// in pieces, or parked, in parcels. They have one owner, who hands them on or
// frees them.
type holdings struct {
	pieces  []piece
	parcels []parcel
	count   int   // records
	bytes   int64 // of records, as encoded
}

func (h *holdings) add(f *fragment) {
	h.pieces = append(h.pieces, f.pieces...)
	h.count += f.count
	h.bytes += f.bytes
}

func (h *holdings) addPiece(p piece) {
	h.pieces = append(h.pieces, p)
	h.count += p.count
	h.bytes += int64(p.records.Len())
}

// headers goes over the headers of all that is held; some come more than once.
func (h *holdings) headers(yield func(*header) bool) {
	for i := range h.pieces {
		if !yield(h.pieces[i].header) {
			return
		}
	}
	for i := range h.parcels {
		for _, header := range h.parcels[i].headers {
			if !yield(header) {
				return
			}
		}
	}
}

// size is the accounted memory of pieces and parcels.
func (h *holdings) size() int64 {
	n := piecesSize(h.pieces)
	for i := range h.parcels {
		n += h.parcels[i].size()
	}
	return n
}

// store is where holdings lie. Any goroutine may use it.
type store struct {
	buffer       *buffer
	headers      *headerTable
	dictionaries dictionaries
}

// memory is where the bytes of records lie.
func (s *store) memory() *arena.Arena { return s.buffer.memory }

// free gives the memory of holdings back; not the account, which their owner
// keeps.
func (s *store) free(h *holdings) {
	s.freePieces(h.pieces)
	for i := range h.parcels {
		s.freeParcel(&h.parcels[i])
	}
	h.pieces, h.parcels = nil, nil
}

func (s *store) freePieces(pieces []piece) {
	for i := range pieces {
		s.headers.release(pieces[i].header)
		s.memory().Free(pieces[i].records)
	}
}

func (s *store) freeParcel(p *parcel) {
	for _, header := range p.headers {
		s.headers.release(header)
	}
	s.memory().Free(p.block)
}
