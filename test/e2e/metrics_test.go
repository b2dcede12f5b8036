package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// metrics is one look at a Prometheus endpoint.
type metrics map[string]*dto.MetricFamily

// readMetrics asks once.
func readMetrics(url string) (metrics, error) {
	res, err := get(url)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s", url, res.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(res.Body)
}

func (p *parts) metrics(t *testing.T) metrics {
	t.Helper()
	m, err := readMetrics(p.metricsURL())
	require.NoError(t, err)
	return m
}

// sum adds the series of a counter or gauge that have all of the labels, given
// as name=value. A metric that nothing has been counted in is 0.
func (m metrics) sum(name string, labels ...string) int {
	total := 0.0
	for _, series := range m.family(name).GetMetric() {
		if hasLabels(series, labels) {
			total += series.GetCounter().GetValue() + series.GetGauge().GetValue()
		}
	}
	return int(total)
}

// family finds a metric with or without the suffixes of type and unit that a
// Prometheus reader adds or leaves out by its settings.
func (m metrics) family(name string) *dto.MetricFamily {
	for _, spelling := range []string{name, strings.TrimSuffix(name, "_total"), name + "_ratio"} {
		if family := m[spelling]; family != nil {
			return family
		}
	}
	return nil
}

func hasLabels(series *dto.Metric, labels []string) bool {
	found := 0
	for _, pair := range series.GetLabel() {
		for _, label := range labels {
			if name, value, _ := strings.Cut(label, "="); pair.GetName() == name && pair.GetValue() == value {
				found++
			}
		}
	}
	return found == len(labels)
}

// journeyMetric is the name of one of the journey processor's metrics.
func journeyMetric(name string) string { return "otelcol_processor_journey_" + name }

// account is what the journey processor says about one signal.
type account struct{ received, kept, dropped, pending, lost, refused int }

func (m metrics) account(signal string) account {
	// What is held for recall has been decided to be dropped.
	held := m.sum(journeyMetric(signal + "_recallable"))
	return account{
		received: m.sum(journeyMetric(signal + "_received_total")),
		kept:     m.sum(journeyMetric(signal + "_kept_total")),
		dropped:  m.sum(journeyMetric(signal+"_dropped_total")) + held,
		pending:  m.sum(journeyMetric(signal+"_pending")) - held,
		lost:     m.sum(journeyMetric(signal + "_lost_total")),
		refused:  m.sum(journeyMetric(signal + "_refused_total")),
	}
}

func (m metrics) spans() account { return m.account("spans") }

// requireLaw holds only at rest: while spans are on their way, two counters
// cannot be read at one instant.
func (a account) requireLaw(t *testing.T) {
	t.Helper()
	require.Equal(t, a.received, a.kept+a.dropped+a.pending+a.lost,
		"received = kept + dropped + pending + lost: %+v", a)
}

// settled waits until that many spans have come in and all are decided and
// handed on, and returns the account.
func (p *parts) settled(t *testing.T, received int) account {
	t.Helper()
	var a account
	eventually(t, fmt.Sprintf("all of %d spans are decided", received), func() error {
		a = p.metrics(t).spans()
		if a.received != received || a.pending != 0 {
			return fmt.Errorf("%+v", a)
		}
		return nil
	})
	a.requireLaw(t)
	return a
}

// storedByJaeger is Jaeger's own count of spans written to its storage.
func (p *parts) storedByJaeger(t *testing.T) int { t.Helper(); return storedBy(t, p.jaeger) }

func storedBy(t *testing.T, jaeger *stack.Jaeger) int {
	t.Helper()
	m, err := readMetrics(jaeger.MetricsURL)
	require.NoError(t, err)
	return m.sum("otelcol_exporter_sent_spans_total", "exporter=jaeger_storage_exporter")
}
