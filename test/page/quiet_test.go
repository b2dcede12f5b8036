package page

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/test/browser"
)

// requireSense asks that nothing is shown of which a program knows the name only.
func (v *sight) requireSense(where string) {
	v.t.Helper()
	said := v.text("#page") + strings.Join(v.list("[...document.querySelectorAll('[aria-label], [title]')].map((e) => (e.getAttribute('aria-label') ?? '') + ' ' + (e.getAttribute('title') ?? ''))"), " ")
	for _, word := range []string{"NaN", "undefined", "Infinity", "[object"} {
		require.NotContains(v.t, said, word, where)
	}
	require.Empty(v.t, v.list("[...document.querySelectorAll('svg *')].filter((e) => [...e.attributes].some((a) => /NaN|undefined|Infinity/.test(a.value))).map((e) => e.outerHTML)"), where)
}

// An hour without data: each window empties in its turn and says so, what is
// still known stays, and when journeys come again they are shown at once.
func TestAnHourWithoutData(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().decide(&shopNames)
	// An hour moves on in steps of six minutes: what comes now comes at the begin
	// of one.
	const step = 6 * time.Minute
	s.later(time.Until(time.Now().Truncate(step).Add(step)))
	s.report(shop)
	s.later(2 * time.Minute)
	v := s.open(desk, "#/journeys")
	v.Await("what has come", "document.querySelectorAll('#journeys-table tbody tr').length === 2")
	s.later(time.Hour)
	v.Await("why there is nothing", "document.querySelector('main').innerText.includes('No journey was decided in the last 5 minutes')")
	shown := v.figures(".kpis")
	for _, figure := range []string{"journeys.count", "journeys.errors", "journeys.incomplete", "spans.received", "spans.stored", "bytes.received", "failed.existing", "money.saved", "money.received"} {
		require.Contains(t, shown, figure)
		require.Zero(t, shown[figure], figure)
	}
	require.Equal(t, 0, v.number("document.querySelectorAll('#journeys-table').length"))
	v.requireQuiet("overview")
	v.GoTo(journeyLink("checkout"))
	require.Contains(t, v.text("main"), "None was decided in the last 5 minutes")
	require.Contains(t, v.text("#latest-kept-table"), keptID.String()[:8], "what was kept can still be followed")
	require.Equal(t, 0, v.number("document.querySelectorAll('.map .node').length"))
	v.requireQuiet("journey")

	v.GoTo("#/journeys?window=1h")
	require.InDelta(t, 10_800, v.figures(".kpis")["journeys.count"], 0, "an hour covers up to a tenth more")
	s.later(7 * time.Minute)
	v.Await("the hour is empty, too", "document.querySelector('main').innerText.includes('No journey was decided in the last hour')")
	v.GoTo("#/journeys?window=24h")
	require.InDelta(t, 10_800, v.figures(".kpis")["journeys.count"], 0, "the day is not")
	require.Equal(t, 2, v.number("document.querySelectorAll('#journeys-table tbody tr').length"))
	v.requireQuiet("day")

	v.GoTo("#/journeys")
	s.report(func(a *journey.Aggregate) { a.Tally("checkout").OK = 3 })
	v.Await("what comes again", "document.querySelector('#journeys-table tbody tr')?.innerText.includes('checkout') && document.querySelector('[data-kpi=journeys] data').value === '3'")
	v.requireQuiet("again")
}

// requireQuiet looks at a view with little or nothing in it.
func (v *sight) requireQuiet(name string) {
	v.t.Helper()
	for _, look := range []browser.Look{phone, desk} {
		v.Look(look)
		v.Redrawn()
		v.RequireFits(name)
		v.RequireLegible(name)
		v.requireSense(name)
		if look == desk || name == "overview" {
			v.ShotWhole("quiet-" + name + map[bool]string{true: "", false: "-390"}[look == desk])
		}
	}
}
