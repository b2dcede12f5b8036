package grafana

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Query is one PromQL expression as Prometheus gets it.
type Query struct {
	Where string // for messages: file, panel, reference
	Expr  string
}

// Queries are all that the dashboard asks Prometheus for, with every variable at
// its default (all of everything) and the given window for the rates and for the
// time range that is looked at.
func (d Dashboard) Queries(window string) ([]Query, error) {
	var out []Query
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			if target.Expr == "" {
				continue
			}
			where := fmt.Sprintf("%s: %s: %s", d.File, panel.Title, target.RefID)
			expr, err := d.expand(target.Expr, window)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", where, err)
			}
			out = append(out, Query{Where: where, Expr: expr})
		}
	}
	return out, nil
}

// Expand puts the variables' defaults in place of their names in what is no PromQL.
func (d Dashboard) Expand(text string) (string, error) { return d.expand(text, "") }

var reference = regexp.MustCompile(`\$\{?(\w+)\}?`)

// expand puts the variables' defaults in place of their names.
func (d Dashboard) expand(text, window string) (string, error) {
	var unknown []string
	text = reference.ReplaceAllStringFunc(text, func(found string) string {
		name := reference.FindStringSubmatch(found)[1]
		if slices.Contains([]string{"__rate_interval", "__range"}, name) {
			return window
		}
		value, known := d.byDefault(name)
		if !known {
			unknown = append(unknown, name)
		}
		return value
	})
	if len(unknown) > 0 {
		return "", fmt.Errorf("unknown variables %v in %s", unknown, text)
	}
	return text, nil
}

func (d Dashboard) byDefault(name string) (value string, known bool) {
	for _, v := range d.Templating.List {
		switch {
		case v.Name != name:
			continue
		case v.IncludeAll:
			return v.AllValue, true
		default:
			text, isText := v.Query.(string)
			return text, isText
		}
	}
	return "", false
}

var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// Values returns what a query variable asks for: the values of a label on the
// series of an expression.
func (d Dashboard) Values(v Variable) (expr, label string, err error) {
	fields, _ := v.Query.(map[string]any)
	text, _ := fields["query"].(string)
	match := labelValues.FindStringSubmatch(text)
	if match == nil {
		return "", "", fmt.Errorf("%s: variable %s asks for %q, not for label_values(series, label)", d.File, v.Name, text)
	}
	expr, err = d.expand(match[1], "")
	return expr, match[2], err
}

// Use is one metric in an expression with the labels that are asked of it.
type Use struct {
	Metric   string
	Labels   []string
	Matchers []*labels.Matcher
}

var promQL = parser.NewParser(parser.Options{})

// Uses parses the expression. The labels by which an operator groups or joins
// count for every metric below it, unless an operator further in has already
// taken them away or put them there.
func Uses(expr string) ([]Use, error) {
	node, err := promQL.ParseExpr(expr)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", expr, err)
	}
	var out []Use
	parser.Inspect(node, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		use := Use{Metric: selector.Name, Matchers: selector.LabelMatchers}
		for _, matcher := range selector.LabelMatchers {
			if matcher.Name != model.MetricNameLabel {
				use.Labels = append(use.Labels, matcher.Name)
			}
		}
		use.Labels = append(use.Labels, grouping(path)...)
		out = append(out, use)
		return nil
	})
	return out, nil
}

// grouping are the labels that the operators around a selector group or join by.
func grouping(path []parser.Node) []string {
	var out []string
	for _, node := range path {
		switch node := node.(type) {
		case *parser.AggregateExpr:
			if !node.Without {
				out = append(out, node.Grouping...)
			}
		case *parser.BinaryExpr:
			if node.VectorMatching != nil && node.VectorMatching.On {
				out = append(out, node.VectorMatching.MatchingLabels...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Base is the metric's name as its component calls it: without the suffixes of a
// histogram's series.
func Base(metric string) string {
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		if base, found := strings.CutSuffix(metric, suffix); found {
			return base
		}
	}
	return metric
}
