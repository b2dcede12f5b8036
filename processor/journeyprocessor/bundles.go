package journeyprocessor

import (
	"sync"
	"sync/atomic"
)

// bundleID names a bundle of its engine. A piece has it in place of a pointer:
// half of the pointers to what waits would be those of pieces, and the garbage
// collector would follow each of them in every cycle.
type bundleID uint32

// bundlesPerChunk is how many bundles lie together. A chunk goes when all of them have.
const bundlesPerChunk = 128

type bundleChunk struct {
	slots [bundlesPerChunk]bundle
	free  []uint8 // slots that are not in use; guarded by bundles.mu
	room  int     // its place in bundles.withRoom; -1: it is full
}

// bundles is where bundles are found by their id. Any goroutine may use it.
type bundles struct {
	// By the upper bits of an id; nil where one has gone. A place is written with
	// mu held and while nobody has an id that leads there, so who has one needs
	// no lock; the list is replaced when it grows.
	chunks atomic.Pointer[[]*bundleChunk]

	mu       sync.Mutex
	withRoom []uint32 // chunks that have free slots
	gone     []uint32 // numbers without a chunk
	made     uint64
}

func newBundles() *bundles {
	t := new(bundles)
	t.chunks.Store(new([]*bundleChunk))
	return t
}

// at returns a bundle that somebody has a use of.
func (t *bundles) at(id bundleID) *bundle {
	return &(*t.chunks.Load())[id/bundlesPerChunk].slots[id%bundlesPerChunk]
}

// add makes an empty bundle. It is the caller's until a piece refers to it.
func (t *bundles) add() (bundleID, *bundle) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.withRoom) == 0 {
		t.addChunk()
	}
	number := t.withRoom[len(t.withRoom)-1]
	chunk := (*t.chunks.Load())[number]
	slot := chunk.free[len(chunk.free)-1]
	if chunk.free = chunk.free[:len(chunk.free)-1]; len(chunk.free) == 0 {
		t.withRoom, chunk.room = t.withRoom[:len(t.withRoom)-1], -1
	}
	b := &chunk.slots[slot]
	t.made++
	b.serial = t.made
	b.headers = b.one[:0]
	return bundleID(number)*bundlesPerChunk + bundleID(slot), b
}

// addChunk adds a chunk of which nothing is in use.
func (t *bundles) addChunk() {
	chunk := &bundleChunk{free: make([]uint8, bundlesPerChunk), room: len(t.withRoom)}
	for i := range chunk.free {
		chunk.free[i] = uint8(bundlesPerChunk - 1 - i)
	}
	chunks := *t.chunks.Load()
	number := uint32(len(chunks))
	if n := len(t.gone); n > 0 {
		number, t.gone = t.gone[n-1], t.gone[:n-1]
		chunks[number] = chunk
	} else {
		chunks = append(chunks, chunk) // readers of the shorter list do not see it
		t.chunks.Store(&chunks)
	}
	t.withRoom = append(t.withRoom, number)
}

// remove forgets a bundle that nothing refers to any more.
func (t *bundles) remove(id bundleID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	number := uint32(id / bundlesPerChunk)
	chunk := (*t.chunks.Load())[number]
	chunk.slots[id%bundlesPerChunk] = bundle{}
	chunk.free = append(chunk.free, uint8(id%bundlesPerChunk))
	if chunk.room < 0 {
		chunk.room = len(t.withRoom)
		t.withRoom = append(t.withRoom, number)
	}
	if len(chunk.free) == bundlesPerChunk && len(t.withRoom) > 1 {
		t.removeChunk(number, chunk)
	}
}

func (t *bundles) removeChunk(number uint32, chunk *bundleChunk) {
	last := len(t.withRoom) - 1
	moved := t.withRoom[last]
	t.withRoom[chunk.room] = moved
	(*t.chunks.Load())[moved].room = chunk.room
	t.withRoom = t.withRoom[:last]
	(*t.chunks.Load())[number] = nil
	t.gone = append(t.gone, number)
}
