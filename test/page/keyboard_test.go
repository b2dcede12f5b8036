package page

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/test/browser"
)

const (
	focused = `(() => { const e = document.activeElement, r = e.getBoundingClientRect();
		return {tag: e.localName, id: e.id, label: (e.getAttribute('aria-label') || e.labels?.[0]?.innerText || e.innerText).trim(), outline: getComputedStyle(e).outlineStyle, seen: r.width > 0 && r.bottom > 0 && r.top < innerHeight} })()`
	tabKey = "\t"
	maxTab = 60
)

type focus struct {
	Tag, ID, Label, Outline string
	Seen                    bool
}

func TestTheKeyboardReachesEverythingInTheOrderOfReading(t *testing.T) {
	t.Parallel()
	v := setUp(t).attach().report(shop).decide(&shopNames).open(desk, "#/journeys")
	var labels []string
	for range maxTab {
		v.Type(tabKey)
		at := browser.Eval[focus](v.Tab, focused)
		if at.Tag == "body" {
			break
		}
		require.NotEmpty(t, at.Label, "%+v", at)
		require.True(t, at.Seen, "what has the focus is seen: %+v", at)
		require.NotEqual(t, "none", at.Outline, "and marked: %+v", at)
		labels = append(labels, at.Label)
	}
	require.Equal(t, []string{
		"Skip to content", "Journeys: start", "Overview", "Live", "Trace id", "Look up", "5" + thin + "min", "1" + thin + "h", "24" + thin + "h", "Theme: auto. Change to light",
		"Live state", "Filter", "Journey", "Journeys\n↓", "Errors", "Incomplete", "p50", "p95", "p99", "Kept", "Spans stored / received", "Saved /month", "checkout", "order history",
	}, labels)
}

func TestEverythingCanBeNamedAndIsToldWithRestraint(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().report(shop).decide(&shopNames)
	v := s.open(desk, "#/journeys")
	for name, hash := range views(&shopNames) {
		v.GoTo(hash)
		require.Empty(t, v.list("probe.nameless()"), name)
		require.Equal(t, 1, v.number("document.querySelectorAll('h1').length"), name)
		require.Equal(t, 1, v.number("document.querySelectorAll('main').length"), name)
		require.Empty(t, v.list("[...document.querySelectorAll('[id]')].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i)"), "ids that are there twice: %s", name)
		require.Equal(t, []string{"said"}, v.list("[...document.querySelectorAll('[aria-live], [role=status], [role=alert]')].map((e) => e.id)"), name)
		require.Empty(t, v.text("#said"), "updates are not told: %s", name)
		require.Equal(t, "title", browser.Eval[string](v.Tab, "document.activeElement.id || 'title'"), name)
	}
	require.Equal(t, "en", browser.Eval[string](v.Tab, "document.documentElement.lang"))
}

func TestTheTableIsSortedWithTheKeyboard(t *testing.T) {
	t.Parallel()
	v := setUp(t).attach().report(shop).open(desk, "#/journeys")
	browser.Eval[bool](v.Tab, "document.querySelector('[data-sort=errors]').focus(), true")
	v.Type("\r")
	v.Await("sorted", "document.querySelector('[aria-sort=descending]').innerText.includes('Errors') && location.hash.includes('sort=errors')")
	v.Type("\r")
	v.Await("the other way, and told", "document.querySelector('[aria-sort=ascending]') && document.querySelector('#said').textContent === 'Sorted by Errors, ascending'")
	require.Equal(t, []string{"order history", "checkout"}, v.list("[...document.querySelectorAll('#journeys-table tbody th')].map((e) => e.innerText)"))
	require.Equal(t, "errors", browser.Eval[string](v.Tab, "document.activeElement.dataset.sort"), "the focus stays")
	v.Look(phone)
	v.Await("sorted by choice where there is no heading", "document.querySelector('#sort').value === 'errors' && document.querySelector('#sort').checkVisibility()")
}
