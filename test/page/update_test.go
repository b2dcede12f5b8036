package page

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/test/browser"
)

// rounds returns after the page has asked again, and drawn what came, n times.
func (v *sight) rounds(n int) {
	v.t.Helper()
	browser.Eval[bool](v.Tab, "window.from = performance.getEntriesByType('resource').filter((e) => e.name.includes('/api/')).length, true")
	for range n {
		v.Await("the page asks again", "performance.getEntriesByType('resource').filter((e) => e.name.includes('/api/')).length >= window.from + 3")
		browser.Eval[bool](v.Tab, "window.from += 3, true")
	}
}

func TestWithoutNewsNothingIsTouched(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().report(shop).decide(&shopNames)
	for path, body := range map[string]map[string]any{"/overview": s.api("overview"), "/journeys": s.api("journeys"), "/journey": s.api("journey?name=checkout"), "/live": s.api("live")} {
		s.front.answer(path, body)
	}
	v := s.open(desk, "#/journeys")
	v.Await("the page is at rest", "document.querySelector('#journeys-table')")
	v.rounds(1)
	browser.Eval[bool](v.Tab, "probe.watch(), true")
	v.rounds(2)
	require.Empty(t, v.list("window.changes"))
}

func TestNewFiguresMoveNothing(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().report(shop).decide(&shopNames)
	v := s.open(browser.Look{Width: 1280, Height: 500}, journeyLink("checkout"))
	v.Await("the map", "document.querySelector('.map .node')")
	browser.Eval[bool](v.Tab, `(() => {
		window.boxes = () => JSON.stringify([...document.querySelectorAll('.map .node')].map((n) => n.getAttribute('transform')));
		window.before = [boxes(), document.querySelector('.map .node'), document.querySelector('[data-kpi=count] data').value];
		scrollTo(0, 700);
		document.querySelector('#latest-kept-table a').focus({preventScroll: true});
		document.querySelector('details').open = true;
		window.held = [document.activeElement, scrollY];
		return true })()`)
	s.report(func(a *journey.Aggregate) {
		shop(a)
		a.Tally("checkout").LatestKept = nil
	})
	v.Await("news", "document.querySelector('[data-kpi=count] data').value !== window.before[2]")
	require.True(t, browser.Eval[bool](v.Tab, "boxes() === before[0] && before[1].isConnected"), "no node has moved")
	require.True(t, browser.Eval[bool](v.Tab, "document.activeElement === held[0]"), "the focus is where it was")
	require.True(t, browser.Eval[bool](v.Tab, "scrollY === held[1] && document.querySelector('details').open"), "so is what is seen")
}

func TestTheMapStaysWhileANewServiceIsPlaced(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().report(shop)
	v := s.open(desk, journeyLink("checkout"))
	v.Await("the map", "document.querySelectorAll('.map .node').length === 8")
	browser.Eval[bool](v.Tab, `(window.gone = 0, new MutationObserver(() => { if (document.querySelectorAll('.map .node').length < 8) window.gone += 1 }).observe(document.body, {subtree: true, childList: true}), true)`)
	s.report(func(a *journey.Aggregate) {
		shop(a)
		draw(a.Tally("checkout"), 1, []flow{{from: journey.NodeKey{Kind: journey.Service, Name: "stock"}, to: journey.NodeKey{Kind: journey.Service, Name: "billing"}, protocol: journey.HTTP, count: 9}})
	})
	v.Await("the new service", "document.querySelectorAll('.map .node').length === 9 && document.querySelector('.map').textContent.includes('billing')")
	require.Equal(t, 0, v.number("window.gone"))
}

func TestRowsInUseKeepTheirPlaces(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().report(shop)
	v := s.open(desk, "#/journeys")
	first := "document.querySelector('#journeys-table tbody tr').innerText"
	require.Contains(t, browser.Eval[string](v.Tab, first), "checkout")
	browser.Eval[bool](v.Tab, "document.querySelectorAll('#journeys-table tbody a')[1].focus(), true")
	s.report(func(a *journey.Aggregate) { a.Tally("order history").OK = 90_000 })
	v.Await("news", "document.querySelector('#journeys-table').innerText.includes('93.6')")
	require.Contains(t, browser.Eval[string](v.Tab, first), "checkout", "nothing moves below somebody's hands")
	require.Contains(t, browser.Eval[string](v.Tab, "document.activeElement.innerText"), "order history")
	browser.Eval[bool](v.Tab, "document.activeElement.blur(), true")
	v.Await("sorted again", first+".includes('order history')")
}

func TestFiguresThatAreOldSaySo(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().report(shop)
	v := s.open(desk, "#/journeys")
	v.Expect("ERR_EMPTY_RESPONSE")
	v.Expect("net::")
	s.front.goAway(true)
	v.Await("it says that nobody answers", "document.querySelector('#stale') && document.querySelector('#said').textContent.includes('No answer')")
	require.Contains(t, v.text("#journeys-table"), "checkout", "what was known is still shown")
	require.Empty(t, v.list("probe.faint()"))
	v.Shot("stale-1440")
	s.front.goAway(false)
	v.Await("it is asked again, and all is well", "!document.querySelector('#stale') && document.querySelector('#fresh').innerText === 'up to date'")
}

func TestARefusalSaysWhy(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().report(shop)
	s.front.refuse(`{"status": 403, "message": "asked for by a page <b>from elsewhere</b>"}`)
	v := s.open(desk, "#/trace?id=") // nothing is asked for that could be waited for
	v.Expect("403")
	v.Await("why", "document.querySelector('#stale')?.innerText.includes('asked for by a page <b>from elsewhere</b>')")
	s.front.refuse("")
	v.Await("it is asked again", "!document.querySelector('#stale')")
}

func TestAddressesAreDeepLinks(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().report(shop)
	v := s.open(desk, "#/journeys?window=1h&sort=name&dir=asc&q=o")
	require.Equal(t, []string{"checkout", "order history"}, v.list("[...document.querySelectorAll('#journeys-table tbody th')].map((e) => e.innerText)"))
	require.Equal(t, "1"+thin+"h", v.text(".switch [aria-current]"))
	require.Equal(t, "o", browser.Eval[string](v.Tab, "document.querySelector('#filter').value"))
	v.Click("#filter")
	v.Type("rder")
	v.Await("filtered, and in the address", "location.hash.includes('q=order') && document.querySelectorAll('#journeys-table tbody tr').length === 1")
	v.Click(".switch a:last-child")
	v.Await("another window", "location.hash.includes('window=24h') && document.querySelector('#journeys .note').innerText.includes('24 hours')")
	v.Click("#journeys-table tbody a")
	v.Await("the journey, in the same window", "location.hash === '#/journey?name=order+history&window=24h' && document.querySelector('h1').innerText === 'order history'")
	browser.Eval[bool](v.Tab, "history.back(), true")
	v.Await("back to the table as it was", "location.hash.includes('q=order') && document.querySelectorAll('#journeys-table tbody tr').length === 1")
}

// The page is served as the policy for it demands.
func TestThePolicyAllowsNothingButThePagesOwn(t *testing.T) {
	t.Parallel()
	s := setUp(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	policy := response.Header.Get("Content-Security-Policy")
	require.Contains(t, policy, "default-src 'none'; script-src 'self'; style-src 'self'")
	require.NotContains(t, policy, "unsafe")
}

// dagreSum is of dist/dagre.esm.js in the npm package of the version that
// third-party/README.md names.
const dagreSum = "b0ddaf4af1417bec9bd89373a3a3987f081727d6cc6d95fc40dbf85a19bdf3b0"

func TestWhatIsVendoredIsAsItWasPublished(t *testing.T) {
	t.Parallel()
	thirdParty := filepath.Join("..", "..", "extension", "journeysextension", "page", "third-party")
	body, err := os.ReadFile(filepath.Join(thirdParty, "dagre.esm.js"))
	require.NoError(t, err)
	sum := sha256.Sum256(body)
	require.Equal(t, dagreSum, hex.EncodeToString(sum[:]))
	licence, err := os.ReadFile(filepath.Join(thirdParty, "dagre.esm.js.LEGAL.txt"))
	require.NoError(t, err)
	require.Contains(t, string(licence), "Permission is hereby granted, free of charge")
}
