package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What the tests read of the journeys API; openapi.yaml of the extension
// describes all of it.
type (
	apiVolume   struct{ Received, Stored int }
	apiJourneys struct{ Count, OK, Errors, Incomplete, Kept int }
	apiWindow   struct {
		From, To time.Time
		Seconds  float64
	}
	apiShares struct {
		PerMinute  float64  `json:"per_minute"`
		KeptShare  *float64 `json:"kept_share"`
		ErrorShare *float64 `json:"error_share"`
	}
	apiTrend struct {
		Journeys, Errors, Kept []int
		SpansReceived          []int `json:"spans_received"`
		SpansStored            []int `json:"spans_stored"`
	}
	apiOverview struct {
		Window       apiWindow
		Journeys     apiJourneys
		Spans, Bytes apiVolume
		Failed       struct{ Existing, Kept int }
		Trend        apiTrend
		Money        struct {
			Currency string
			Received *float64 `json:"received_per_month"`
			Stored   *float64 `json:"stored_per_month"`
			Saved    *float64 `json:"saved_per_month"`
		}
	}
	apiRow struct {
		Name string
		apiJourneys
		apiShares
		Spans, Bytes apiVolume
		P50          *float64 `json:"p50_ms"`
		P95          *float64 `json:"p95_ms"`
		P99          *float64 `json:"p99_ms"`
		Saved        *float64 `json:"saved_per_month"`
	}
	apiTable struct {
		Window apiWindow
		Rows   []apiRow
	}
	apiNode struct {
		ID, Kind, Name, System string
		Count, Errors          int
		P95                    *float64 `json:"p95_ms"`
	}
	apiEdge struct {
		From, To, Protocol string
		Count, Errors      int
		PerMinute          float64  `json:"per_minute"`
		ErrorShare         *float64 `json:"error_share"`
		P50                *float64 `json:"p50_ms"`
		P95                *float64 `json:"p95_ms"`
		WaitP50            *float64 `json:"wait_p50_ms"`
		WaitP95            *float64 `json:"wait_p95_ms"`
	}
	apiStep struct {
		Name    string
		Reached int
	}
	apiStop struct {
		Outcome, Service, Operation, Missing string
		Count                                int
	}
	apiPath struct {
		Services            []string
		Count, Errors, Kept int
		Share               *float64
		P95                 *float64 `json:"p95_ms"`
	}
	apiRule struct {
		Name                   string
		Matched, Kept, Thinned int
	}
	apiJourney struct {
		Window apiWindow
		Row    apiRow
		Flow   struct {
			Of, Mapped int
			Nodes      []apiNode
			Edges      []apiEdge
		}
		Steps    []apiStep
		Stops    []apiStop
		Paths    []apiPath
		Rules    []apiRule
		Failures []apiLookup
	}
	apiLookup struct {
		TraceID                              string `json:"trace_id"`
		Status, Journey, Outcome, Rule, Link string
		Probability                          *float64
		Spans                                int
		DurationMS                           float64 `json:"duration_ms"`
	}
)

// api asks the journeys extension.
func (p *parts) api(path string, into any) error {
	res, err := get("http://" + p.env["JOURNEYS_ENDPOINT"] + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

func TestEveryFigureOfTheAPIIsTheTruthOfTheShop(t *testing.T) {
	vhost := world.broker.vhost(t)
	if world.broker.isForeign() {
		t.Skip("the shop's queues stay where it has declared them: not in a broker of AMQP_URL")
	}
	p := newParts(t, vhost)
	all := p.hearEverything(t)
	p.setPrices(t)
	began := [2]time.Time{time.Now()}
	p.startCollector(t)
	began[1] = time.Now()
	// A month is concluded from a minute at least, which passes while others are
	// tested.
	t.Parallel()
	p.awaitReceiver(t)
	journeys := p.startShop(t).startShopper(t, "shopper", shopTime, nil).asPlanned(t)
	var overview apiOverview
	eventually(t, "all journeys are decided and reported", func() error {
		if err := p.api("/api/v1/overview", &overview); err != nil {
			return err
		}
		a := p.metrics(t).spans()
		if a.pending != 0 {
			return fmt.Errorf("%+v", a)
		}
		return errors.Join(
			want("journeys", len(journeys), overview.Journeys.Count), want("spans", a.received, overview.Spans.Received),
			want("spans heard", a.received, all.count()),
		)
	})
	truth := truthOf(journeys)
	p.requireOverview(t, &overview, truth[""])
	var table apiTable
	require.NoError(t, p.api("/api/v1/journeys", &table))
	require.Len(t, table.Rows, 4, "%+v", table)
	for _, row := range table.Rows {
		t.Run(row.Name, func(t *testing.T) {
			p.requireRow(t, &row, truth[row.Name])
			all.of(t, p, journeys, row.Name).requireDurations(t, &row, table.Window.Seconds)
		})
	}
	for _, j := range journeys {
		t.Run(j.Journey+"/"+j.Class+"/"+j.TraceID, func(t *testing.T) { p.requireLookup(t, j) })
	}
	for name, want := range shopFlows {
		t.Run("flow of "+name, func(t *testing.T) {
			p.requireFlow(t, name, truth[name], want)
			one, heard := p.journey(t, name), all.of(t, p, journeys, name)
			heard.requireEdges(t, one)
			heard.requirePaths(t, one)
		})
	}
	p.requireCheckout(t, truth["checkout"], p.slowCheckouts(t, journeys))
	t.Run("page", func(t *testing.T) { p.requirePage(t, journeys) })
	for _, window := range []string{"1h", "24h"} {
		var longer apiOverview
		require.NoError(t, p.api("/api/v1/overview?window="+window, &longer))
		require.Equal(t, overview.Journeys, longer.Journeys, window)
		require.Equal(t, overview.Spans, longer.Spans, window)
	}
	t.Run("money", func(t *testing.T) {
		p.requireMoney(t, all, journeys, began)
		p.requireShownMoney(t)
	})
}

// tally is the truth about the journeys of one name.
type tally struct {
	apiJourneys
	classes map[string]int
}

// truthOf sums the truth up, by names and "" for all. Kept is not in it.
func truthOf(journeys []journeyTruth) map[string]*tally {
	truth := map[string]*tally{"": {classes: map[string]int{}}}
	for _, j := range journeys {
		if truth[j.Journey] == nil {
			truth[j.Journey] = &tally{classes: map[string]int{}}
		}
		for _, t := range []*tally{truth[""], truth[j.Journey]} {
			t.Count++
			t.classes[j.Class]++
			switch j.Outcome {
			case "error":
				t.Errors++
			case "incomplete":
				t.Incomplete++
			default:
				t.OK++
			}
		}
	}
	return truth
}

func sumOf(list []int) int {
	n := 0
	for _, v := range list {
		n += v
	}
	return n
}

func (p *parts) requireOverview(t *testing.T, o *apiOverview, truth *tally) {
	t.Helper()
	kept := o.Journeys.Kept
	o.Journeys.Kept = 0
	require.Equal(t, truth.apiJourneys, o.Journeys)
	o.Journeys.Kept = kept
	m := p.metrics(t)
	a := m.spans()
	require.Equal(t, apiVolume{a.received, a.kept}, o.Spans, "%+v", a)
	require.Equal(t, apiVolume{
		m.sum(journeyMetric("span_bytes_received_total")), m.sum(journeyMetric("span_bytes_kept_total")),
	}, o.Bytes)
	require.Equal(t, p.storedByJaeger(t), o.Spans.Stored, "spans that Jaeger has stored")
	require.Equal(t, truth.Errors+truth.Incomplete, o.Failed.Existing)
	require.Equal(t, o.Failed.Existing, o.Failed.Kept, "every failed journey is kept")
	require.Equal(t, truth.Count, sumOf(o.Trend.Journeys))
	require.Equal(t, truth.Errors, sumOf(o.Trend.Errors))
	require.Equal(t, kept, sumOf(o.Trend.Kept))
	require.Equal(t, a.received, sumOf(o.Trend.SpansReceived))
	require.Equal(t, a.kept, sumOf(o.Trend.SpansStored))
}

func (p *parts) requireRow(t *testing.T, row *apiRow, truth *tally) {
	t.Helper()
	counts := row.apiJourneys
	counts.Kept = 0
	require.Equal(t, truth.apiJourneys, counts)
	m := p.metrics(t)
	name := "journey=" + row.Name
	require.Equal(t, m.sum(journeyMetric("journeys_total"), name, "decision=kept"), row.Kept)
	require.Equal(t, apiVolume{
		m.sum(journeyMetric("journey_spans_total"), name), m.sum(journeyMetric("journey_spans_total"), name, "decision=kept"),
	}, row.Spans)
}

// requireLookup compares the look-up of a trace with the truth and with Jaeger.
func (p *parts) requireLookup(t *testing.T, j journeyTruth) {
	t.Helper()
	var got apiLookup
	require.NoError(t, p.api("/api/v1/traces/"+j.TraceID, &got))
	require.Equal(t, j.Journey, got.Journey)
	require.Equal(t, j.Outcome, got.Outcome)
	stored, err := p.lookUp(j.TraceID)
	if errors.Is(err, errNotStored) {
		require.Equal(t, "dropped", got.Status)
		require.False(t, j.MustKeep)
		require.Empty(t, got.Link)
		return
	}
	require.NoError(t, err)
	require.Equal(t, "kept", got.Status)
	require.Len(t, stored, got.Spans)
	require.Equal(t, p.jaeger.QueryURL+"/trace/"+j.TraceID, got.Link)
	root := stored.tagged("journey.outcome")[0].tags
	require.Equal(t, root["journey.sampling.rule"], got.Rule)
	require.InDelta(t, root["journey.sampling.probability"], *got.Probability, 1e-9)
}

// shopFlows is who calls whom in the shop, by journey.
var shopFlows = map[string][]string{
	"checkout": {
		"user -http-> gateway", "gateway -db-> redis 1", "gateway -grpc-> checkout",
		"checkout -db-> checkout", "checkout -db-> redis 0", "checkout -http-> payments.example",
		"checkout -amqp-> mailer-queue", "checkout -amqp-> stock-queue", "stock-queue -amqp-> stock", "stock -db-> stock",
		"stock -amqp-> stock-retry", "stock-retry -amqp-> stock-queue",
	},
	"order history": {
		"user -http-> gateway", "gateway -db-> redis 1", "gateway -http-> orders", "orders -db-> orders", "orders -db-> redis 2",
		"orders -http-> users", "users -db-> users",
	},
	"restock": {
		"user -http-> stock", "stock -db-> stock", "stock -amqp-> restock-delay", "restock-delay -amqp-> restock-queue",
		"restock-queue -amqp-> stock",
	},
	"gift card": {"user -http-> gateway", "gateway -db-> redis 1", "gateway -http-> users", "users -db-> users"},
}

func (p *parts) journey(t *testing.T, name string) *apiJourney {
	t.Helper()
	var one apiJourney
	require.NoError(t, p.api("/api/v1/journey?name="+url.QueryEscape(name), &one))
	return &one
}

// named are the edges by the names of their ends and their protocol.
func (j *apiJourney) named() map[string]apiEdge {
	names := map[string]string{}
	for _, n := range j.Flow.Nodes {
		names[n.ID] = n.Name
	}
	edges := map[string]apiEdge{}
	for _, e := range j.Flow.Edges {
		edges[names[e.From]+" -"+e.Protocol+"-> "+names[e.To]] = e
	}
	return edges
}

// requireFlow asks for exactly these edges, and that the journeys of the page
// add up.
func (p *parts) requireFlow(t *testing.T, name string, truth *tally, want []string) {
	t.Helper()
	one := p.journey(t, name)
	require.Equal(t, truth.Count, one.Flow.Of)
	require.Equal(t, truth.Count, one.Flow.Mapped)
	require.ElementsMatch(t, want, slices.Collect(maps.Keys(one.named())))
	paths, matched, kept, stopped := 0, 0, 0, 0
	for _, path := range one.Paths {
		paths += path.Count
	}
	for _, rule := range one.Rules {
		matched, kept = matched+rule.Matched, kept+rule.Kept
	}
	for _, stop := range one.Stops {
		stopped += stop.Count
	}
	require.Equal(t, truth.Count, paths)
	require.Equal(t, truth.Count, matched)
	require.Equal(t, one.Row.Kept, kept)
	require.Equal(t, truth.Errors+truth.Incomplete, stopped)
	for _, failure := range one.Failures {
		require.NotEqual(t, "ok", failure.Outcome)
		require.NotEmpty(t, failure.Link, "every failed journey is kept")
	}
}

// requireCheckout asks for the figures that follow from the classes: a retried
// message is processed three times, as is a dead-lettered one; a lost one is
// taken without a span.
func (p *parts) requireCheckout(t *testing.T, truth *tally, slow int) {
	t.Helper()
	one, class := p.journey(t, "checkout"), truth.classes
	published := truth.Count - class["failed"] - class["unroutable"]
	retries := 2 * (class["retried"] + class["dead_lettered"])
	processed := published - class["lost"] + retries
	failedTries := 2*class["retried"] + 3*class["dead_lettered"]
	edges := one.named()
	for edge, want := range map[string][2]int{
		"user -http-> gateway":              {truth.Count, class["failed"]},
		"gateway -grpc-> checkout":          {truth.Count, 0}, // a refused payment is the caller's error
		"checkout -http-> payments.example": {truth.Count, class["failed"]},
		"checkout -amqp-> stock-queue":      {published, 0},
		"checkout -amqp-> mailer-queue":     {published, 0},
		"stock -amqp-> stock-retry":         {retries, 0},
		"stock-retry -amqp-> stock-queue":   {retries, 0},
		"stock-queue -amqp-> stock":         {processed, failedTries},
	} {
		require.Equal(t, want, [2]int{edges[edge].Count, edges[edge].Errors}, edge)
	}
	require.NotNil(t, edges["checkout -amqp-> mailer-queue"].WaitP95, "time in the queue")
	require.Equal(t, []apiStep{{"charged", truth.Count}, {"reserved", published - class["lost"]}}, one.Steps)
	require.ElementsMatch(t, []apiStop{
		{"error", "stock", "SELECT stock", "", class["retried"] + class["dead_lettered"]},
		{"error", "checkout", "POST /v1/charges", "reserved", class["failed"]},
		{"incomplete", "", "", "reserved", class["lost"] + class["unroutable"]},
	}, one.Stops)
	require.Equal(t, []string{"failed", "incomplete", "slow", "checkout"}, ruleNames(one.Rules))
	require.Equal(t, truth.Errors, one.Rules[0].Kept)
	require.Equal(t, truth.Incomplete, one.Rules[1].Kept)
	require.Equal(t, slow, one.Rules[2].Kept)
}

// slowCheckouts is how many checkouts were kept for being slow: those that were
// planned to be, and what this machine made slow besides.
func (p *parts) slowCheckouts(t *testing.T, journeys []journeyTruth) (slow int) {
	t.Helper()
	for _, j := range journeys {
		if j.Journey != "checkout" || j.Outcome != "ok" {
			continue
		}
		var got apiLookup
		require.NoError(t, p.api("/api/v1/traces/"+j.TraceID, &got))
		if got.Rule != "slow" {
			require.NotEqual(t, "slow", j.Class, j.TraceID)
			continue
		}
		require.Greater(t, got.DurationMS, 1000., "slower_than of the published configuration")
		slow++
	}
	return slow
}

func ruleNames(rules []apiRule) []string {
	var names []string
	for _, r := range rules {
		names = append(names, r.Name)
	}
	return names
}
