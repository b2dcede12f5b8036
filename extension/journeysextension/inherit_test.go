package journeysextension

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// reload stops the extension as a reload does, and returns one of the same id
// with other settings that has taken over.
func (h *harness) reload(t *testing.T, change func(*Config)) *harness {
	t.Helper()
	h.isReload = func() bool { return true }
	require.NoError(t, h.Shutdown(t.Context()))
	next := newHarness(t, func(c *Config) {
		c.NetAddr.Endpoint = "127.0.0.1:0"
		if change != nil {
			change(c)
		}
	})
	next.id = h.id
	require.NoError(t, next.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, next.Shutdown(t.Context())) })
	return next
}

func TestHistoryGoesOnAfterAReload(t *testing.T) {
	h := newHarness(t, nil)
	now := time.Now()
	for i := range 30 { // half a day, up to now
		h.addReport(h.report("checkout", 3), now.Add(time.Duration(i-29)*20*time.Minute))
		h.addReport(h.report(fmt.Sprint("other", i%4), 1), now.Add(time.Duration(i-29)*20*time.Minute))
	}
	h.history.started = now.Add(-13 * time.Hour)
	look := func(h *harness) []any {
		var all []any
		for which := range windows {
			h.history.look(h.config, which, now, func(v *view) {
				one, ok := v.journey("checkout")
				require.True(t, ok)
				all = append(all, v.overview(nil), v.table(), one)
			})
		}
		return all
	}
	before := look(h)
	used, names := h.history.size()
	next := h.reload(t, nil)
	require.Equal(t, before, look(next))
	usedNow, namesNow := next.history.size()
	require.Equal(t, names, namesNow)
	require.InDelta(t, used, usedNow, 0.05*float64(used), "and takes no more memory")

	next.addReport(next.report("checkout", 1), now)
	var overview api.Overview
	next.history.look(next.config, windows-1, now, func(v *view) { overview = v.overview(nil) })
	require.Equal(t, before[6].(api.Overview).Journeys.Count+3, overview.Journeys.Count, "it goes on where it was")
}

func TestAReportThatWaitsAtAReloadIsCounted(t *testing.T) {
	h := newHarness(t, nil)
	require.True(t, h.Report(h.report("checkout", 2)))
	next := h.reload(t, nil)
	require.Equal(t, int64(6), next.overview().Journeys.Count)
}

func (h *harness) overview() (o api.Overview) {
	h.get("/api/v1/overview?window=24h", &o)
	return o
}

func TestAStopForGoodLeavesNothing(t *testing.T) {
	h := newHarness(t, nil)
	h.addReport(h.report("checkout", 2), time.Now())
	require.NoError(t, h.Shutdown(t.Context()))
	require.Nil(t, histories.Take(h.id))
}

// Settings that are smaller than before hold for what is taken over, too, and
// nothing is counted less for it.
func TestSmallerLimitsHoldForWhatIsTakenOver(t *testing.T) {
	h := newHarness(t, nil)
	now := time.Now()
	for i := range 20 {
		h.addReport(h.report(fmt.Sprintf("journey of a long name %02d", i), 1+i), now)
	}
	before := h.overview()
	next := h.reload(t, func(c *Config) {
		c.Limits.Journeys, c.Limits.NameLength, c.Limits.MemoryMiB = 5, 25, 4
		c.Prices.Currency = "EUR"
	})
	after := next.overview()
	require.Equal(t, before.Journeys.Count, after.Journeys.Count)
	require.Equal(t, before.Spans.Received, after.Spans.Received)
	require.Equal(t, before.Trend.Journeys, after.Trend.Journeys)
	require.Equal(t, "EUR", after.Money.Currency)
	var table api.Table
	next.get("/api/v1/journeys?window=24h", &table)
	require.Len(t, table.Rows, 6)
	require.Equal(t, journey.OtherJourneys, table.Rows[0].Name)
	require.Equal(t, "journey of a long name 19", table.Rows[1].Name, "the most frequent have the room")
	used, _ := next.history.size()
	require.LessOrEqual(t, used, int64(4)<<20)
	require.Equal(t, http.StatusOK, next.request(http.MethodGet, "/api/v1/journey?name=other+journeys&window=24h").Code)
}

// Names that a new limit makes equal are counted together.
func TestNamesThatAreCutToTheSameAreOne(t *testing.T) {
	h := newHarness(t, nil)
	for i := range 3 {
		h.addReport(h.report("a journey with a name "+fmt.Sprint(i), 1), time.Now())
	}
	next := h.reload(t, func(c *Config) { c.Limits.NameLength = 16 })
	var table api.Table
	next.get("/api/v1/journeys?window=24h", &table)
	require.Len(t, table.Rows, 1)
	require.Equal(t, int64(9), table.Rows[0].Count)
	require.Equal(t, table.Rows[0].Count, sum(table.Rows[0].Trend))
}

func sum(list []int64) (n int64) {
	for _, v := range list {
		n += v
	}
	return n
}

func TestATrendThatIsMergedIsTheSum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var one, other, both trend
		for i, step := range []int64{1000, 1003, 1059, 1060, 1100} {
			to := &one
			if i%2 == 1 {
				to = &other
			}
			to.at(step).OK += int64(i + 1)
			both.at(step).OK += int64(i + 1)
		}
		for range 2 { // whichever is merged into the other
			sum := one
			sum.merge(&other)
			require.Equal(t, both.values(1100, journeysOf), sum.values(1100, journeysOf))
			one, other = other, one
		}
	})
}
