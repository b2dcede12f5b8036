package browser

import (
	_ "embed"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// probeScript answers what tests ask of the journeys page: probe.faint() and
// others.
//
//go:embed probe.js
var probeScript string

// OpenPage opens the journeys page at a deep link, ready to be asked.
func (b *Browser) OpenPage(t *testing.T, look Look, address string) *Tab {
	t.Helper()
	tab := b.Open(t, look, address)
	Eval[bool](tab, "(() => {"+probeScript+"\nreturn true})()")
	tab.Settle()
	return tab
}

// Settle returns when what was asked for is shown: nothing waits for an answer
// or for a layout.
func (tab *Tab) Settle() {
	tab.t.Helper()
	tab.Await("all is shown", `document.querySelector('main h1') && !document.querySelector('main [aria-busy]') && !document.querySelector('main').innerText.includes('Asking the collector')`)
}

// Redrawn returns when the page is drawn for the size that it has now.
func (tab *Tab) Redrawn() {
	tab.t.Helper()
	Eval[bool](tab, "(window.drawnBefore = document.documentElement.dataset.drawn, dispatchEvent(new Event('resize')))")
	tab.Await("drawn again", "document.documentElement.dataset.drawn !== window.drawnBefore")
	tab.Settle()
}

// GoTo follows a deep link, and returns when what it leads to is shown.
func (tab *Tab) GoTo(hash string) {
	tab.t.Helper()
	tab.Go(hash)
	tab.Await("the address is followed", fmt.Sprintf("location.hash === %q", hash))
	tab.Settle()
}

func (tab *Tab) requireNone(probe, what, where string) {
	tab.t.Helper()
	require.Empty(tab.t, Eval[[]string](tab, "probe."+probe+"()"), "%s: %s", what, where)
}

// RequireFits asks that nothing sticks out, and no word lies on another.
func (tab *Tab) RequireFits(where string) {
	tab.t.Helper()
	tab.requireNone("sideways", "sticks out", where)
	tab.requireNone("clipped", "tables wider than their card", where)
	tab.requireNone("beyond", "words wider than their node", where)
	tab.requireNone("crossings", "words on words", where)
}

// RequireLegible asks for the contrast that all text needs.
func (tab *Tab) RequireLegible(where string) {
	tab.t.Helper()
	tab.requireNone("faint", "too little contrast", where)
}
