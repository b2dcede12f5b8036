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

// TestWhatWasAdoptedIsSavedOnce: by shards of which some remember nothing of
// their own, from successor to successor.
func TestWhatWasAdoptedIsSavedOnce(t *testing.T) {
	const shards, each = 6, 100
	var saved []*Decisions
	for stop := range 10 {
		all := make([]*Decisions, shards)
		for i := range all {
			all[i] = New(NewSeed(), each, each)
			all[i].Adopt(saved...)
		}
		all[stop%shards].Keep(number(stop), Verdict{Journey: "a", Weight: uint64(stop)})
		all[stop%shards].Drop(number(1000 + stop))
		for _, d := range all {
			require.Equal(t, stop > 0, stop > 0 && answer(d, number(stop-1)) == Kept, "what the one before knew")
		}
		saved = ToSave(all)
		kept, dropped := 0, 0
		for _, d := range saved {
			k, n := d.Len()
			kept, dropped = kept+k, dropped+n
		}
		require.LessOrEqual(t, kept, generations+1)
		require.LessOrEqual(t, dropped, generations+1)
		require.Equal(t, kept, dropped)
	}
}
