package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/test/internal/grafana"
)

const (
	// dashboardTime is long enough for every kind of journey to be decided while
	// traffic goes on.
	dashboardTime = 30 * time.Second
	// scrapeEvery stands for the 15 s of deploy/grafana, so that rates are there sooner.
	scrapeEvery = time.Second
	rateWindow  = "15s"
)

func TestDashboardsShowTheShopAndNoAlertFires(t *testing.T) {
	t.Parallel()
	vhost := world.broker.vhost(t)
	if world.broker.isForeign() {
		t.Skip("the shop's queues stay where it has declared them: not in a broker of AMQP_URL")
	}
	p := newParts(t, vhost)
	p.configs = append(p.configs, filepath.Join(world.root, "deploy", "grafana", "collector.yaml"))
	p.startCollector(t)
	samples, err := grafana.NewSamples()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, samples.Close()) })

	visits := p.startShop(t).startShopper(t, "shopper", dashboardTime, nil)
	last := p.scrapeUntil(t, samples, time.After(dashboardTime-scrapeEvery))
	journeys := visits.asPlanned(t)

	d := demo{p: p, samples: samples, at: last}
	dashboards, err := grafana.Dashboards(filepath.Join(world.root, "deploy", "grafana", "dashboards"))
	require.NoError(t, err)
	for _, dashboard := range dashboards {
		t.Run(dashboard.File, func(t *testing.T) { d.requireShown(t, dashboard) })
	}
	t.Run("alerts", d.requireQuiet)
	t.Run("shadow", func(t *testing.T) { p.requireShadow(t, journeys) })
}

// scrapeUntil collects what the collector exposes, as Prometheus would, and
// returns when it did last.
func (p *parts) scrapeUntil(t *testing.T, samples *grafana.Samples, end <-chan time.Time) time.Time {
	t.Helper()
	target := map[string]string{"job": "otelcol-journey", "instance": "collector:8888"}
	ticker := time.NewTicker(scrapeEvery)
	defer ticker.Stop()
	for {
		res, err := get(p.metricsURL())
		require.NoError(t, err)
		answer, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		at := time.Now()
		require.NoError(t, samples.Add(answer, res.Header.Get("Content-Type"), at, target))
		require.NoError(t, samples.Add([]byte("up 1\n"), "text/plain", at, target))
		select {
		case <-ticker.C:
		case <-end:
			return at
		}
	}
}

// demo is the shop while traffic goes on, as a Prometheus has seen it.
type demo struct {
	p       *parts
	samples *grafana.Samples
	at      time.Time
}

// requireShown asks all that the dashboard asks.
func (d demo) requireShown(t *testing.T, dashboard grafana.Dashboard) {
	t.Helper()
	queries, err := dashboard.Queries(rateWindow)
	require.NoError(t, err)
	for _, v := range dashboard.Templating.List {
		if v.Type == "query" {
			expr, label, err := dashboard.Values(v)
			require.NoError(t, err)
			queries = append(queries, grafana.Query{
				Where: dashboard.File + ": $" + v.Name, Expr: fmt.Sprintf("count by (%s) (%s) > 0", label, selector(expr, label)),
			})
		}
	}
	for _, query := range queries {
		d.requireExposed(t, query)
		series, err := d.samples.Query(t.Context(), query.Expr, d.at)
		if err != nil || len(series) == 0 {
			t.Errorf("%s shows nothing: %v\n%s", query.Where, err, query.Expr)
		}
	}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			if target.QueryType == "search" {
				d.requireTraces(t, dashboard, target)
			}
		}
	}
}

// selector asks for the series that have the label.
func selector(series, label string) string {
	if before, found := strings.CutSuffix(series, "}"); found {
		return before + ", " + label + `!=""}`
	}
	return series + "{" + label + `!=""}`
}

// rare is what nothing is counted of while all goes well; the metric is not there
// until then. That it exists is held by test/dashboards.
var rare = []string{
	"extension_journeys_limit_reached", "extension_journeys_reports_deferred",
	"processor_journey_condition_errors", "processor_journey_early_decisions", "processor_journey_late_spans",
	"processor_journey_late_upgrades", "processor_journey_log_records_lost", "processor_journey_log_records_refused",
	"processor_journey_release_retries", "processor_journey_spans_lost", "processor_journey_spans_refused",
	"processor_journey_shadow_must_keep_lost", "processor_journey_thinned_journeys",
	"receiver_amqp_trace_clamped_durations", "receiver_amqp_trace_consumer_cancels", "receiver_amqp_trace_context_errors",
	"receiver_amqp_trace_distrusted_contexts", "receiver_amqp_trace_management_failures", "receiver_amqp_trace_oversized_frames",
	"receiver_amqp_trace_payloads", "receiver_amqp_trace_pending_evicted", "receiver_amqp_trace_pending_pairs",
	"receiver_amqp_trace_poison_discarded", "receiver_amqp_trace_reconnects", "receiver_amqp_trace_redelivered",
	"receiver_amqp_trace_rejected_payloads", "receiver_amqp_trace_rejected_spans", "receiver_amqp_trace_requeued",
	"receiver_amqp_trace_retries", "receiver_amqp_trace_skipped",
}

// requireExposed wants every metric that the query names on the collector's
// endpoint with the labels it asks for.
func (d demo) requireExposed(t *testing.T, query grafana.Query) {
	t.Helper()
	uses, err := grafana.Uses(query.Expr)
	require.NoError(t, err)
	for _, use := range uses {
		found, err := d.samples.Query(t.Context(), use.Metric, d.at)
		require.NoError(t, err)
		if len(found) == 0 && slices.Contains(rare, strings.TrimPrefix(use.Metric, "otelcol_")) {
			continue
		}
		var have []string
		for _, label := range use.Labels {
			have = append(have, label+`!=""`)
		}
		found, err = d.samples.Query(t.Context(), use.Metric+"{"+strings.Join(have, ", ")+"}", d.at)
		require.NoError(t, err)
		if len(found) == 0 {
			t.Errorf("%s: the collector does not expose %s with the labels %v", query.Where, use.Metric, use.Labels)
		}
	}
}

// requireTraces asks Jaeger what a panel of kept traces asks it.
func (d demo) requireTraces(t *testing.T, dashboard grafana.Dashboard, target grafana.Target) {
	t.Helper()
	key, value, _ := strings.Cut(target.Tags, "=")
	tags, err := json.Marshal(map[string]string{key: strings.Trim(value, `"`)})
	require.NoError(t, err)
	service, err := dashboard.Expand(target.Service)
	require.NoError(t, err)
	query := url.Values{"service": {service}, "tags": {string(tags)}, "limit": {"20"}, "lookback": {"1h"}}
	eventually(t, "Jaeger has traces with "+target.Tags, func() error {
		res, err := get(d.p.jaeger.QueryURL + "/api/traces?" + query.Encode())
		if err != nil {
			return err
		}
		defer res.Body.Close()
		var found struct{ Data []json.RawMessage }
		if err := json.NewDecoder(res.Body).Decode(&found); err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK || len(found.Data) == 0 {
			return fmt.Errorf("%s, %d traces", res.Status, len(found.Data))
		}
		return nil
	})
}

// requireQuiet wants no alert's condition to hold: a shop with failures, dead
// letters and slow journeys is what the rules are made for.
func (d demo) requireQuiet(t *testing.T) {
	rules, err := grafana.Alerts(filepath.Join(world.root, "deploy", "grafana", "prometheus", "alerts.yaml"))
	require.NoError(t, err)
	for _, rule := range rules {
		d.requireExposed(t, grafana.Query{Where: rule.Alert, Expr: rule.Expr})
		active, err := d.samples.Query(t.Context(), rule.Expr, d.at)
		require.NoError(t, err)
		if len(active) != 0 {
			t.Errorf("%s: %v", rule.Alert, active)
		}
	}
}
