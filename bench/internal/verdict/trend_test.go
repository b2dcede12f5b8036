package verdict

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

const interval = 10 * time.Second

// samples are n of a value that grows by a share in ten minutes and scatters.
func samples(n int, growth, scatter float64) []float64 {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]float64, n)
	for i := range all {
		elapsed := float64(i) * float64(interval) / float64(10*time.Minute)
		all[i] = 500e6 * (1 + growth*elapsed + scatter*random.NormFloat64())
	}
	return all
}

func TestFlatIsFlatAndALeakIsNot(t *testing.T) {
	for name, tt := range map[string]struct {
		samples []float64
		flat    bool
	}{
		"constant":                  {samples(30, 0, 0), true},
		"shrinks":                   {samples(30, -0.3, 0.001), true},
		"scatters by 1 %":           {samples(30, 0, 0.01), true},
		"1 % in ten minutes":        {samples(30, 0.01, 0), true},
		"3 % in ten minutes":        {samples(30, 0.03, 0.001), false},
		"10 % and scatters by 1 %":  {samples(30, 0.1, 0.01), false},
		"half an hour, 3 % and 1 %": {samples(180, 0.03, 0.01), false},
		"nothing":                   {nil, true},
		"zeros":                     {make([]float64, 10), true},
	} {
		assert.Equal(t, tt.flat, GrowthOf(tt.samples, interval).Flat(MaxMemory), "%s: %+v", name, GrowthOf(tt.samples, interval))
	}
}

func TestOneMoreGoroutineIsNoLeakAndOneASecondIs(t *testing.T) {
	few, many := make([]float64, 30), make([]float64, 30)
	for i := range few {
		few[i], many[i] = 33, 33+10*float64(i)
		if i > 20 {
			few[i]++
		}
	}
	assert.True(t, GrowthOf(few, interval).Flat(MaxCount))
	assert.False(t, GrowthOf(many, interval).Flat(MaxCount))
}

func TestGrowthIsTheLinesSlope(t *testing.T) {
	g := GrowthOf(samples(61, 0.2, 0), interval)
	assert.InDelta(t, 0.2/1.1, g.PerTenMinutes, 1e-9, "as a share of the mean")
	assert.Less(t, g.Uncertainty, 1e-6)
	assert.False(t, math.IsNaN(GrowthOf([]float64{1, 1, 1}, time.Second).Uncertainty))
}

func TestTheLawSeesASpanTooMuchOrTooFew(t *testing.T) {
	c := Counts{Received: 100, Kept: 10, Dropped: 80, Pending: 9, Lost: 1}
	assert.Zero(t, c.Missing())
	c.Recallable = 7
	assert.Zero(t, c.Missing(), "they are pending")
	assert.InDelta(t, 2, c.Undecided(), 0)
	c.Dropped--
	assert.InDelta(t, 1, c.Missing(), 0)
	c.Kept += 2
	assert.InDelta(t, -1, c.Missing(), 0)
}
