// Package metrics reads the Prometheus text that Jaeger and the collector
// expose about themselves.
package metrics

import (
	"context"
	"fmt"
	"io"
	"net/http"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Snapshot is one reading of an endpoint. Its zero value has no metric.
type Snapshot struct {
	families map[string]*dto.MetricFamily
}

// Fetch reads the endpoint once.
func Fetch(ctx context.Context, client *http.Client, url string) (Snapshot, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Snapshot{}, fmt.Errorf("read metrics: %w", err)
	}
	res, err := client.Do(req)
	if err != nil {
		return Snapshot{}, fmt.Errorf("read metrics: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return Snapshot{}, fmt.Errorf("read metrics of %s: %s", url, res.Status)
	}
	snapshot, err := Parse(res.Body)
	if err != nil {
		return Snapshot{}, fmt.Errorf("read metrics of %s: %w", url, err)
	}
	return snapshot, nil
}

// Parse reads the text format.
func Parse(r io.Reader) (Snapshot, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(r)
	if err != nil {
		return Snapshot{}, err
	}
	return Snapshot{families}, nil
}

// Labels are those a sample must have, with these values.
type Labels map[string]string

// Sum adds up all samples of a counter or gauge that have the labels, and says
// whether there was one. A counter that was never incremented is often absent.
func (s Snapshot) Sum(name string, labels Labels) (float64, bool) {
	sum, found := 0.0, false
	s.each(name, labels, func(_ Labels, value float64) {
		sum += value
		found = true
	})
	return sum, found
}

// Counter is Sum for a counter named without its suffix: a collector adds
// "_total" or leaves it out, by the reader's without_type_suffix.
func (s Snapshot) Counter(name string, labels Labels) (float64, bool) {
	if sum, found := s.Sum(name+"_total", labels); found {
		return sum, true
	}
	return s.Sum(name, labels)
}

// CounterBy is SumBy for a counter named without its suffix.
func (s Snapshot) CounterBy(name, by string, labels Labels) map[string]float64 {
	if sums := s.SumBy(name+"_total", by, labels); len(sums) > 0 {
		return sums
	}
	return s.SumBy(name, by, labels)
}

// SumBy adds up the samples that have the labels by the value of one more label.
func (s Snapshot) SumBy(name, by string, labels Labels) map[string]float64 {
	sums := map[string]float64{}
	s.each(name, labels, func(own Labels, value float64) { sums[own[by]] += value })
	return sums
}

func (s Snapshot) each(name string, want Labels, visit func(own Labels, value float64)) {
	for _, sample := range s.families[name].GetMetric() {
		own := Labels{}
		for _, pair := range sample.GetLabel() {
			own[pair.GetName()] = pair.GetValue()
		}
		if own.have(want) {
			visit(own, value(sample))
		}
	}
}

func (l Labels) have(want Labels) bool {
	for name, value := range want {
		if l[name] != value {
			return false
		}
	}
	return true
}

func value(sample *dto.Metric) float64 {
	switch {
	case sample.GetCounter() != nil:
		return sample.GetCounter().GetValue()
	case sample.GetGauge() != nil:
		return sample.GetGauge().GetValue()
	default:
		return sample.GetUntyped().GetValue()
	}
}
