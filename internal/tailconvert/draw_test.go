package tailconvert

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func upTo(salt string, hi float64) draw { return draw{salt: {0, hi}} }

func TestShares(t *testing.T) {
	for _, test := range []struct {
		name         string
		draws, minus []draw
		want         float64
	}{
		{"all", []draw{{}}, nil, 1},
		{"none", nil, nil, 0},
		{"one", []draw{upTo("a", 0.3)}, nil, 0.3},
		{"the same salt: the largest", []draw{upTo("a", 0.3), upTo("a", 0.1)}, nil, 0.3},
		{"other salts: independent", []draw{upTo("a", 0.3), upTo("b", 0.1)}, nil, 0.37},
		{"both of two", []draw{upTo("a", 0.3).and(upTo("b", 0.1))}, nil, 0.03},
		{"both of one salt", []draw{upTo("a", 0.3).and(upTo("a", 0.1))}, nil, 0.1},
		{"the others", []draw{upTo("a", 0.3).without()}, nil, 0.7},
		{"one and the others", []draw{upTo("a", 0.3), upTo("a", 0.3).without()}, nil, 1},
		{"dropped first", []draw{{}}, []draw{upTo("a", 0.3)}, 0.7},
		{"the same draw drops first what it keeps", []draw{upTo("a", 0.5)}, []draw{upTo("a", 0.3)}, 0.2},
		{"dropped altogether", []draw{upTo("a", 0.2)}, []draw{upTo("a", 0.3)}, 0},
		{"dropped by another", []draw{upTo("a", 0.5)}, []draw{upTo("b", 0.3)}, 0.35},
	} {
		require.InDelta(t, test.want, share(test.draws, test.minus), 1e-12, test.name)
	}
}

// The share is what independent hashes let through.
func TestSharesAreWhatHashesLetThrough(t *testing.T) {
	const n = 20_000
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		some := func() (draws []draw) {
			for range r.IntN(4) {
				d := draw{}
				for range 1 + r.IntN(3) {
					d = d.and(upTo(string(rune('a'+r.IntN(3))), r.Float64()))
				}
				if r.IntN(3) == 0 {
					d = upTo("a", r.Float64()).without()
				}
				draws = append(draws, d)
			}
			return draws
		}
		draws, minus := some(), some()
		through := 0
		for range n {
			at := map[string]float64{"a": r.Float64(), "b": r.Float64(), "c": r.Float64()}
			if anyHolds(draws, at) && !anyHolds(minus, at) {
				through++
			}
		}
		p := share(draws, minus)
		require.InDelta(t, p*n, through, 5*math.Sqrt(n*p*(1-p))+1, "seed %d", seed)
	}
}
