package report

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/verdict"
)

func visited(t *testing.T, runs []Run) (rows map[string][]string) {
	t.Helper()
	var b strings.Builder
	p := &Printer{W: &b}
	Visited(p, runs)
	require.NoError(t, p.Err)
	rows = map[string][]string{}
	for line := range strings.Lines(b.String()) {
		if cells := strings.Split(strings.Trim(line, "| \n"), " | "); len(cells) > 1 {
			rows[cells[0]] = cells[1:]
		}
	}
	return rows
}

func TestWhoWasNotAskedIsShownBeside(t *testing.T) {
	quiet, asked := run("journey+page", 1, 3, 150, 100_000), run("journey+page+requests_100", 1, 9, 150, 100_000)
	assert.Empty(t, visited(t, []Run{quiet}), "nobody was asked")
	asked.Counts = &verdict.Counts{Received: 1_000_000, Kept: 90_000, Dropped: 900_000, Lost: 7}
	asked.PauseSeconds, asked.SlowestSeconds, asked.LateP50Seconds, asked.LateP99Seconds, asked.LateSeconds = 1.5, 0.2, 0.1, 0.25, 0.5
	asked.Visits = &Visits{
		Seconds: 10, Answered: 800, Refused: 100, Unasked: 90, Failed: 10, P50Seconds: 0.0005, P99Seconds: 0.02, LongestSeconds: 0.1,
	}
	rows := visited(t, []Run{quiet, asked})
	assert.Equal(t, []string{"–", "–", "–", "–", "–", "–", "–", "1000000", "–", "–", "–", "0", "0.00", "0.00", "0.00", "0.00", "0.00"}, rows["journey+page"])
	assert.Equal(t, []string{
		"80", "0.50", "20.0", "100.0", "10", "9", "10",
		"1000000", "1000000", "7", "9993", "0", "1.50", "0.20", "0.10", "0.25", "0.50",
	}, rows["journey+page+requests_100"])
	assert.Len(t, rows["system"], len(rows["journey+page"]))
}
