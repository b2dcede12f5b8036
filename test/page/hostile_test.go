package page

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/test/browser"
)

const (
	markup    = `<script>window.owned=1;alert(1)</script><img src=x onerror="window.owned=2;alert(2)"><svg onload=alert(3)>`
	backwards = "\u202egnp.exe\u2066 مرحبا بالعالم"
	emoji     = "👩\u200d👩\u200d👧\u200d👦🔥 " // and what joins them
)

var hostile = names{
	journey: markup, other: backwards, service: markup + emoji, queue: backwards, operation: `"><a href=javascript:alert(4)>x</a>`,
	step: "javascript:alert(5)", rule: "{{constructor.constructor('alert(6)')()}}", reason: strings.Repeat("0123456789", 1024) + markup,
}

// harmless asks that names were taken for text: nothing ran, and there is no
// element that the page did not make itself.
func (v *sight) harmless(where string) {
	v.t.Helper()
	require.False(v.t, browser.Eval[bool](v.Tab, "'owned' in window"), "a name has run: %s", where)
	require.Equal(v.t, 1, v.number("document.querySelectorAll('img').length"), where)
	require.Equal(v.t, 2, v.number("document.querySelectorAll('script').length"), where)
	require.Empty(v.t, v.list("[...document.querySelectorAll('iframe, object, embed, base, style, link:not([rel=stylesheet], [rel=icon])')].map((e) => e.outerHTML)"), where)
	require.Empty(v.t, v.list("[...document.querySelectorAll('*')].filter((e) => [...e.attributes].some((a) => a.name.startsWith('on'))).map((e) => e.outerHTML)"), where)
	require.Empty(v.t, v.list("[...document.links].filter((a) => !/^https?:$/.test(a.protocol)).map((a) => a.href)"), where)
	require.Empty(v.t, v.list(`(document.body.innerText.match(/[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]/g) ?? []).map(escape)`), "what turns the text's direction: %s", where)
}

func TestHostileNamesAreShownHarmlessly(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().report(hostile.fill).decide(&hostile)
	rows := s.api("journeys")["rows"].([]any)
	name := rows[0].(map[string]any)["name"].(string)
	require.Contains(t, name, "<script>")
	for _, look := range []browser.Look{desk, phone} {
		v := s.open(look, "#/journeys")
		require.Contains(t, v.text("#journeys-table"), "<script>", "the name is shown as it is")
		for view, hash := range views(&names{journey: name}) {
			v.GoTo(hash)
			v.harmless(view)
			v.RequireFits(view)
			if view == "journey" || look == phone {
				v.ShotWhole(fmt.Sprintf("hostile-%s-%d", view, look.Width))
			}
		}
	}
}

// What the extension would have cut and cleaned before: the page does not rely
// on it.
func TestNamesOfTenKilobytesAreShownHarmlessly(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().report(shop).decide(&shopNames)
	monster := markup + backwards + emoji + strings.Repeat("A\u0301\u0302", 2000) + strings.Repeat("W", 6000)
	for path, body := range map[string]map[string]any{
		"/overview": s.api("overview"), "/journeys": s.api("journeys"), "/journey": s.api("journey?name=checkout"), "/live": s.api("live"),
		keptID.String(): s.api("traces/" + keptID.String()), waitingID.String(): s.api("traces/" + waitingID.String()),
	} {
		s.front.answer(path, renamed(body, monster))
	}
	v := s.open(desk, "#/journeys")
	for _, look := range []browser.Look{desk, phone} {
		v.Look(look)
		for view, hash := range views(&names{journey: "checkout"}) {
			if view == "dropped" {
				continue
			}
			v.GoTo(hash)
			v.Redrawn()
			v.harmless(view)
			v.RequireFits(view)
			require.Less(t, v.number("document.querySelector('main').innerText.length"), 40_000, "long names are cut")
			if look == desk {
				v.ShotWhole("monster-" + view)
			}
		}
	}
}

// Names of 10 KB wherever a name can be, through the extension: it cuts them to
// name_length, and counts under the cut name.
func TestTheExtensionCutsNamesOfTenKilobytes(t *testing.T) {
	t.Parallel()
	name := func(first string) string { return first + markup + strings.Repeat("W", 10<<10) }
	monsters := names{
		journey: name("journey"), other: name("other"), service: name("service"), queue: name("queue"), operation: name("operation"),
		step: name("step"), rule: name("rule"), reason: name("reason"),
	}
	s := setUp(t).attach().report(monsters.fill).decide(&monsters)
	rows := s.api("journeys")["rows"].([]any)
	require.Len(t, rows, 2)
	shown := rows[0].(map[string]any)["name"].(string)
	require.Len(t, []rune(shown), 200)
	require.True(t, strings.HasPrefix(shown, "journey<script>"), shown)
	texts(s.api("journey?name="+url.QueryEscape(shown)), func(text string) { require.LessOrEqual(t, len([]rune(text)), 1024, "%.300s", text) })
	v := s.open(desk, "#/journeys")
	for view, hash := range views(&names{journey: shown}) {
		v.GoTo(hash)
		v.harmless(view)
		v.RequireFits(view)
		v.RequireLegible(view)
	}
	v.GoTo(journeyLink(shown))
	require.Equal(t, 8, v.number("document.querySelectorAll('.map .node').length"))
	require.InDelta(t, 7200, v.figures("[data-kpi=count]")["count"], 0)
	v.ShotWhole("ten-kilobytes")
}

// texts calls see with every text of an answer.
func texts(value any, see func(string)) {
	switch v := value.(type) {
	case map[string]any:
		for _, one := range v {
			texts(one, see)
		}
	case []any:
		for _, one := range v {
			texts(one, see)
		}
	case string:
		see(v)
	}
}

// strangers are the fields whose text comes from outside.
var strangers = map[string]bool{
	"name": true, "service": true, "operation": true, "missing": true, "reason": true, "outcome_reason": true, "rule": true, "error": true,
	"root_service": true, "root_span": true, "journey": true, "processor": true, "currency": true, "system": true, "id": true, "link": true,
}

// renamed replaces every text of a stranger, so that names that differed still
// do.
func renamed(value any, monster string) any {
	n := 0
	var walk func(any, bool) any
	walk = func(value any, stranger bool) any {
		switch v := value.(type) {
		case map[string]any:
			_, isNode := v["system"]
			for key, one := range v {
				if key == "window" || isNode && key == "id" {
					continue
				}
				v[key] = walk(one, strangers[key])
			}
		case []any:
			for i := range v {
				v[i] = walk(v[i], isText(v[i]))
			}
		case string:
			if stranger {
				n++
				return strings.Repeat("x", n%7) + monster
			}
		}
		return value
	}
	return walk(value, false)
}

func isText(value any) bool {
	_, ok := value.(string)
	return ok
}
