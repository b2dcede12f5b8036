package dashboards

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"

	"github.com/otelcol-journey/otelcol-journey/test/internal/grafana"
)

// inRules are the times in an expression; 900 is how many seconds a receiver may be silent.
var inRules = regexp.MustCompile(`\[\w+\]|offset \w+|> (?:900|15)\b`)

// The end-to-end test provokes alerts with times that are shorter than those of
// production. Nothing but times may differ.
func TestFasterRulesAreTheSameButForTheirTimes(t *testing.T) {
	const by = 60
	// Both are written by the same hand: in the file, labels and layout have another order.
	rules, fast := rewritten(t, 1), rewritten(t, by)
	original, err := grafana.Alerts(alertsFile)
	if err != nil || len(original) != len(rules) || len(fast) != len(rules) {
		t.Fatalf("%d rules became %d and %d: %v", len(original), len(rules), len(fast), err)
	}
	changed := 0
	for i, rule := range rules {
		if rule.Alert != original[i].Alert || rule.For != original[i].For {
			t.Errorf("%+v became %+v", original[i], rule)
		}
		if fast[i].Alert != rule.Alert || fast[i].For != rule.For/by || fast[i].Annotations["summary"] != rule.Annotations["summary"] {
			t.Errorf("%+v became %+v", rule, fast[i])
		}
		was, is := inRules.FindAllString(rule.Expr, -1), inRules.FindAllString(fast[i].Expr, -1)
		if len(was) != len(is) || inRules.ReplaceAllString(rule.Expr, "") != inRules.ReplaceAllString(fast[i].Expr, "") {
			t.Errorf("%s: more than times has changed:\n%s\n%s", rule.Alert, rule.Expr, fast[i].Expr)
			continue
		}
		for n := range was {
			changed++
			checkFaster(t, rule.Alert, was[n], is[n], by)
		}
	}
	if changed < 30 {
		t.Errorf("only %d times were found", changed)
	}
}

func rewritten(t *testing.T, by int) []rulefmt.Rule {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := grafana.Faster(alertsFile, file, by); err != nil {
		t.Fatal(err)
	}
	rules, err := grafana.Alerts(file)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func checkFaster(t *testing.T, alert, was, is string, by int) {
	t.Helper()
	if seconds, ok := strings.CutPrefix(was, "> "); ok {
		if seconds != "900" || is != "> 15" {
			t.Errorf("%s: %q became %q", alert, was, is)
		}
		return
	}
	before, err := model.ParseDuration(strings.Trim(strings.TrimPrefix(was, "offset "), "[]"))
	if err != nil {
		t.Fatal(err)
	}
	after, err := model.ParseDuration(strings.Trim(strings.TrimPrefix(is, "offset "), "[]"))
	if err != nil || after != before/model.Duration(by) || after == 0 {
		t.Errorf("%s: %q became %q: %v", alert, was, is, err)
	}
}
