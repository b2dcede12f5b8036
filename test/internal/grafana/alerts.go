package grafana

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
)

// Alerts reads the alert rules of a file, with the checks of `promtool check rules`.
func Alerts(file string) ([]rulefmt.Rule, error) {
	groups, faults := rulefmt.ParseFile(file, false, model.UTF8Validation, promQL, slog.New(slog.DiscardHandler))
	if len(faults) > 0 {
		return nil, fmt.Errorf("read rules: %w", errors.Join(faults...))
	}
	var out []rulefmt.Rule
	for _, group := range groups.Groups {
		out = append(out, group.Rules...)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no rule in %s", file)
	}
	return out, nil
}
