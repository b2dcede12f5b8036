package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the tests read of a shadow.
type (
	apiShadowSide struct {
		Journeys, Failed, Spans, Bytes int
		PerMonth                       *float64 `json:"per_month"`
		Rules                          []struct {
			Name                        string
			Matched, Kept, Spans, Bytes int
		}
	}
	apiShadow struct {
		Seconds      float64
		Decided      struct{ Journeys, Failed, Spans, Bytes int }
		InUse        apiShadowSide `json:"in_use"`
		Shadow       apiShadowSide
		MustKeepLost int `json:"must_keep_lost"`
		FailedLost   int `json:"failed_lost"`
		Losses       []struct {
			Rule     string
			MustKeep bool `json:"must_keep"`
			Count    int
		}
	}
	apiLive struct {
		Processors []struct{ Shadow *apiShadow }
	}
)

func (p *parts) shadow() (*apiShadow, error) {
	var live apiLive
	if err := p.api("/api/v1/live", &live); err != nil {
		return nil, err
	}
	if len(live.Processors) != 1 || live.Processors[0].Shadow == nil {
		return nil, fmt.Errorf("no shadow: %+v", live)
	}
	return live.Processors[0].Shadow, nil
}

// requireShadow compares what the API and the page say of the shadow with the
// processor's metrics and with the shop's truth.
func (p *parts) requireShadow(t *testing.T, journeys []journeyTruth) {
	truth := truthOf(journeys)[""]
	var s *apiShadow
	eventually(t, "the shadow has counted all journeys", func() (err error) {
		if s, err = p.shadow(); err != nil {
			return err
		}
		return want("journeys", truth.Count, s.Decided.Journeys)
	})
	m := p.metrics(t)
	counted := func(name string, labels ...string) int { return m.sum(journeyMetric(name), labels...) }
	require.Equal(t, truth.Errors+truth.Incomplete, s.Decided.Failed)
	require.Equal(t, counted("shadow_journeys_total"), s.Decided.Journeys)
	require.Equal(t, counted("shadow_spans_total"), s.Decided.Spans)
	require.Equal(t, counted("shadow_bytes_total"), s.Decided.Bytes)
	require.Equal(t, counted("shadow_journeys_total", "decision=kept"), s.Shadow.Journeys)
	require.Equal(t, counted("shadow_spans_total", "decision=kept"), s.Shadow.Spans)
	require.Equal(t, counted("shadow_bytes_total", "decision=kept"), s.Shadow.Bytes)
	require.Equal(t, counted("journeys_total", "decision=kept"), s.InUse.Journeys)
	require.Equal(t, counted("shadow_must_keep_lost_total"), s.MustKeepLost)
	for _, rule := range s.Shadow.Rules {
		require.Equal(t, counted("shadow_journeys_total", "rule="+rule.Name), rule.Matched, rule.Name)
		require.Equal(t, counted("shadow_journeys_total", "rule="+rule.Name, "decision=kept"), rule.Kept, rule.Name)
	}
	for _, rule := range s.InUse.Rules {
		require.Equal(t, counted("journeys_total", "rule="+rule.Name, "decision=kept"), rule.Kept, rule.Name)
	}
	require.Equal(t, s.Decided.Failed, s.Shadow.Failed, "its first rules keep what failed")
	require.Zero(t, s.FailedLost)
	lost := map[string]int{}
	for _, loss := range s.Losses {
		require.True(t, loss.MustKeep, "%+v", loss)
		lost[loss.Rule] += loss.Count
	}
	for rule, n := range lost {
		require.Equal(t, counted("shadow_must_keep_lost_total", "rule="+rule), n, rule)
	}
	require.Equal(t, s.MustKeepLost, sumOf(slices.Collect(maps.Values(lost))))
	require.Equal(t, s.Seconds >= 60, s.Shadow.PerMonth != nil)
	p.requireShownShadow(t, s)
}

func (p *parts) requireShownShadow(t *testing.T, s *apiShadow) {
	t.Helper()
	tab := world.browser.get(t).OpenPage(t, desk, "http://"+p.env["JOURNEYS_ENDPOINT"]+"/#/live")
	tab.Await("the shadow", "document.querySelector('#shadow-of-0 .versus')")
	shown := shownFigures(tab, "#shadow-of-0")
	for figure, n := range map[string]int{
		"decided.journeys": s.Decided.Journeys, "decided.spans": s.Decided.Spans, "decided.bytes": s.Decided.Bytes,
		"in-use.journeys": s.InUse.Journeys, "in-use.spans": s.InUse.Spans, "in-use.failed": s.InUse.Failed,
		"shadow.journeys": s.Shadow.Journeys, "shadow.spans": s.Shadow.Spans, "shadow.failed": s.Shadow.Failed,
	} {
		require.Equal(t, strconv.Itoa(n), shown[figure], figure)
	}
	requireLooks(tab, "shop-shadow")
}
