// Package arena holds bytes outside of the Go heap.
//
// What a tail sampler buffers is large, lives for seconds to minutes, and has
// no pointers in it. On the Go heap it would be paid for twice: the collector
// lets the heap grow to double of what lives before it collects, and everything
// else that is allocated meanwhile, above all the decoded batches of the
// receivers, lands on memory that is cold. Outside of it a byte takes a byte,
// and the heap stays as small as that of a collector that buffers nothing
// (docs/adr/0008-outside-of-the-heap.md).
//
// The price is that blocks are freed by hand. Whoever owns a Block frees it
// once; tests poison what is freed and count what is not.
package arena

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
)

const (
	// slabSize is the unit that blocks of one size are carved from. The sizes
	// in use, some thirty, may each have one that is partly used: 4 MiB.
	slabSize = 128 << 10
	// maxClass is the largest block that shares a slab. Larger ones are mapped
	// and unmapped one by one.
	maxClass = slabSize / 4
	// warm is how much that is free is kept in physical memory, ready for use.
	// The rest is given back to the system.
	warm = 4 << 20
)

// Block is a run of bytes. The zero Block has none and need not be freed.
type Block struct {
	slab *slab
	at   uint32
	n    uint32
}

// Bytes returns the block's memory. It must not be used after Free.
func (b Block) Bytes() []byte {
	if b.slab == nil {
		return nil
	}
	return b.slab.data[b.at : b.at+b.n : b.at+b.n]
}

// Len is the number of bytes asked for.
func (b Block) Len() int { return int(b.n) }

// Size is the number of bytes taken, at most a fifth more than asked for but
// for the smallest blocks.
func (b Block) Size() int64 {
	if b.slab == nil {
		return 0
	}
	return int64(b.slab.slot)
}

// Prefix is the same block with only its first n bytes visible. It stands in
// b's place: one of the two is freed.
func (b Block) Prefix(n int) Block {
	b.n = uint32(n)
	return b
}

// Arena is an allocator. Any goroutine may use it.
type Arena struct {
	poison  bool
	classes [classCount]class
	space   space
	used    atomic.Int64 // bytes of blocks in use, by their Size
	blocks  atomic.Int64
}

// slab is a run of slots of one size. A class's lock guards it.
type slab struct {
	data       []byte
	class      *class // nil for a block that is mapped alone
	slot       int    // bytes
	fresh      uint32 // slots from here on have never been used
	live       uint32
	free       uint32 // the first free slot, by its number plus one; each holds the next
	prev, next *slab  // among its class's slabs that have room
}

// class owns the slabs of one slot size that have room.
type class struct {
	mu       sync.Mutex
	slot     int
	withRoom *slab
}

// New makes an arena. With poison, freed memory is overwritten, so that a use
// after Free shows in a test.
func New(poison bool) *Arena {
	a := &Arena{poison: poison}
	for i := range a.classes {
		a.classes[i].slot = slotSize(i)
	}
	return a
}

// Used is the bytes of all blocks that have not been freed, by their Size.
func (a *Arena) Used() int64 { return a.used.Load() }

// Blocks is how many blocks have not been freed.
func (a *Arena) Blocks() int64 { return a.blocks.Load() }

// Resident is the physical memory that the arena holds at most: blocks, the
// free slots between them, and what is kept ready.
func (a *Arena) Resident() int64 { return a.space.resident.Load() }

// Alloc returns a block of n bytes whose content is undefined; the zero Block
// for 0. It panics when the system has no more memory, as an allocation by Go
// does.
func (a *Arena) Alloc(n int) Block {
	if n == 0 {
		return Block{}
	}
	a.blocks.Add(1)
	if n > maxClass {
		s := &slab{data: a.space.mapAlone(n)}
		s.slot = len(s.data)
		a.used.Add(int64(s.slot))
		return Block{slab: s, n: uint32(n)}
	}
	c := &a.classes[classOf(n)]
	a.used.Add(int64(c.slot))
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.withRoom
	if s == nil {
		s = &slab{data: a.space.takeSlab(), class: c, slot: c.slot}
		c.push(s)
	}
	at := s.take()
	if s.isFull() {
		c.remove(s)
	}
	return Block{slab: s, at: at, n: uint32(n)}
}

// Free gives a block back. Nobody may use it, or a copy of it, any more.
func (a *Arena) Free(b Block) {
	s := b.slab
	if s == nil {
		return
	}
	a.blocks.Add(-1)
	a.used.Add(-int64(s.slot))
	if s.class == nil {
		a.space.unmapAlone(s.data)
		return
	}
	if a.poison {
		fill(s.data[b.at:int(b.at)+s.slot], 0xdb)
	}
	c := s.class
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.isFull() {
		c.push(s)
	}
	s.put(b.at)
	if s.live == 0 {
		c.remove(s)
		a.space.putSlab(s.data)
	}
}

func (s *slab) slots() uint32 { return uint32(len(s.data) / s.slot) }

func (s *slab) isFull() bool { return s.live == s.slots() }

func (s *slab) take() (at uint32) {
	s.live++
	if s.free == 0 {
		at = s.fresh * uint32(s.slot)
		s.fresh++
		return at
	}
	at = (s.free - 1) * uint32(s.slot)
	s.free = binary.NativeEndian.Uint32(s.data[at:])
	return at
}

func (s *slab) put(at uint32) {
	if s.live == 0 {
		panic("arena: a block was freed twice")
	}
	s.live--
	binary.NativeEndian.PutUint32(s.data[at:], s.free)
	s.free = at/uint32(s.slot) + 1
}

func (c *class) push(s *slab) {
	if s.next = c.withRoom; s.next != nil {
		s.next.prev = s
	}
	c.withRoom = s
}

func (c *class) remove(s *slab) {
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		c.withRoom = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
}

func fill(b []byte, with byte) {
	for i := range b {
		b[i] = with
	}
}

func mapError(n int, err error) string {
	return fmt.Sprintf("arena: map %d bytes: %v", n, err)
}
