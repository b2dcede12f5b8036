package e2e

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
	"github.com/otelcol-journey/otelcol-journey/test/browser"
)

// sharedBrowser is one browser for all tests, started by the first that asks.
type sharedBrowser struct {
	mu      sync.Mutex
	running *browser.Browser
}

func (b *sharedBrowser) get(t *testing.T) *browser.Browser {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running != nil {
		return b.running
	}
	ctx, cancel := withTimeout(startTimeout)
	defer cancel()
	var err error
	b.running, err = browser.Start(ctx, os.Stderr, filepath.Join(world.root, ".run", "page"))
	if errors.Is(err, stack.ErrNoChromium) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	require.NoError(t, err)
	return b.running
}

func (b *sharedBrowser) stop() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running == nil {
		return nil
	}
	return b.running.Close()
}

// shownFigures are the exact values of a part of the page, by their names.
func shownFigures(tab *browser.Tab, root string) map[string]string {
	return browser.Eval[map[string]string](tab, fmt.Sprintf(
		"Object.fromEntries([...document.querySelectorAll(%q)].map((d) => [d.dataset.figure, d.value]))", root+" data[data-figure]"))
}

// requirePage compares what the page shows with what the API says, which other
// tests hold against the shop's truth.
func (p *parts) requirePage(t *testing.T, journeys []journeyTruth) {
	t.Helper()
	tab := world.browser.get(t).OpenPage(t, desk, "http://"+p.env["JOURNEYS_ENDPOINT"]+"/#/journeys?window=24h")
	tab.Await("the table", "document.querySelectorAll('#journeys-table tbody tr').length === 4 && document.querySelector('[data-kpi=journeys] data')")
	var overview apiOverview
	require.NoError(t, p.api("/api/v1/overview?window=24h", &overview))
	p.requireKeyFigures(t, shownFigures(tab, ".kpis"), &overview)
	var table apiTable
	require.NoError(t, p.api("/api/v1/journeys?window=24h", &table))
	for i, row := range table.Rows {
		shown := shownFigures(tab, fmt.Sprintf("#journeys-table tbody tr:nth-child(%d)", i+1))
		for figure, n := range map[string]int{
			"count": row.Count, "errors": row.Errors, "incomplete": row.Incomplete, "kept": row.Kept,
			"stored": row.Spans.Stored, "received": row.Spans.Received,
		} {
			require.Equal(t, strconv.Itoa(n), shown[figure], "%s of %s", figure, row.Name)
		}
		for figure, ms := range map[string]*float64{"p50": row.P50, "p95": row.P95, "p99": row.P99} {
			require.Equal(t, shownNumber(ms), shown[figure], "%s of %s", figure, row.Name)
		}
	}
	requireLooks(tab, "shop-overview")
	for _, name := range slices.Sorted(maps.Keys(shopFlows)) {
		p.requireShownFlow(t, tab, name)
	}
	tab.Go("#/live")
	tab.Await("the processor", "document.querySelector('[data-kpi=waiting] data')?.value === '0'")
	requireLooks(tab, "shop-live")
	p.requireShownLookups(t, tab, journeys)
}

func (p *parts) requireKeyFigures(t *testing.T, shown map[string]string, o *apiOverview) {
	t.Helper()
	for figure, n := range map[string]int{
		"journeys.count": o.Journeys.Count, "journeys.errors": o.Journeys.Errors, "journeys.incomplete": o.Journeys.Incomplete,
		"spans.received": o.Spans.Received, "spans.stored": o.Spans.Stored, "bytes.received": o.Bytes.Received, "bytes.stored": o.Bytes.Stored,
		"failed.existing": o.Failed.Existing, "failed.kept": o.Failed.Kept,
	} {
		require.Equal(t, strconv.Itoa(n), shown[figure], figure)
	}
}

// requireShownFlow asks for exactly the shop's edges on the map, with the API's
// counts in its table.
func (p *parts) requireShownFlow(t *testing.T, tab *browser.Tab, name string) {
	t.Helper()
	tab.Go("#/journey?window=24h&name=" + name)
	tab.Await("the map of "+name, fmt.Sprintf("document.querySelector('h1').innerText === %q && document.querySelectorAll('.map .label').length === %d", name, len(shopFlows[name])))
	require.ElementsMatch(t, shopFlows[name], browser.Eval[[]string](tab, "[...document.querySelectorAll('.map .label')].map((e) => e.dataset.edge)"))
	var edges []string
	for _, e := range p.journey(t, name).Flow.Edges {
		edges = append(edges, fmt.Sprintf("%d %d %s %s %s", e.Count, e.Errors, shownNumber(e.P50), shownNumber(e.P95), shownNumber(e.WaitP95)))
	}
	require.ElementsMatch(t, edges, browser.Eval[[]string](tab, `[...document.querySelectorAll('#edges tbody tr')].map((tr) =>
		['count', 'errors', 'p50', 'p95', 'wait'].map((c) => tr.querySelector('[data-column=' + c + '] data').value).join(' '))`))
	requireLooks(tab, "shop-"+name)
}

// Sizes that people look at the page in.
var (
	desk  = browser.Look{Width: 1440, Height: 1000}
	night = browser.Look{Width: 1440, Height: 1000, Dark: true}
	phone = browser.Look{Width: 390, Height: 844}
	bed   = browser.Look{Width: 390, Height: 844, Dark: true}
)

// requireLooks looks at a view of the shop's traffic in daylight and at night, on
// a desk and on a phone: all is legible, and nothing sticks out or lies on
// something else. Pictures are for people to look at.
func requireLooks(tab *browser.Tab, name string) {
	for _, look := range []struct {
		browser.Look
		name string
	}{{desk, name}, {night, name + "-dark"}, {bed, name + "-narrow-dark"}, {phone, name + "-narrow"}} {
		tab.Look(look.Look)
		tab.Redrawn()
		tab.RequireFits(look.name)
		tab.RequireLegible(look.name)
		tab.ShotWhole(look.name)
	}
	tab.Look(desk)
	tab.Redrawn()
}

// shownNumber is a number as the page holds it.
func shownNumber(x *float64) string {
	if x == nil {
		return ""
	}
	return strconv.FormatFloat(*x, 'f', -1, 64)
}

// requireShownMoney compares the amounts on the page. They fall as time passes
// and nothing comes, so each lies between two answers of the API.
func (p *parts) requireShownMoney(t *testing.T) {
	t.Helper()
	var before, after apiOverview
	require.NoError(t, p.api("/api/v1/overview?window=24h", &before))
	tab := world.browser.get(t).OpenPage(t, desk, "http://"+p.env["JOURNEYS_ENDPOINT"]+"/#/journeys?window=24h")
	tab.Await("the amounts", "document.querySelector('[data-kpi=saved] data')?.value")
	shown := shownFigures(tab, "[data-kpi=saved]")
	require.NoError(t, p.api("/api/v1/overview?window=24h", &after))
	for figure, amounts := range map[string][2]*float64{
		"money.received": {before.Money.Received, after.Money.Received},
		"money.stored":   {before.Money.Stored, after.Money.Stored},
		"money.saved":    {before.Money.Saved, after.Money.Saved},
	} {
		amount, err := strconv.ParseFloat(shown[figure], 64)
		require.NoError(t, err, "%s of %v", figure, shown)
		require.LessOrEqual(t, amount, *amounts[0], figure)
		require.GreaterOrEqual(t, amount, *amounts[1], figure)
	}
	tab.ShotWhole("shop-money")
}

// requireShownLookups asks for a trace that was kept and one that was dropped.
func (p *parts) requireShownLookups(t *testing.T, tab *browser.Tab, journeys []journeyTruth) {
	t.Helper()
	found := map[string]bool{}
	for _, j := range journeys {
		var want apiLookup
		require.NoError(t, p.api("/api/v1/traces/"+j.TraceID, &want))
		if found[want.Status] {
			continue
		}
		found[want.Status] = true
		tab.Go("#/trace?id=" + j.TraceID)
		tab.Await("the decision about "+j.TraceID, fmt.Sprintf("document.querySelector('[data-status=%s]') && document.querySelector('#trace-facts').innerText.includes(%q)", want.Status, j.TraceID))
		text := browser.Eval[string](tab, "document.querySelector('main').innerText")
		require.Contains(t, text, "by rule "+want.Rule)
		require.Contains(t, text, j.Journey)
		links := browser.Eval[[]string](tab, "[...document.querySelectorAll('.store')].map((a) => a.href)")
		if want.Status == "kept" {
			require.Equal(t, []string{p.jaeger.QueryURL + "/trace/" + j.TraceID}, links)
		} else {
			require.Empty(t, links)
		}
		requireLooks(tab, "shop-"+want.Status)
	}
	require.Len(t, found, 2, "a kept trace and a dropped one")
}
