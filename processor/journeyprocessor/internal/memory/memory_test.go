package memory

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// number makes trace ids that differ in few bits, as those of a tracer that
// counts.
func number(n int) (id pcommon.TraceID) {
	id[0] = 1
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func newRandom(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func answer(d *Decisions, id pcommon.TraceID) Answer { a, _ := d.Lookup(id); return a }

func TestThreeQuartersAreAlwaysRemembered(t *testing.T) {
	rnd := newRandom(t)
	for _, size := range []int{1, 2, 7, 8, 100, 500} {
		d := New(NewSeed(), size, size)
		sure := size - size%min(size, generations)
		sure -= sure / min(size, generations)
		sure = max(sure, 1)
		for i := range 20 * size {
			d.Keep(number(2*i), Verdict{Weight: uint64(i)})
			d.Drop(number(2*i + 1))
			for back := 0; back < min(sure, i+1); back += 1 + rnd.IntN(1+size/50) {
				a, v := d.Lookup(number(2 * (i - back)))
				require.Equal(t, Kept, a)
				require.Equal(t, uint64(i-back), v.Weight)
				require.Equal(t, Dropped, answer(d, number(2*(i-back)+1)))
			}
			kept, dropped := d.Len()
			require.LessOrEqual(t, kept, size)
			require.LessOrEqual(t, dropped, size)
		}
		require.Equal(t, Unknown, answer(d, number(0)))
	}
}

func TestTheLaterDecisionCountsIfItKeeps(t *testing.T) {
	d := New(NewSeed(), 16, 16)
	d.Drop(number(1))
	d.Keep(number(1), Verdict{Journey: "a", Weight: 1})
	d.Keep(number(1), Verdict{Journey: "b", Weight: 2})
	d.Drop(number(1))
	a, v := d.Lookup(number(1))
	require.Equal(t, Kept, a)
	require.Equal(t, Verdict{Journey: "b", Weight: 2}, v)
	kept, _ := d.Len()
	require.LessOrEqual(t, kept, 2)
}

func TestSizeZeroRemembersNothing(t *testing.T) {
	d := New(NewSeed(), 0, 0)
	full := New(NewSeed(), 8, 8)
	full.Keep(number(2), Verdict{})
	full.Drop(number(3))
	d.Keep(number(1), Verdict{})
	d.Drop(number(1))
	d.Adopt(full)
	for i := range 4 {
		require.Equal(t, Unknown, answer(d, number(i)))
	}
	require.Zero(t, d.Size())
}

// TestDecisionsAreRememberedAsAMapWould keeps, drops, looks up, saves, loads
// and adopts at random, beside a plain map that forgets nothing. What is
// recent is remembered rightly, and nothing is that was not decided.
func TestDecisionsAreRememberedAsAMapWould(t *testing.T) {
	for range 5 {
		rnd := newRandom(t)
		size := 64 + rnd.IntN(500)
		sure, restarted := size/4*2, 0 // a restart leaves one generation partly used
		d := New(NewSeed(), size, size)
		kept := map[int]Verdict{}
		var order []int // of keeping and dropping
		for i := range 10000 {
			id := rnd.IntN(1 << 20)
			switch restart := rnd.IntN(500) == 0 && i > restarted+1000; restart {
			case false:
				v := Verdict{Journey: fmt.Sprint("journey ", rnd.IntN(5)), Weight: rnd.Uint64()}
				d.Keep(number(id), v)
				kept[id] = v
				order = append(order, id)
			case true: // perhaps with other sizes and in two shards
				saved, err := Load(d.AppendTo(nil))
				require.NoError(t, err)
				old := size
				if i%2 == 0 {
					size = 64 + rnd.IntN(500)
				}
				d = New(NewSeed(), size, size)
				d.Adopt(saved, New(NewSeed(), 10, 10))
				sure, restarted = min(old, size)/4*2, i
				order = order[max(len(order)-sure, 0):]
			}
			for range 20 {
				if n := min(len(order), sure); n > 0 {
					recent := order[len(order)-1-rnd.IntN(n)]
					a, v := d.Lookup(number(recent))
					require.Equal(t, Kept, a)
					require.Equal(t, kept[recent], v)
				}
				require.Equal(t, Unknown, answer(d, number(1<<21+rnd.IntN(1<<30))))
			}
		}
	}
}

func TestWhatSeveralShardsSavedIsAdoptedByOtherShards(t *testing.T) {
	old := []*Decisions{New(NewSeed(), 800, 800), New(NewSeed(), 800, 800), New(NewSeed(), 80, 80)}
	for i := range 1200 {
		old[i%3].Drop(number(i))
	}
	shards := []*Decisions{New(NewSeed(), 1000, 1000), New(NewSeed(), 1000, 1000)}
	for _, s := range shards {
		s.Adopt(old...)
		for i := range 1200 {
			if i%3 < 2 || i > 1190 {
				require.Equal(t, Dropped, answer(s, number(i)))
			}
		}
		for i := range 2000 {
			s.Drop(number(10000 + i))
		}
		require.Equal(t, Unknown, answer(s, number(1)), "the adopted go as their successors fill up")
		require.Empty(t, s.dropped.adopted)
	}
}

// TestSizeOfAnEntry holds what the README promises against the heap.
func TestSizeOfAnEntry(t *testing.T) {
	const kept, dropped = 250_000, 2_000_000
	for _, test := range []struct {
		what string
		fill func(*Decisions)
		most float64 // bytes
		of   int
	}{
		{"idle", func(*Decisions) {}, 2 << 10, 1},
		{"dropped", func(d *Decisions) {
			for i := range 2 * dropped {
				d.Drop(number(i))
			}
		}, 8, dropped},
		{"kept, each with a name of its own", func(d *Decisions) {
			for i := range 2 * kept {
				d.Keep(number(i), Verdict{Journey: fmt.Sprint("gateway GET /orders/", i), Weight: uint64(i)})
			}
		}, 32, kept},
	} {
		t.Run(test.what, func(t *testing.T) {
			before := heap()
			d := New(NewSeed(), kept, dropped)
			test.fill(d)
			each := float64(heap()-before) / float64(test.of)
			t.Logf("%.2f bytes each by the heap, %.2f by arithmetic", each, float64(d.Size())/float64(test.of))
			require.LessOrEqual(t, each, test.most)
			require.LessOrEqual(t, float64(d.Size())/float64(test.of), test.most)
			runtime.KeepAlive(d)
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestAKeptTraceForWhoseNameIsNoRoomKeepsItsWeight(t *testing.T) {
	const traces = 4000 // 1,000 a generation: 10 kB of names
	d := New(NewSeed(), traces, 0)
	named := 0
	for i := range traces {
		d.Keep(number(i), Verdict{Journey: fmt.Sprintf("service %0100d", i), Weight: uint64(i)})
		a, v := d.Lookup(number(i))
		require.Equal(t, Kept, a)
		require.Equal(t, uint64(i), v.Weight)
		if v.Journey != "" {
			require.Equal(t, fmt.Sprintf("service %0100d", i), v.Journey)
			named++
		}
	}
	require.InDelta(t, generations*10_000/(100+len("service ")+nameOverhead), named, generations)
	d.Keep(number(traces), Verdict{Journey: "room again in the next generation"})
	_, v := d.Lookup(number(traces))
	require.NotEmpty(t, v.Journey)
}

// TestFalseAnswersAreAsRareAsStated measures what the bound is made of: how
// many fingerprints a look-up of an unknown trace compares, and that two
// traces have equal ones once in 2^40; and then looks up unknown traces.
func TestFalseAnswersAreAsRareAsStated(t *testing.T) {
	const size = 200_000
	for name, id := range traceIDs() {
		t.Run(name, func(t *testing.T) {
			d := New(NewSeed(), 0, size)
			prints := make([]uint64, 1_000_000)
			for i := range prints {
				prints[i] = fingerprint(d.dropped.seed.hash(id(i)))
				if i < size {
					d.Drop(id(i))
				}
			}
			compared, unknown := 0, 0
			for i := size; i < 5*size; i++ {
				if answer(d, id(i)) != Unknown {
					unknown++
				}
			}
			for i := size; i < size+20_000; i++ {
				for _, g := range d.dropped.own {
					compared += g.distance(d.dropped.seed.hash(id(i)))
				}
			}
			perLookup := float64(compared) / 20_000
			t.Logf("%.1f fingerprints compared, so one false answer in %.2g", perLookup, (1<<40)/perLookup)
			require.Less(t, 2*perLookup/(1<<40), FalseAnswers, "both tables full")
			require.Zero(t, unknown, "false answers in 800,000 look-ups")

			slices.Sort(prints)
			equal := 0
			for i := 1; i < len(prints); i++ {
				if prints[i] == prints[i-1] {
					equal++
				}
			}
			// n²/2 pairs equal once in 2^40 are 0.45 on average; 8 by chance
			// once in a billion runs.
			require.LessOrEqual(t, equal, 8, "equal fingerprints among a million")
		})
	}
}

// distance is how many used slots are looked at for a trace that is not there.
func (g *generation) distance(h uint64) int {
	home, _ := bits.Mul64(h, uint64(len(g.low)))
	end, _ := g.search(h)
	return (end - int(home) + len(g.low)) % len(g.low)
}

// traceIDs are the kinds of trace ids that tracers make.
func traceIDs() map[string]func(int) pcommon.TraceID {
	half := func(at int) func(int) pcommon.TraceID {
		return func(n int) (id pcommon.TraceID) {
			rnd := rand.New(rand.NewPCG(uint64(n), 1))
			binary.LittleEndian.PutUint64(id[at:], rnd.Uint64())
			return id
		}
	}
	return map[string]func(int) pcommon.TraceID{
		"counted":                number,
		"64 bits, left-padded":   half(8),
		"64 bits, in the middle": half(4),
		"seconds, then random": func(n int) (id pcommon.TraceID) {
			id = half(8)(n)
			binary.BigEndian.PutUint32(id[:4], uint32(1_700_000_000+n/1000))
			return id
		},
	}
}

func BenchmarkLookup(b *testing.B) {
	const size = 1_000_000
	d := New(NewSeed(), size/8, size)
	for i := range 2 * size {
		d.Drop(number(i))
		if i < size/4 {
			d.Keep(number(-i-1), Verdict{Journey: "a"})
		}
	}
	for name, from := range map[string]int{"unknown": 10 * size, "dropped": size + size/4} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				_, _ = d.Lookup(number(from + i%(size/2)))
				i++
			}
		})
	}
}
