package page

import (
	"fmt"
	"strings"
	"testing"

	"github.com/otelcol-journey/otelcol-journey/test/browser"
)

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
	return &sight{chromium.OpenPage(s.t, look, s.url+hash), s.t}
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

// views are all views of the shop, by a name for pictures.
func views(n *names) map[string]string {
	return map[string]string{
		"overview": "#/journeys", "journey": journeyLink(n.journey), "live": "#/live",
		"kept": "#/trace?id=" + keptID.String(), "dropped": "#/trace?id=" + droppedID.String(),
		"waiting": "#/trace?id=" + waitingID.String(),
	}
}

func journeyLink(name string) string {
	return "#/journey?name=" + strings.NewReplacer("%", "%25", "&", "%26", "+", "%2B", "#", "%23", " ", "+", `"`, "%22", "<", "%3C", ">", "%3E", "…", "%E2%80%A6").Replace(name)
}
