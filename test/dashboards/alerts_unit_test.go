package dashboards

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"

	"github.com/otelcol-journey/otelcol-journey/test/internal/grafana"
)

const unitTestsFile = folder + "/prometheus/alerts_test.yaml"

// unitTests is the part of promtool's format that the file uses.
type unitTests struct {
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	Tests              []unitTest     `yaml:"tests"`
}

type unitTest struct {
	Name        string         `yaml:"name"`
	Interval    model.Duration `yaml:"interval"`
	InputSeries []struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	} `yaml:"input_series"`
	Expressions []expectation `yaml:"promql_expr_test"`
}

// expectation says which series an expression has at a time.
type expectation struct {
	Expr    string         `yaml:"expr"`
	At      model.Duration `yaml:"eval_time"`
	Samples []struct {
		Labels string  `yaml:"labels"`
		Value  float64 `yaml:"value"`
	} `yaml:"exp_samples"`
}

func readUnitTests(t *testing.T) unitTests {
	t.Helper()
	file, err := os.Open(unitTestsFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	var out struct {
		unitTests `yaml:",inline"`
		RuleFiles []string `yaml:"rule_files"`
	}
	decoder.KnownFields(true)
	if err := decoder.Decode(&out); err != nil {
		t.Fatalf("%s: %v", unitTestsFile, err)
	}
	if !slices.Equal(out.RuleFiles, []string{filepath.Base(alertsFile)}) {
		t.Fatalf("%s tests %v", unitTestsFile, out.RuleFiles)
	}
	return out.unitTests
}

func TestAlertsFireWhenTheyShouldAndNotWhenTheyShouldNot(t *testing.T) {
	file := readUnitTests(t)
	for _, test := range file.Tests {
		t.Run(test.Name, func(t *testing.T) { run(t, test, time.Duration(file.EvaluationInterval)) })
	}
}

// run evaluates the rules over the series, as promtool does.
func run(t *testing.T, test unitTest, every time.Duration) {
	t.Helper()
	loader, err := promqltest.NewLazyLoader(test.load(), promqltest.LazyLoaderOpts{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := loader.Close(); err != nil {
			t.Error(err)
		}
	})
	groups := loadGroups(t, loader, time.Duration(test.Interval))
	slices.SortStableFunc(test.Expressions, func(a, b expectation) int { return int(a.At - b.At) })
	waiting := test.Expressions
	for at := time.Unix(0, 0).UTC(); len(waiting) > 0; at = at.Add(every) {
		loader.WithSamplesTill(at, func(err error) {
			if err != nil {
				t.Fatal(err)
			}
			for _, group := range groups {
				group.Eval(loader.Context(), at)
			}
		})
		for len(waiting) > 0 && at.Sub(time.Unix(0, 0)) >= time.Duration(waiting[0].At) {
			waiting[0].check(t, loader, at)
			waiting = waiting[1:]
		}
	}
}

// load is the series in the language of Prometheus's own tests.
func (u unitTest) load() string {
	lines := []string{"load " + u.Interval.String()}
	for _, series := range u.InputSeries {
		lines = append(lines, "  "+series.Series+" "+series.Values)
	}
	return strings.Join(lines, "\n") + "\n"
}

func loadGroups(t *testing.T, loader *promqltest.LazyLoader, interval time.Duration) []*rules.Group {
	t.Helper()
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:  rules.EngineQueryFunc(loader.QueryEngine(), loader.Storage()),
		Appendable: loader.Storage(),
		Context:    context.Background(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger:     slog.New(slog.DiscardHandler),
		Parser:     parser.NewParser(parser.Options{}),
	})
	groups, faults := manager.LoadGroups(interval, labels.EmptyLabels(), "", nil, false, alertsFile)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, group := range groups {
		for _, rule := range group.Rules() {
			if alert, ok := rule.(*rules.AlertingRule); ok {
				alert.SetRestored(true) // else the series ALERTS would not be written
			}
		}
	}
	return slices.Collect(maps.Values(groups))
}

func (e expectation) check(t *testing.T, loader *promqltest.LazyLoader, at time.Time) {
	t.Helper()
	query, err := loader.QueryEngine().NewInstantQuery(t.Context(), loader.Queryable(), nil, e.Expr, at)
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	vector, err := query.Exec(t.Context()).Vector()
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, sample := range vector {
		got = append(got, fmt.Sprint(sample.Metric, " ", sample.F))
	}
	for _, sample := range e.Samples {
		series, err := parser.NewParser(parser.Options{}).ParseMetric(sample.Labels)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprint(series, " ", sample.Value))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s after %s:\n got %q\nwant %q", e.Expr, e.At, got, want)
	}
}

// Each alert is shown to fire, and to be silent about the same while it is not yet
// so, or somewhere where it is not so.
func TestEveryAlertIsTestedBothWays(t *testing.T) {
	rules, err := grafana.Alerts(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	file := readUnitTests(t)
	for _, rule := range rules {
		fires, silent := 0, 0
		for _, test := range file.Tests {
			for _, e := range test.Expressions {
				switch {
				case !strings.Contains(e.Expr, `"`+rule.Alert+`"`):
				case len(e.Samples) > 0:
					fires++
				default:
					silent++
				}
			}
		}
		if fires == 0 || silent == 0 {
			t.Errorf("%s: %d tests in which it fires, %d in which it does not", rule.Alert, fires, silent)
		}
	}
}
