package journeysextension

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// tried is a shadow that counts since an hour ago, of all that its tallies can be.
func tried(now time.Time) *oracle {
	return &oracle{shadow: &journey.Shadow{
		Since: now.Add(-time.Hour), Rules: []string{"failed", "slow", "rest"}, ShadowRules: []string{"failed", "never", "few"},
		Tallies: []journey.ShadowTally{
			{Journey: "pay", Outcome: "error", Rule: "failed", MustKeep: true, Kept: true, ShadowRule: "failed", ShadowKept: true, Journeys: 10, Spans: 100, Bytes: 10_000},
			{Journey: "pay", Outcome: "ok", Rule: "slow", MustKeep: true, Kept: true, ShadowRule: "few", Journeys: 4, Spans: 60, Bytes: 6_000},
			{Journey: "pay", Outcome: "ok", Rule: "slow", MustKeep: true, Kept: true, ShadowRule: "failed", Journeys: 1, Spans: 15, Bytes: 1_500},
			{Journey: "pay", Outcome: "ok", Rule: "slow", MustKeep: true, Kept: true, ShadowRule: "few", ShadowKept: true, Journeys: 2, Spans: 30, Bytes: 3_000},
			{Journey: "pay", Outcome: "ok", Rule: "rest", Kept: true, ShadowRule: "few", Journeys: 20, Spans: 200, Bytes: 20_000},
			{Journey: "list", Outcome: "ok", Rule: "rest", ShadowRule: "few", ShadowKept: true, Journeys: 3, Spans: 9, Bytes: 900},
			{Journey: "list", Outcome: "incomplete", Rule: "rest", Kept: true, ShadowRule: "few", Journeys: 5, Spans: 15, Bytes: 1_500},
			{Journey: "list", Outcome: "incomplete", Rule: "rest", ShadowRule: "few", Journeys: 7, Spans: 21, Bytes: 2_100},
			{Journey: "list", Outcome: "ok", Rule: "no rule", Kept: true, ShadowRule: "few", Journeys: 1, Spans: 1, Bytes: 100},
		},
	}}
}

func TestAShadowIsComparedWithWhatIsInUse(t *testing.T) {
	config := usual()
	config.Prices = PricesConfig{Currency: "EUR", PerGB: 1000, PerMillionSpans: 1000}
	now := time.Now()
	got := shadow(tried(now), config, now)
	require.Equal(t, now.Add(-time.Hour).UTC(), got.Since)
	require.InDelta(t, 3600, got.Seconds, 0)
	require.Equal(t, "EUR", got.Currency)
	month := func(spans, bytes int64) *float64 { return config.Prices.perMonth(spans, bytes, time.Hour) }
	// 730.5 hours of 451 spans at 0.001 each and of 45.1 kB at 0.001 a kB.
	require.InDelta(t, 730.5*(0.451+0.0451), *month(451, 45_100), 0.006)
	require.Equal(t, api.ShadowDecided{Journeys: 53, Failed: 22, Spans: 451, Bytes: 45_100, PerMonth: month(451, 45_100)}, got.Decided)
	require.Equal(t, api.ShadowSide{
		Journeys: 43, JourneysShare: share(43, 53), Failed: 15, FailedShare: share(15, 22), Spans: 421, SpansShare: share(421, 451),
		Bytes: 42_100, BytesShare: share(42_100, 45_100), PerMonth: month(421, 42_100),
		Rules: []api.ShadowRule{
			{Name: "failed", Matched: 10, Kept: 10, Share: share(1, 1), Spans: 100, Bytes: 10_000, PerMonth: month(100, 10_000)},
			{Name: "slow", Matched: 7, Kept: 7, Share: share(1, 1), Spans: 105, Bytes: 10_500, PerMonth: month(105, 10_500)},
			{Name: "rest", Matched: 35, Kept: 25, Share: share(25, 35), Spans: 215, Bytes: 21_500, PerMonth: month(215, 21_500)},
			{Name: "no rule", Matched: 1, Kept: 1, Share: share(1, 1), Spans: 1, Bytes: 100, PerMonth: month(1, 100)},
		},
	}, got.InUse)
	require.Equal(t, api.ShadowSide{
		Journeys: 15, JourneysShare: share(15, 53), Failed: 10, FailedShare: share(10, 22), Spans: 139, SpansShare: share(139, 451),
		Bytes: 13_900, BytesShare: share(13_900, 45_100), PerMonth: month(139, 13_900),
		Rules: []api.ShadowRule{
			{Name: "failed", Matched: 11, Kept: 10, Share: share(10, 11), Spans: 100, Bytes: 10_000, PerMonth: month(100, 10_000)},
			{Name: "never", PerMonth: month(0, 0)},
			{Name: "few", Matched: 42, Kept: 5, Share: share(5, 42), Spans: 39, Bytes: 3_900, PerMonth: month(39, 3_900)},
		},
	}, got.Shadow)
	require.EqualValues(t, 5, got.MustKeepLost)
	require.EqualValues(t, 5, got.FailedLost)
	require.Equal(t, []api.ShadowLoss{
		{Journey: "list", Outcome: "incomplete", Rule: "rest", Count: 5},
		{Journey: "pay", Outcome: "ok", Rule: "slow", MustKeep: true, Count: 5},
	}, got.Losses)
}

func TestAShadowsMonthIsConcludedFromAMinuteAtLeast(t *testing.T) {
	now := time.Now()
	for covered, known := range map[time.Duration]bool{-time.Second: false, 59 * time.Second: false, time.Minute: true} {
		o := tried(now)
		o.shadow.Since = now.Add(-covered)
		got := shadow(o, usual(), now)
		for _, amount := range []*float64{got.Decided.PerMonth, got.InUse.PerMonth, got.Shadow.PerMonth, got.Shadow.Rules[0].PerMonth} {
			require.Equal(t, known, amount != nil, covered)
		}
		require.InDelta(t, max(covered, 0).Seconds(), got.Seconds, 0)
	}
}

func TestAShadowsNamesAndLinesAreBounded(t *testing.T) {
	now, o := time.Now(), &oracle{shadow: &journey.Shadow{}}
	for i := range 200 {
		name := fmt.Sprintf("%03d\u202e%s", i, strings.Repeat("x", 10_000))
		o.shadow.Tallies = append(o.shadow.Tallies, journey.ShadowTally{Journey: name, Outcome: "error", Rule: name[:600], Kept: true, ShadowRule: "none", Journeys: int64(i + 1)})
	}
	got := shadow(o, usual(), now)
	require.Len(t, got.Losses, maxLosses)
	require.EqualValues(t, 200, got.Losses[0].Count, "the most frequent first")
	require.EqualValues(t, 200*201/2, got.FailedLost, "and all are counted")
	for _, loss := range got.Losses {
		require.LessOrEqual(t, len([]rune(loss.Journey)), usual().Limits.NameLength)
		require.LessOrEqual(t, len([]rune(loss.Rule)), maxMessage)
		require.NotContains(t, loss.Journey+loss.Rule, "\u202e")
	}
}

func TestAShadowIsAnsweredOfEachProcessorThatHasOne(t *testing.T) {
	h := newHarness(t, nil)
	t.Cleanup(h.Attach("journey", tried(time.Now())))
	t.Cleanup(h.Attach("journey/plain", &oracle{}))
	var live api.Live
	h.get("/api/v1/live", &live)
	require.Len(t, live.Processors, 2)
	require.EqualValues(t, 53, live.Processors[0].Shadow.Decided.Journeys)
	require.Nil(t, live.Processors[1].Shadow)
	require.Contains(t, h.request("GET", "/api/v1/live").Body.String(), `"shadow":null`)
}
