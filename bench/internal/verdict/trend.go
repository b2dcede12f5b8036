package verdict

import (
	"math"
	"time"
)

// Growth is how something developed: the least-squares line through samples.
type Growth struct {
	// PerTenMinutes is the line's growth in ten minutes, as a share of its mean.
	PerTenMinutes float64 `json:"per_ten_minutes"`
	// Uncertainty is the standard error of that.
	Uncertainty float64 `json:"uncertainty"`
}

// Growth in ten minutes that counts as flat.
const (
	// MaxMemory: a leak of one byte for each span at 50,000 spans/s is 30 MB in
	// ten minutes, more than 2 % of a collector under 1.5 GB.
	MaxMemory = 0.02
	// MaxCount is of goroutines and open files, of which a collector has a few
	// dozen: connections come and go, a leak adds one a second.
	MaxCount = 0.2
)

// Flat is whether it does not grow: by no more than most in ten minutes, or by
// so little beside the scatter of the samples (two standard errors) that
// nobody could tell.
func (g Growth) Flat(most float64) bool {
	return g.PerTenMinutes <= most || g.PerTenMinutes-2*g.Uncertainty <= 0
}

// GrowthOf fits the line to samples taken every interval. It needs three; with
// fewer nothing grows.
func GrowthOf(samples []float64, interval time.Duration) Growth {
	n := float64(len(samples))
	if n < 3 {
		return Growth{}
	}
	var sumY float64
	for _, y := range samples {
		sumY += y
	}
	meanX, meanY := (n-1)/2, sumY/n
	var xx, xy, rest float64
	for i, y := range samples {
		dx := float64(i) - meanX
		xx += dx * dx
		xy += dx * (y - meanY)
	}
	slope := xy / xx
	for i, y := range samples {
		off := y - meanY - slope*(float64(i)-meanX)
		rest += off * off
	}
	if meanY == 0 {
		return Growth{}
	}
	tenMinutes := float64(10*time.Minute) / float64(interval) / meanY
	return Growth{
		PerTenMinutes: slope * tenMinutes,
		Uncertainty:   math.Sqrt(rest/(n-2)/xx) * tenMinutes,
	}
}
