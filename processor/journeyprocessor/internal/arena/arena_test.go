package arena

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryLengthGetsTheSmallestSlotThatHoldsIt(t *testing.T) {
	for n := 1; n <= maxClass; n++ {
		c := classOf(n)
		require.GreaterOrEqual(t, slotSize(c), n)
		if c > 0 {
			require.Less(t, slotSize(c-1), n)
		}
		if n > 4*smallest {
			require.LessOrEqual(t, slotSize(c), n+n/4, "waste at %d", n)
		}
	}
	require.Equal(t, classCount-1, classOf(maxClass))
	require.Equal(t, maxClass, slotSize(classCount-1))
}

// held is a block with what was written into it.
type held struct {
	block Block
	want  []byte
}

// churn allocates and frees at random and wants every block to keep what was
// written into it.
func churn(t *testing.T, a *Arena, seed uint64, rounds int) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 7))
	var all []held
	for range rounds {
		if len(all) > 0 && rnd.IntN(5) < 2 {
			i := rnd.IntN(len(all))
			if !bytes.Equal(all[i].want, all[i].block.Bytes()) {
				t.Errorf("block of %d bytes changed", all[i].block.Len())
				return
			}
			a.Free(all[i].block)
			all[i] = all[len(all)-1]
			all = all[:len(all)-1]
			continue
		}
		n := rnd.IntN(1 << (1 + rnd.IntN(18)))
		h := held{a.Alloc(n), make([]byte, n)}
		for i := range h.want {
			h.want[i] = byte(rnd.Uint32())
		}
		copy(h.block.Bytes(), h.want)
		all = append(all, h)
	}
	for _, h := range all {
		if !bytes.Equal(h.want, h.block.Bytes()) {
			t.Errorf("block of %d bytes changed", h.block.Len())
		}
		a.Free(h.block)
	}
}

func TestBlocksKeepTheirBytesWhileOthersComeAndGo(t *testing.T) {
	a := New(true)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for i := range uint64(4) {
		wg.Go(func() { churn(t, a, seed+i, 2000) })
	}
	wg.Wait()
	require.Zero(t, a.Used())
	require.Zero(t, a.Blocks())
	require.LessOrEqual(t, a.Resident(), int64(warm))
}

func TestUsedIsTheSizeOfWhatIsHeld(t *testing.T) {
	a := New(true)
	var blocks []Block
	var want int64
	for _, n := range []int{1, 64, 65, 1000, maxClass, maxClass + 1, 5 << 20} {
		b := a.Alloc(n)
		require.Len(t, b.Bytes(), n)
		require.GreaterOrEqual(t, b.Size(), int64(n))
		want += b.Size()
		blocks = append(blocks, b)
	}
	require.Equal(t, want, a.Used())
	for _, b := range blocks {
		a.Free(b.Prefix(1))
	}
	require.Zero(t, a.Used())
}

func TestNoBytesNeedNoBlock(t *testing.T) {
	a := New(true)
	b := a.Alloc(0)
	require.Empty(t, b.Bytes())
	a.Free(b)
	require.Zero(t, a.Blocks())
}

func TestWhatIsFreedIsUsedAgainForOtherSizes(t *testing.T) {
	a := New(false)
	for _, n := range []int{100, 1000, 10_000} {
		var blocks []Block
		for a.Used() < 8<<20 {
			blocks = append(blocks, a.Alloc(n))
		}
		for _, b := range blocks {
			a.Free(b)
		}
	}
	require.LessOrEqual(t, a.Resident(), int64(warm))
}

func TestAUseAfterFreeShows(t *testing.T) {
	a := New(true)
	b := a.Alloc(100)
	copy(b.Bytes(), "something")
	a.Free(b)
	require.NotContains(t, string(b.Bytes()), "something")
	require.Panics(t, func() { a.Free(b) })
}

// Question: what does a block cost beside one of the Go heap, at the sizes
// that one batch holds of one trace? The heap's frees are the collector's work,
// which this leaves out.
func BenchmarkAlloc(b *testing.B) {
	b.Run("arena", func(b *testing.B) {
		a := New(false)
		b.RunParallel(func(pb *testing.PB) {
			var ring [1024]Block
			for i := 0; pb.Next(); i++ {
				a.Free(ring[i%len(ring)])
				ring[i%len(ring)] = a.Alloc(200 + i%1800)
			}
		})
	})
	b.Run("heap", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			var ring [1024][]byte
			for i := 0; pb.Next(); i++ {
				ring[i%len(ring)] = make([]byte, 0, 200+i%1800)
			}
			runtime.KeepAlive(&ring)
		})
	})
}
