package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/load"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/visitors"
)

func TestASystemSaysHowOftenItsAPIIsAsked(t *testing.T) {
	n, err := requestsOf("journey+page+requests_10000")
	require.NoError(t, err)
	assert.Equal(t, 10_000, n)
	n, err = requestsOf("journey+page")
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.Equal(t, configs("journey+page"), configs("journey+page+requests_10000"))
	for system, says := range map[string]string{
		"journey+page+requests_many": `"many"`, "journey+page+requests_0": `"0"`, "journey+requests_10": "+page",
	} {
		require.ErrorContains(t, checkRequests([]string{"journey", system}), says)
	}
}

// Lists of later files take the place of earlier ones, but for extensions.
func TestExtensionsOfAllPartsAreStarted(t *testing.T) {
	files, err := withExtensions(configs("journey+storage+page+soak"))
	require.NoError(t, err)
	assert.Equal(t, "yaml:service::extensions: [file_storage/journeys, health_check, journeys, pprof]", files[len(files)-1])
}

// What is looked up has been decided, and lately.
func TestTracesAreLookedUpWhenTheyAreDecided(t *testing.T) {
	l, err := load.Generate(load.Settings{Seed: 1, Spans: 60_000, SpansPerSecond: 10_000})
	require.NoError(t, err)
	const wait = 2 * time.Second
	c := &campaign{settings: &settings{}, load: l}
	once := c.lookUps(wait)
	for n := range 4 * lookedUp {
		elapsed := wait + settle + 3*time.Second
		due := l.MustKeep[once.trace(n, elapsed)].Due
		assert.LessOrEqual(t, due+wait+settle, elapsed)
	}
	c.laps, err = load.NewLaps(l)
	require.NoError(t, err)
	again := c.lookUps(wait)
	id := again.trace(0, wait+settle+2*l.Length()+3*time.Second)
	lap, key := load.Lap(id)
	assert.Equal(t, 2, lap)
	assert.Equal(t, load.KeyOf(once.trace(0, wait+settle+3*time.Second)), key)

	asked := map[string]bool{}
	for n := 0; n < 8*connections; n += connections { // what one connection asks for
		asked[once.path(n, time.Second)[:len("/api/v1/jour")]] = true
	}
	assert.Len(t, asked, 3, "overview, journey(s), traces: %v", asked)
	assert.NotEqual(t, pcommon.TraceID{}, id)
}

func TestAnswersAreToldFromRefusals(t *testing.T) {
	v := visitsOf(visitors.Outcome{Failed: 1, Statuses: map[int]int{
		http.StatusOK: 10, http.StatusNotFound: 2, http.StatusTooManyRequests: 3, http.StatusServiceUnavailable: 4, http.StatusInternalServerError: 5,
	}})
	assert.Equal(t, 12, v.Answered)
	assert.Equal(t, 7, v.Refused)
	assert.Equal(t, 6, v.Failed)
}
