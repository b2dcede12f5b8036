package grafana

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// age marks metrics whose values are a time in seconds that an alert may wait for.
const age = "_seconds_since_"

// Faster writes the alert rules of one file to another in which every time is a
// by-th as long: how long a condition has to hold, windows, offsets, and what
// metrics with _seconds_since_ in their names are compared with. Nothing else of
// an expression changes.
func Faster(from, to string, by int) error {
	rules, err := Alerts(from)
	if err != nil {
		return err
	}
	for i := range rules {
		rules[i].For /= model.Duration(by)
		if rules[i].Expr, err = faster(rules[i].Expr, by); err != nil {
			return fmt.Errorf("alert %s: %w", rules[i].Alert, err)
		}
	}
	out, err := yaml.Marshal(map[string][]struct {
		Name  string
		Rules []rulefmt.Rule
	}{"groups": {{Name: "faster", Rules: rules}}})
	if err != nil {
		return fmt.Errorf("write rules: %w", err)
	}
	if err := os.WriteFile(to, out, 0o600); err != nil {
		return fmt.Errorf("write rules: %w", err)
	}
	_, err = Alerts(to)
	return err
}

func faster(expr string, by int) (string, error) {
	node, err := promQL.ParseExpr(expr)
	if err != nil {
		return "", fmt.Errorf("parse %s: %w", expr, err)
	}
	parser.Inspect(node, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.MatrixSelector:
			node.Range /= time.Duration(by)
		case *parser.VectorSelector:
			node.OriginalOffset /= time.Duration(by)
		case *parser.BinaryExpr:
			if limit, ok := node.RHS.(*parser.NumberLiteral); ok && strings.Contains(node.LHS.String(), age) {
				limit.Val /= float64(by)
			}
		}
		return nil
	})
	return node.String(), nil
}
