package memory

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"
)

func some() *Decisions {
	d := New(Seed{1, 2}, 24, 24)
	for i := range 20 {
		d.Keep(number(i), Verdict{Journey: []string{"checkout", "login"}[i%2], Weight: uint64(i) << 40})
		d.Drop(number(100 + i))
	}
	return d
}

func TestLoadRefusesWhatItDidNotWrite(t *testing.T) {
	saved := some().AppendTo(nil)
	changed := func(at int) []byte {
		b := append([]byte(nil), saved...)
		b[at] ^= 1
		return b
	}
	for _, test := range []struct {
		name string
		b    []byte
		says string
	}{
		{"nothing", nil, "not a memory of decisions"},
		{"another file", []byte("version https://git-lfs.github.com/spec/v1"), "not a memory of decisions"},
		{"a later version", changed(len(magic)), "version 0; this program reads 1"},
		{"truncated", saved[:len(saved)-9], "wrong checksum"},
		{"a bit turned", changed(len(saved) / 2), "wrong checksum"},
		{"a bit of the checksum turned", changed(len(saved) - 1), "wrong checksum"},
		{"more than was written", sealed(append(append([]byte(nil), saved[:len(saved)-4]...), 0)), "1 bytes too many"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load(test.b)
			require.ErrorContains(t, err, test.says)
		})
	}
}

func TestAppendToAppends(t *testing.T) {
	b := some().AppendTo([]byte("before"))
	require.Equal(t, "before", string(b[:6]))
	_, err := Load(b[6:])
	require.NoError(t, err)
}

// sealed puts a right checksum behind b, so that what lies behind the checksum
// is reached.
func sealed(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// FuzzLoad: whatever bytes are accepted make a memory whose look-ups end, and
// that is the same after it was saved and loaded again.
func FuzzLoad(f *testing.F) {
	for _, d := range []*Decisions{New(Seed{}, 0, 0), New(Seed{}, 3, 3), some()} {
		saved := d.AppendTo(nil)
		f.Add(saved[:len(saved)-4])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Load(sealed(b))
		if err != nil {
			require.Nil(t, d)
			return
		}
		saved := d.AppendTo(nil)
		again, err := Load(saved)
		require.NoError(t, err)
		require.Equal(t, saved, again.AppendTo(nil))
		grown := New(Seed{3, 4}, 16, 16)
		grown.Adopt(d)
		for i := range 200 {
			wasKept, was := d.Lookup(number(i))
			nowKept, now := grown.Lookup(number(i))
			require.Equal(t, wasKept, nowKept)
			require.Equal(t, was, now)
		}
		for i := range 200 {
			grown.Keep(number(i), Verdict{Weight: 1})
		}
		require.Equal(t, Kept, answer(grown, number(199)))
	})
}

// TestReloadsForgetNothing: a process that is reloaded again and again
// remembers what one life would have, in as much memory.
func TestReloadsForgetNothing(t *testing.T) {
	const size, lives, each = 4000, 40, 50
	one, many := New(Seed{1, 2}, size, size), New(Seed{1, 2}, size, size)
	for life := range lives {
		for i := range each {
			n := uint64(life*each + i)
			for _, d := range []*Decisions{one, many} {
				d.Keep(number(int(2*n)), Verdict{Journey: "checkout", Weight: n})
				d.Drop(number(int(2*n + 1)))
			}
		}
		loaded, err := Load(many.AppendTo(nil))
		require.NoError(t, err)
		many = New(NewSeed(), size, size)
		require.True(t, many.Resume(loaded))
	}
	require.Equal(t, one.Size(), many.Size())
	for n := range uint64(lives * each) {
		answer, v := many.Lookup(number(int(2 * n)))
		require.Equal(t, Kept, answer)
		require.Equal(t, Verdict{Journey: "checkout", Weight: n}, v)
		answer, _ = many.Lookup(number(int(2*n + 1)))
		require.Equal(t, Dropped, answer)
	}
}

func TestOnlyWhatFitsIsResumed(t *testing.T) {
	o := New(NewSeed(), 100, 100)
	o.Drop(number(1))
	loaded, err := Load(o.AppendTo(nil))
	require.NoError(t, err)
	require.False(t, New(NewSeed(), 100, 200).Resume(loaded), "other sizes")
	used := New(NewSeed(), 100, 100)
	used.Drop(number(2))
	require.False(t, used.Resume(loaded), "remembers something already")
}

// TestWhatSeveralHaveAdoptedIsAdoptedOnce: or memory would double with every
// restart on another number of processors.
func TestWhatSeveralHaveAdoptedIsAdoptedOnce(t *testing.T) {
	shards := []*Decisions{New(NewSeed(), 100, 100), New(NewSeed(), 100, 100)}
	for i, s := range shards {
		s.Drop(number(i))
	}
	for life := range 6 {
		var loaded []*Decisions
		for _, s := range shards {
			l, err := Load(s.AppendTo(nil))
			require.NoError(t, err)
			loaded = append(loaded, l)
		}
		shards = nil
		for range 2 + life%3 {
			s := New(NewSeed(), 100, 100)
			s.Adopt(loaded...)
			shards = append(shards, s)
		}
		_, dropped := shards[0].Len()
		require.Equal(t, 2, dropped)
	}
}
