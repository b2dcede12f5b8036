package report

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func run(system string, round int, cpuSeconds float64, steadyMiB int64, buffered int) Run {
	return Run{
		System: system, Round: round, SpansIn: 1_000_000, SpansOut: 118_000, MustKeep: 10, Whole: 9,
		LoadSeconds: 4, UserSeconds: cpuSeconds - 0.5, SystemSeconds: 0.5,
		PeakBytes: 2 * steadyMiB << 20, SteadyBytes: steadyMiB << 20, Buffered: buffered,
	}
}

func TestRatiosAreTakenWithinARound(t *testing.T) {
	// The machine was three times as slow in the second round.
	runs := []Run{
		run("passthrough", 1, 2, 50, 0), run("journey", 1, 3, 150, 100_000),
		run("journey", 2, 9, 150, 100_000), run("passthrough", 2, 6, 50, 0),
	}
	var b strings.Builder
	p := &Printer{W: &b}
	Compare(p, &Header{Begun: time.Unix(0, 0), Spans: 1_000_000, Rounds: 2, AtPace: true, PerSecond: 10_000}, []string{"passthrough", "tail_sampling"}, runs)
	require.NoError(t, p.Err)
	var journey []string
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "| journey |") {
			journey = strings.Split(strings.Trim(line, "| \n"), " | ")
		}
	}
	assert.Equal(t, []string{
		"journey", "6.00 (3.00–9.00)", "1.50 (1.50–1.50)", "250 k", "300 (300–300)", "150",
		"1049 (1049–1049)", "11.8 %", "18 of 20", "0",
	}, journey)
}

// Memory per buffered span is compared with another system's that also waits.
func TestBufferedMemoryIsComparedWithinARound(t *testing.T) {
	runs := []Run{
		run("passthrough", 1, 2, 50, 0), run("tail", 1, 3, 450, 100_000), run("journey", 1, 3, 150, 100_000),
	}
	floor := of("passthrough", runs)
	assert.InDeltaSlice(t, []float64{0.25}, perBufferedRatio(of("journey", runs), of("tail", runs), floor), 1e-9)
	assert.Empty(t, perBufferedRatio(floor, of("tail", runs), floor), "who does not wait has nothing buffered")
}

func TestMedian(t *testing.T) {
	assert.InDelta(t, 2, Median([]float64{3, 1, 2}), 0)
	assert.InDelta(t, 2.5, Median([]float64{4, 3, 1, 2}), 0)
	assert.Zero(t, Median(nil))
}
