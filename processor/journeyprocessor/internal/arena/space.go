package arena

import (
	"sync"
	"sync/atomic"
)

// regionSize is how much address space is reserved at once. It takes physical
// memory only where it is written to.
const regionSize = 64 << 20

// space hands out slabs and takes them back. Address space that was reserved
// stays so; physical memory that is not needed goes back to the system.
type space struct {
	resident atomic.Int64

	mu     sync.Mutex
	region []byte   // what is left of the newest region
	ready  [][]byte // free slabs in physical memory, the last freed at the end
	cold   [][]byte // free slabs without
}

func (s *space) takeSlab() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.ready); n > 0 {
		slab := s.ready[n-1]
		s.ready = s.ready[:n-1]
		return slab
	}
	s.resident.Add(slabSize)
	if n := len(s.cold); n > 0 {
		slab := s.cold[n-1]
		s.cold = s.cold[:n-1]
		return slab
	}
	if len(s.region) == 0 {
		s.region = mapMemory(regionSize)
	}
	slab := s.region[:slabSize:slabSize]
	s.region = s.region[slabSize:]
	return slab
}

func (s *space) putSlab(slab []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ready) < warm/slabSize {
		s.ready = append(s.ready, slab)
		return
	}
	giveBack(slab)
	s.resident.Add(-slabSize)
	s.cold = append(s.cold, slab)
}

// pageSize is what lone blocks are rounded to; systems with larger pages round
// further by themselves.
const pageSize = 4 << 10

func (s *space) mapAlone(n int) []byte {
	n = (n + pageSize - 1) / pageSize * pageSize
	s.resident.Add(int64(n))
	return mapMemory(n)
}

func (s *space) unmapAlone(b []byte) {
	s.resident.Add(-int64(len(b)))
	unmapMemory(b)
}
