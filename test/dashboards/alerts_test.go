package dashboards

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/rulefmt"

	"github.com/otelcol-journey/otelcol-journey/test/internal/grafana"
)

const (
	alertsFile = folder + "/prometheus/alerts.yaml"
	// repository is where links of alerts lead.
	repository = "https://github.com/otelcol-journey/otelcol-journey/blob/main/"
)

func eachAlert(t *testing.T, check func(t *testing.T, rule rulefmt.Rule)) {
	t.Helper()
	rules, err := grafana.Alerts(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules {
		t.Run(rule.Alert, func(t *testing.T) { check(t, rule) })
	}
}

func TestEveryAlertSaysWhatToDo(t *testing.T) {
	eachAlert(t, func(t *testing.T, rule rulefmt.Rule) {
		if severity := rule.Labels["severity"]; !slices.Contains([]string{"critical", "warning"}, severity) {
			t.Errorf("severity is %q", severity)
		}
		if len(rule.Annotations["summary"]) < 30 || len(rule.Annotations["description"]) < 30 {
			t.Errorf("summary %q, description %q", rule.Annotations["summary"], rule.Annotations["description"])
		}
		checkLink(t, rule.Annotations["runbook_url"])
	})
}

// checkLink wants a heading of one of the repository's documents.
func checkLink(t *testing.T, link string) {
	t.Helper()
	path, ours := strings.CutPrefix(link, repository)
	file, anchor, toHeading := strings.Cut(path, "#")
	if !ours || !toHeading {
		t.Fatalf("runbook_url %q does not lead to a heading of the repository", link)
	}
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range heading.FindAllStringSubmatch(string(text), -1) {
		if anchorOf(match[1]) == anchor {
			return
		}
	}
	t.Errorf("%s has no heading #%s", file, anchor)
}

var (
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	noLink  = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// anchorOf is how GitHub names a heading.
func anchorOf(title string) string {
	return strings.ReplaceAll(noLink.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
}

func TestEveryAlertNamesMetricsThatExist(t *testing.T) {
	known := metrics(t)
	eachAlert(t, func(t *testing.T, rule rulefmt.Rule) {
		wrong, count := faults(known, rule.Expr)
		if count == 0 {
			t.Error("no metric")
		}
		for _, fault := range wrong {
			t.Error(fault)
		}
	})
}

// The table in the documentation is what an operator chooses from.
func TestEveryAlertIsDocumented(t *testing.T) {
	text, err := os.ReadFile(root + "/docs/dashboards.md")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	eachAlert(t, func(t *testing.T, rule rulefmt.Rule) {
		count++
		if row := "| `" + rule.Alert + "` | " + rule.Labels["severity"] + " |"; !strings.Contains(string(text), row) {
			t.Errorf("docs/dashboards.md has no %q", row)
		}
	})
	if rows := strings.Count(string(text), "| critical |") + strings.Count(string(text), "| warning |"); rows != count {
		t.Errorf("docs/dashboards.md has %d alerts, there are %d", rows, count)
	}
}

var labelInText = regexp.MustCompile(`\$labels\.(\w+)`)

// A label that the expression has taken away would be an empty place in the text.
func TestAlertsTellOnlyLabelsTheyHave(t *testing.T) {
	eachAlert(t, func(t *testing.T, rule rulefmt.Rule) {
		have := []string{"instance"}
		if match := regexp.MustCompile(`by \(([^)]*)\)`).FindStringSubmatch(rule.Expr); match != nil {
			have = strings.Split(match[1], ", ")
		}
		for _, text := range rule.Annotations {
			for _, match := range labelInText.FindAllStringSubmatch(text, -1) {
				if !slices.Contains(have, match[1]) {
					t.Errorf("%q is told, the alert has %v", match[1], have)
				}
			}
		}
	})
}

// The tests of the rules are in promtool's format, so that whoever changes a rule
// can run them; here they run without it. Where it is installed, it has to agree.
func TestPromtoolAcceptsTheRules(t *testing.T) {
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed; the same is checked with the packages it is made of")
	}
	for _, args := range [][]string{{"check", "rules", alertsFile}, {"test", "rules", unitTestsFile}, {"check", "config", "--syntax-only", folder + "/prometheus/prometheus.yaml"}} {
		if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
