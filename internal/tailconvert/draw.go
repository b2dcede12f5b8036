package tailconvert

import (
	"maps"
	"slices"
)

// draw is what policies by chance let through together: for each salt an
// interval of what a trace id is hashed to, from 0 to 1. Hashes with different
// salts are independent. Without a salt it lets everything through.
type draw map[string]interval

// interval is from lo up to and including hi.
type interval struct{ lo, hi float64 }

// without is a draw that lets the other traces through. It is asked of draws of
// at most one salt, and of intervals that begin at 0.
func (d draw) without() draw {
	for salt, in := range d {
		return draw{salt: {in.hi, 1}}
	}
	return draw{"": {}}
}

// and is what both let through.
func (d draw) and(other draw) draw {
	both := maps.Clone(d)
	if both == nil {
		both = draw{}
	}
	for salt, in := range other {
		if own, ok := both[salt]; ok {
			in = interval{max(own.lo, in.lo), min(own.hi, in.hi)}
		}
		both[salt] = in
	}
	return both
}

// share is how much of all traces one of the draws lets through and none of
// minus takes away.
func share(draws, minus []draw) float64 {
	edges := map[string][]float64{}
	for _, d := range slices.Concat(draws, minus) {
		for salt, in := range d {
			edges[salt] = append(edges[salt], in.lo, in.hi)
		}
	}
	for salt, at := range edges {
		at = append(at, 0, 1)
		slices.Sort(at)
		edges[salt] = slices.Compact(at)
	}
	s := sum{draws: draws, minus: minus, edges: edges, salts: slices.Sorted(maps.Keys(edges))}
	return s.of(0, map[string]float64{})
}

// sum adds up the cells into which the edges divide the space of all hashes:
// within one, every draw lets all or nothing through.
type sum struct {
	draws, minus []draw
	edges        map[string][]float64
	salts        []string
}

// of is the part that is let through when the salts before the n-th are at the
// given points.
func (s *sum) of(n int, at map[string]float64) float64 {
	if n == len(s.salts) {
		if anyHolds(s.draws, at) && !anyHolds(s.minus, at) {
			return 1
		}
		return 0
	}
	salt, part := s.salts[n], 0.0
	for i, hi := range s.edges[salt][1:] {
		lo := s.edges[salt][i]
		at[salt] = (lo + hi) / 2
		part += (hi - lo) * s.of(n+1, at)
	}
	return part
}

func anyHolds(draws []draw, at map[string]float64) bool {
	return slices.ContainsFunc(draws, func(d draw) bool {
		for salt, in := range d {
			if at[salt] <= in.lo || at[salt] > in.hi {
				return false
			}
		}
		return true
	})
}
