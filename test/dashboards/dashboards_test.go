// Package dashboards holds deploy/grafana against what the components expose: what
// Grafana and Prometheus are given is part of the product and breaks as easily.
// test/e2e holds it against the running binary as well.
package dashboards

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/otelcol-journey/otelcol-journey/test/internal/grafana"
)

const (
	root   = "../.."
	folder = root + "/deploy/grafana"
	// columns is how wide Grafana's grid is.
	columns = 24
	// maxHeight keeps a dashboard within about three screens.
	maxHeight = 45
	window    = "1m"
)

func eachDashboard(t *testing.T, check func(t *testing.T, d grafana.Dashboard)) {
	t.Helper()
	dashboards, err := grafana.Dashboards(filepath.Join(folder, "dashboards"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dashboards {
		t.Run(d.File, func(t *testing.T) { check(t, d) })
	}
}

func eachPanel(t *testing.T, check func(t *testing.T, p grafana.Panel)) {
	t.Helper()
	eachDashboard(t, func(t *testing.T, d grafana.Dashboard) {
		for _, p := range d.Panels {
			t.Run(p.Title, func(t *testing.T) { check(t, p) })
		}
	})
}

func metrics(t *testing.T) map[string]grafana.Metric {
	t.Helper()
	m, err := grafana.Metrics(root)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestEveryDashboardCanBeFoundAndChosenFrom(t *testing.T) {
	uids := make(map[string]string)
	eachDashboard(t, func(t *testing.T, d grafana.Dashboard) {
		if other, taken := uids[d.UID]; taken || d.UID == "" {
			t.Errorf("uid %q is also that of %q", d.UID, other)
		}
		uids[d.UID] = d.File
		if d.Title == "" || d.Description == "" || d.Refresh == "" || !slices.Contains(d.Tags, "otelcol-journey") {
			t.Errorf("title %q, description %q, refresh %q and the tag %v: one is missing", d.Title, d.Description, d.Refresh, d.Tags)
		}
		if len(d.Links) == 0 {
			t.Error("no link to the other dashboards")
		}
		var names []string
		for _, v := range d.Templating.List {
			names = append(names, v.Name)
			if v.Label == "" || v.Description == "" {
				t.Errorf("variable %s has no label or description", v.Name)
			}
			if v.Type == "query" && (!v.IncludeAll || !v.Multi || v.AllValue != ".*") {
				t.Errorf("variable %s cannot be all, or several", v.Name)
			}
		}
		for _, alternatives := range [][]string{{"datasource"}, {"instance"}, {"processor", "receiver"}} {
			if !slices.ContainsFunc(alternatives, func(name string) bool { return slices.Contains(names, name) }) {
				t.Errorf("none of the variables %v is there: %v", alternatives, names)
			}
		}
	})
}

func TestEveryPanelExplainsItself(t *testing.T) {
	eachPanel(t, func(t *testing.T, p grafana.Panel) {
		if p.Title == "" || len(p.Description) < len("Share of it.") {
			t.Errorf("title %q, description %q", p.Title, p.Description)
		}
		if p.FieldConfig.Defaults.Unit == "" {
			t.Error("no unit")
		}
		if p.Datasource.UID != "${datasource}" && p.Datasource.UID != "${traces}" {
			t.Errorf("data source is %q, not the one that was chosen", p.Datasource.UID)
		}
		if len(p.Targets) == 0 {
			t.Error("no query")
		}
		for _, target := range p.Targets {
			if p.Type == "timeseries" && target.LegendFormat == "" {
				t.Errorf("query %s has no legend", target.RefID)
			}
		}
	})
}

// A column of a table that has no unit of its own shows a bare number.
func TestEveryColumnOfATableHasAUnit(t *testing.T) {
	eachPanel(t, func(t *testing.T, p grafana.Panel) {
		if p.Type != "table" || p.Targets[0].Expr == "" {
			return
		}
		units := 0
		for _, override := range p.FieldConfig.Overrides {
			for _, property := range override.Properties {
				if property.ID == "unit" {
					units++
				}
			}
		}
		if units != len(p.Targets) {
			t.Errorf("%d columns, %d units", len(p.Targets), units)
		}
	})
}

func TestPanelsAreLaidOutWithoutOverlap(t *testing.T) {
	eachDashboard(t, func(t *testing.T, d grafana.Dashboard) {
		taken := make(map[[2]int]string)
		ids := make(map[int]bool)
		for _, p := range d.Panels {
			if ids[p.ID] {
				t.Errorf("%s: id %d is taken", p.Title, p.ID)
			}
			ids[p.ID] = true
			g := p.GridPos
			if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > columns || g.Y+g.H > maxHeight {
				t.Errorf("%s is outside of %d columns and %d rows: %+v", p.Title, columns, maxHeight, g)
			}
			for x := g.X; x < g.X+g.W; x++ {
				for y := g.Y; y < g.Y+g.H; y++ {
					if other, is := taken[[2]int{x, y}]; is {
						t.Fatalf("%s lies on %s", p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
		if d.Panels[0].Type != "stat" || d.Panels[0].GridPos.Y != 0 {
			t.Errorf("begins with %s, not with the figures that matter most", d.Panels[0].Title)
		}
	})
}

func TestEveryQueryNamesMetricsThatExist(t *testing.T) {
	known := metrics(t)
	count := 0
	eachDashboard(t, func(t *testing.T, d grafana.Dashboard) {
		queries, err := d.Queries(window)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range d.Templating.List {
			if v.Type != "query" {
				continue
			}
			expr, label, err := d.Values(v)
			if err != nil {
				t.Fatal(err)
			}
			queries = append(queries, grafana.Query{Where: d.File + ": " + v.Name, Expr: "count by (" + label + ") (" + expr + ")"})
		}
		for _, query := range queries {
			wrong, n := faults(known, query.Expr)
			count += n
			for _, fault := range wrong {
				t.Errorf("%s: %s", query.Where, fault)
			}
		}
	})
	if count < 100 {
		t.Errorf("only %d metrics were looked at; does this test still see the queries?", count)
	}
}

// faults are what is wrong with the metrics of our components in a query; test/e2e
// finds the collector's own on the running binary. It also returns how many there are.
func faults(known map[string]grafana.Metric, expr string) (out []string, count int) {
	uses, err := grafana.Uses(expr)
	if err != nil {
		return []string{err.Error()}, 0
	}
	for _, use := range uses {
		metric, exists := known[grafana.Base(use.Metric)]
		switch {
		case exists:
			out = append(out, labelFaults(metric, use)...)
		case !isCollectors(use.Metric):
			out = append(out, "no component has the metric "+use.Metric)
		}
	}
	return out, len(uses)
}

func labelFaults(metric grafana.Metric, use grafana.Use) []string {
	var out []string
	for _, label := range use.Labels {
		if !slices.Contains(metric.Labels, label) {
			out = append(out, use.Metric+" has no label "+label)
		}
	}
	for _, matcher := range use.Matchers {
		values := metric.Values[matcher.Name]
		if len(values) > 0 && !slices.ContainsFunc(values, matcher.Matches) {
			out = append(out, fmt.Sprintf("%s asks for %s, which is one of %v", use.Metric, matcher, values))
		}
	}
	return out
}

// isCollectors says that the metric is not one of our components.
func isCollectors(metric string) bool {
	if metric == "up" || strings.HasPrefix(metric, "otelcol_process_") {
		return true
	}
	for _, prefix := range []string{"otelcol_receiver_accepted_", "otelcol_receiver_refused_", "otelcol_exporter_sent_", "otelcol_exporter_send_failed_"} {
		if strings.HasPrefix(metric, prefix) {
			return true
		}
	}
	return false
}

// The checks above would be worth nothing if they let everything pass.
func TestMistakesInQueriesAreFound(t *testing.T) {
	known := metrics(t)
	tests := map[string]string{
		"metric":         `rate(otelcol_processor_journey_span_received[1m])`,
		"suffix":         `rate(otelcol_processor_journey_spans_received_total[1m])`,
		"label":          `otelcol_processor_journey_spans_received{journey="checkout"}`,
		"grouping":       `sum by (rule) (otelcol_processor_journey_spans_received)`,
		"outer grouping": `max by (rule) (sum(otelcol_processor_journey_spans_received))`,
		"value":          `otelcol_processor_journey_journeys{outcome="failed"}`,
		"syntax":         `sum(otelcol_processor_journey_journeys`,
	}
	for name, expr := range tests {
		t.Run(name, func(t *testing.T) {
			if wrong, _ := faults(known, expr); len(wrong) == 0 {
				t.Errorf("%s passes", expr)
			}
		})
	}
}
