package page

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/test/browser"
)

func TestEveryViewFitsEveryWidthInBothThemesAndIsLegible(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().report(shop).decide(&shopNames)
	v := s.open(desk, "#/journeys")
	for name, hash := range views(&shopNames) {
		v.GoTo(hash)
		for _, width := range []int64{390, 768, 1280, 1920, 2560} {
			v.Look(browser.Look{Width: width, Height: 1000})
			v.Redrawn()
			where := fmt.Sprintf("%s-%d", name, width)
			v.RequireFits(where)
			if width != 768 && width != 1920 && name != "dropped" {
				v.ShotWhole(where)
			}
		}
		require.Empty(t, v.list("probe.faint()"), "contrast, light: %s", name)
		v.Look(night)
		require.Empty(t, v.list("probe.faint()"), "contrast, dark: %s", name)
		v.ShotWhole(name + "-dark")
	}
}

func TestTheThemeFollowsTheSystemUntilOneIsChosen(t *testing.T) {
	t.Parallel()
	v := setUp(t).attach().open(night, "#/journeys")
	dark := "getComputedStyle(document.body).backgroundColor === 'rgb(14, 18, 27)'"
	v.Await("dark, as the system", dark)
	v.Click("#theme")
	v.Await("light, as chosen", "!("+dark+") && document.querySelector('#theme').getAttribute('aria-label').startsWith('Theme: light')")
	v.Click("#theme")
	v.Look(desk)
	v.Await("dark, as chosen", dark)
	v.Click("#theme")
	v.Await("light, as the system is now", "!("+dark+")")
}

func TestAsMuchAsThereMayBeIsShownAndStaysQuick(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().report(crowd)
	v := s.open(desk, "#/journeys")
	require.Equal(t, 100, v.number("document.querySelectorAll('#journeys-table tbody tr').length"))
	require.Contains(t, v.text("#journeys .note"), "500 journeys")
	require.Len(t, s.api("journeys")["rows"], 500)
	require.Equal(t, 9000+sumOf(499, func(i int) int { return 5000/(i+1) + i%4 }), int(v.figures(".kpis")["journeys.count"]), "all of them are counted")
	longest := longestName(s.api("journeys"))
	require.Len(t, longest, 200)
	v.RequireFits("500 journeys")
	v.Shot("many-1440")
	v.Click(".show-more button")
	v.Await("more rows", "document.querySelectorAll('#journeys-table tbody tr').length === 200")
	require.Equal(t, 1, v.number(fmt.Sprintf("[...document.querySelectorAll('#journeys-table tbody th .name')].filter((e) => e.title === %q).length", longest)), "a name of 200 characters can be read whole")

	v.GoTo("#/journeys?q=crowd")
	require.Equal(t, 1, v.number("document.querySelectorAll('#journeys-table tbody tr').length"))
	v.GoTo("#/journey?name=crowd")
	v.Await("the map of 200 services", "document.querySelectorAll('.map .node').length === 200")
	require.Equal(t, 390, v.number("document.querySelectorAll('.map .label').length"))
	require.Equal(t, 23, v.number("[...document.querySelectorAll('.map .node title')].filter((e) => e.textContent.split('\\n')[0].replace(/[\u2066-\u2069]/g, '').length === 200).length"), "services with names of 200 characters can be read whole")
	require.Equal(t, 390, v.number("document.querySelectorAll('#edges tbody tr').length"), "and all edges are in the table")
	v.RequireFits("200 services")
	v.ShotWhole("many-journey-1440")
	v.Look(phone) // for which the map is placed anew
	require.Empty(t, v.list("probe.sideways()"))
	// The page answers while the worker places: a frame is never long in coming.
	require.Less(t, browser.Eval[float64](v.Tab, "(() => { const t = performance.now(); document.querySelector('#theme').click(); return performance.now() - t })()"), 100.0)
}

func sumOf(n int, value func(int) int) int {
	sum := 0
	for i := range n {
		sum += value(i)
	}
	return sum
}

// longestName is that of the most frequent journey with a name as long as any.
func longestName(table map[string]any) string {
	longest := ""
	for _, row := range table["rows"].([]any) {
		if name := row.(map[string]any)["name"].(string); len(name) > len(longest) {
			longest = name
		}
	}
	return longest
}

func TestNothingYetSaysWhyAndWhatToDo(t *testing.T) {
	t.Parallel()
	s := setUp(t)
	v := s.open(desk, "#/journeys")
	require.Contains(t, v.text("#page"), "No journey processor reports here")
	s.attach()
	v.Await("another reason", "document.body.innerText.includes('No journey was decided in the last 5 minutes')")
	v.RequireFits("empty")
	v.ShotWhole("empty-1440")
	require.Empty(t, v.list("probe.faint()"))
	v.Look(phone)
	v.RequireFits("empty, narrow")
	v.ShotWhole("empty-390")
	v.GoTo("#/live")
	v.ShotWhole("empty-live-390")
	v.Expect("404")
	v.GoTo("#/journey?name=never")
	require.Contains(t, v.text("main"), "Nothing is known of this journey")
	v.GoTo("#/trace")
	require.Contains(t, v.text("main"), "Paste an id")
}
