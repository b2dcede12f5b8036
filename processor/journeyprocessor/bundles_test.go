package journeyprocessor

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/wire"
)

// inUse is how many bundles have not been removed.
func (t *bundles) inUse() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, chunk := range *t.chunks.Load() {
		if chunk != nil {
			n += bundlesPerChunk - len(chunk.free)
		}
	}
	return n
}

// TestABundleIsFoundByItsIDUntilItIsRemoved has several goroutines make, find
// and remove them at once.
func TestABundleIsFoundByItsIDUntilItIsRemoved(t *testing.T) {
	table := newBundles()
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(worker)))
			mine := make(map[bundleID]uint64)
			for range 20_000 {
				for id, serial := range mine {
					if table.at(id).serial != serial {
						t.Errorf("bundle %d is another's", id)
					}
					if rnd.IntN(2) == 0 {
						delete(mine, id)
						table.remove(id)
					}
					break
				}
				if len(mine) < 1000 {
					id, b := table.add()
					if b != table.at(id) || b.live.Load() != 0 || len(b.headers) != 0 {
						t.Errorf("bundle %d is not a new one", id)
					}
					mine[id] = b.serial
				}
			}
			for id := range mine {
				table.remove(id)
			}
		})
	}
	wg.Wait()
	require.Zero(t, table.inUse())
	chunks := 0
	for _, chunk := range *table.chunks.Load() {
		if chunk != nil {
			chunks++
		}
	}
	require.Equal(t, 1, chunks, "what is empty is given back, but for one")
}

// TestAReaderDoesNotTakeAnIDThatCameAgainForWhatItHasRead: the id of a bundle
// that was freed is the next one's.
func TestAReaderDoesNotTakeAnIDThatCameAgainForWhatItHasRead(t *testing.T) {
	s := newTestStore()
	r := s.newReader()
	w := binder{store: s}
	var ids []bundleID
	for _, text := range []string{"first", "second"} {
		var v holdings
		h := s.headers.take(new(wire.Group), nil)
		v.pieces = w.bind(nil, h, []byte(text), 1)
		s.headers.release(h)
		w.seal(false)
		records, err := r.records(&v.pieces[0])
		require.NoError(t, err)
		require.Equal(t, text, string(records))
		ids = append(ids, v.pieces[0].bundle)
		s.free(&v)
	}
	require.Equal(t, ids[0], ids[1], "the test is about an id that comes again")
	require.Zero(t, s.bundles.inUse())
}
