package page

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/test/browser"
)

//go:embed probe.js
var probeScript string

// Sizes that people look at the page in.
var (
	desk  = browser.Look{Width: 1440, Height: 900}
	night = browser.Look{Width: 1440, Height: 900, Dark: true}
	phone = browser.Look{Width: 390, Height: 844}
)

// sight is the page in a tab, with what tests ask of it.
type sight struct {
	*browser.Tab
	t *testing.T
}

// open opens the page at a deep link, ready to be asked.
func (s *stage) open(look browser.Look, hash string) *sight {
	s.t.Helper()
	tab := chromium.Open(s.t, look, s.url+hash)
	browser.Eval[bool](tab, "(() => {"+probeScript+"\nreturn true})()")
	v := &sight{tab, s.t}
	v.settle()
	return v
}

// settle returns when what was asked for is shown: nothing waits for an answer
// or for a layout.
func (v *sight) settle() {
	v.t.Helper()
	v.Await("all is shown", `document.querySelector('main h1') && !document.querySelector('main [aria-busy]') && !document.querySelector('main').innerText.includes('Asking the collector')`)
}

// redrawn returns when the page is drawn for the size that it has now.
func (v *sight) redrawn() {
	v.t.Helper()
	browser.Eval[bool](v.Tab, "(window.drawnBefore = document.documentElement.dataset.drawn, dispatchEvent(new Event('resize')))")
	v.Await("drawn again", "document.documentElement.dataset.drawn !== window.drawnBefore")
	v.settle()
}

func (v *sight) goTo(hash string) {
	v.t.Helper()
	v.Go(hash)
	v.Await("the address is followed", fmt.Sprintf("location.hash === %q", hash))
	v.settle()
}

// text is what is read of the first element.
func (v *sight) text(selector string) string {
	v.t.Helper()
	return browser.Eval[string](v.Tab, fmt.Sprintf("(({innerText, textContent}) => innerText ?? textContent)(document.querySelector(%q))", selector))
}

func (v *sight) number(expression string) int {
	v.t.Helper()
	return browser.Eval[int](v.Tab, expression)
}

func (v *sight) list(expression string) []string {
	v.t.Helper()
	return browser.Eval[[]string](v.Tab, expression)
}

// requireFits asks that nothing sticks out, and no word lies on another.
func (v *sight) requireFits(where string) {
	v.t.Helper()
	require.Empty(v.t, v.list("probe.sideways()"), "sticks out: %s", where)
	require.Empty(v.t, v.list("probe.clipped()"), "tables wider than their card: %s", where)
	require.Empty(v.t, v.list("probe.beyond()"), "words wider than their node: %s", where)
	require.Empty(v.t, v.list("probe.crossings()"), "words on words: %s", where)
}

// views are all views of the shop, by a name for pictures.
func views(n *names) map[string]string {
	return map[string]string{
		"overview": "#/journeys", "journey": journeyLink(n.journey), "live": "#/live",
		"kept": "#/trace?id=" + keptID.String(), "dropped": "#/trace?id=" + droppedID.String(),
		"waiting": "#/trace?id=" + waitingID.String(),
	}
}

func journeyLink(name string) string {
	return "#/journey?name=" + strings.NewReplacer("%", "%25", "&", "%26", "+", "%2B", "#", "%23", " ", "+", `"`, "%22", "<", "%3C", ">", "%3E").Replace(name)
}
