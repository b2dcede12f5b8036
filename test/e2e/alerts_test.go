package e2e

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
	"github.com/otelcol-journey/otelcol-journey/test/internal/grafana"
)

const (
	// alertsFaster is by how much every time of the rules is shorter here:
	// five minutes are three seconds. Nothing else of an expression changes.
	alertsFaster = 100
	// alertScrape is often enough that three seconds have a rate, and leaves a
	// busy machine time to answer. Rules are looked at twice as often.
	alertScrape = time.Second
	// healthyFor is longer than any alert waits (a hundredth of 15 minutes).
	healthyFor = 10.0
	healthy    = "healthy"
)

// patient is a collector with something wrong. Each is an instance to Prometheus.
type patient struct {
	name     string
	overlay  string
	unheard  bool // nobody answers at its broker's address
	untraced bool // the firehose of its virtual host is off
	away     bool // nobody answers at its backend's address
	journey  func() *trace
	must     []string // alerts that have to fire
	may      []string // what follows from the same, sooner or later
}

var patients = []patient{
	{
		name: healthy, overlay: "deploy/grafana/collector.yaml",
		journey: func() *trace { return orderHistory(randomness56()) },
	},
	{
		// Retries are as much faster as the rules; a stop gives up soon what nobody takes.
		name: "backend away, memory full", away: true, journey: heavyFailure,
		overlay: `
processors:
  journey:
    buffer: {memory: 16MiB, trace: 1MiB}
    release: {retry: {initial_interval: 50ms, max_interval: 300ms}, shutdown_timeout: 100ms}`,
		must: []string{"DownstreamRefusing", "MemoryLimit", "SendersRefused"},
		may:  []string{"NothingStored", "ReceiverBehind", "MessagesUnusable"},
	},
	{
		name: "failures beyond the budget, no broker", unheard: true, journey: failedOrderHistory,
		overlay: `{processors: {journey: {sampling: {budget: {spans_per_second: 20}}}}}`,
		must:    []string{"BudgetExceeded", "BrokerUnreachable"},
		may:     []string{"ReceiverReconnecting"},
	},
	{
		name: "tracing off at the broker", untraced: true, journey: failedOrderHistory,
		overlay: "{}",
		must:    []string{"ReceiverSilent"},
	},
}

// heavyFailure has to be kept and is large, however it is compressed.
func heavyFailure() *trace {
	t := failedOrderHistory()
	noise := make([]byte, 32<<10)
	_, _ = rand.Read(noise) // never fails
	t.last().attributes = map[string]string{"noise": fmt.Sprintf("%x", noise)}
	return t
}

// Real collectors with real faults, a real Prometheus with the published rules.
func TestAlertsFireForFaultsAndNotForAHealthyCollector(t *testing.T) {
	t.Parallel()
	vhost := world.broker.vhost(t)
	if world.broker.isForeign() {
		t.Skip("a broker of AMQP_URL keeps its firehose")
	}
	_, backend := startSink(t)
	targets := map[string]string{}
	for _, patient := range patients {
		p := patient.start(t, vhost, backend)
		targets[patient.name] = strings.TrimSuffix(strings.TrimPrefix(p.metricsURL(), "http://"), "/metrics")
		p.startTrafficOf(t, patient.journey)
	}
	startMessages(t, vhost)
	w := watch{startPrometheus(t, targets)}
	eventually(t, "every fault has its alerts, and the healthy collector had the time for all", func() error {
		return errors.Join(w.lacking(), w.healthyLongEnough())
	})
	// A Prometheus hears of its targets five seconds after its start, which are
	// eight minutes here. That alert names no instance.
	starting := patient{may: []string{"NoCollector"}}
	for _, patient := range append(patients, starting) {
		fired := slices.Sorted(maps.Keys(w.fired(t)[patient.name]))
		t.Logf("%s: %v", patient.name, fired)
		for _, alert := range fired {
			require.Contains(t, slices.Concat(patient.must, patient.may), alert, patient.name)
		}
	}
	absent, err := w.query(`ALERTS{alertname="NoCollector"}`)
	require.NoError(t, err)
	require.Empty(t, absent)
	w.requireTexts(t)
}

func (c *patient) start(t *testing.T, vhost, backend string) *parts {
	t.Helper()
	name := strings.ReplaceAll(strings.ReplaceAll(c.name, ",", ""), " ", "-")
	p := &parts{dir: filepath.Join(directory(t), name), brokerURL: vhost, configs: []string{published()}}
	require.NoError(t, os.MkdirAll(p.dir, 0o755))
	if c.untraced {
		p.brokerURL = world.broker.vhostNamed(t, t.Name()+"."+name, false)
	}
	if c.away {
		backend = address(world.ports.take(t))
	}
	p.chooseAddresses(t, backend)
	if c.unheard {
		p.env["AMQP_ENDPOINT"] = "amqp://" + address(world.ports.take(t))
	}
	overlay := filepath.Join(world.root, c.overlay)
	if strings.Contains(c.overlay, "{") {
		overlay = filepath.Join(p.dir, "overlay.yaml")
		require.NoError(t, os.WriteFile(overlay, []byte(c.overlay), 0o600))
	}
	p.configs = append(p.configs, overlay)
	p.launchCollector(t)
	return p
}

// startMessages publishes and consumes until the test ends.
func startMessages(t *testing.T, vhost string) {
	t.Helper()
	ch := channel(t, vhost)
	declareShop(t, ch)
	consumers := []<-chan amqp.Delivery{}
	for _, queue := range []string{"stock-queue", "mailer-queue"} {
		deliveries, err := ch.Consume(queue, "", true, false, false, false, nil)
		require.NoError(t, err)
		consumers = append(consumers, deliveries)
	}
	ended := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				order := checkout()
				headers := contextOf(order, order.spans[3])
				_ = ch.PublishWithContext(background(), "shop", "checkout.processed", false, false, amqp.Publishing{Headers: headers}) // the alerts say if none arrives
			case <-consumers[0]:
			case <-consumers[1]:
			case <-stopped:
				return
			}
		}
	}()
	t.Cleanup(func() { close(stopped); <-ended })
}

// startPrometheus starts one with the published configuration and rules, which
// scrapes the targets. Its intervals, and the times of the rules, are shorter.
func startPrometheus(t *testing.T, targets map[string]string) *stack.Prometheus {
	t.Helper()
	dir, from := directory(t), filepath.Join(world.root, "deploy", "grafana", "prometheus")
	rules := filepath.Join(dir, "alerts.yaml")
	require.NoError(t, grafana.Faster(filepath.Join(from, "alerts.yaml"), rules, alertsFaster))
	text, err := os.ReadFile(filepath.Join(from, "prometheus.yaml"))
	require.NoError(t, err)
	var config map[string]any
	require.NoError(t, yaml.Unmarshal(text, &config))
	config["global"] = map[string]any{"scrape_interval": alertScrape.String(), "evaluation_interval": (alertScrape / 2).String()}
	config["rule_files"] = []string{rules}
	var statics []any
	for name, address := range targets {
		statics = append(statics, map[string]any{"targets": []string{address}, "labels": map[string]string{"instance": name}})
	}
	config["scrape_configs"].([]any)[0].(map[string]any)["static_configs"] = statics
	text, err = yaml.Marshal(config)
	require.NoError(t, err)
	path := filepath.Join(dir, "prometheus.yaml")
	require.NoError(t, os.WriteFile(path, text, 0o600))

	ctx, cancel := withTimeout(startTimeout)
	defer cancel()
	p, err := stack.StartPrometheus(ctx, stack.PrometheusSpec{Config: path, Dir: filepath.Join(dir, "prometheus"), Port: world.ports.take(t), Log: os.Stderr})
	if errors.Is(err, stack.ErrNoPrometheus) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Kill()) })
	return p
}

// watch asks a Prometheus.
type watch struct{ prometheus *stack.Prometheus }

// ask puts what an API of Prometheus answers into data.
func (w watch) ask(path string, data any) error {
	res, err := get(w.prometheus.URL + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer := struct{ Data any }{data}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return err
	}
	return want("status", http.StatusOK, res.StatusCode)
}

// query returns the labels of the series that an expression has.
func (w watch) query(expr string) (series []map[string]string, err error) {
	var data struct {
		Result []struct{ Metric map[string]string }
	}
	err = w.ask("/api/v1/query?query="+url.QueryEscape(expr), &data)
	for _, result := range data.Result {
		series = append(series, result.Metric)
	}
	return series, err
}

// firing are the alerts that have fired at any time, by their instance.
func (w watch) firing() (map[string]map[string]bool, error) {
	series, err := w.query(`max_over_time(ALERTS{alertstate="firing"}[1h])`)
	fired := map[string]map[string]bool{}
	for _, labels := range series {
		if fired[labels["instance"]] == nil {
			fired[labels["instance"]] = map[string]bool{}
		}
		fired[labels["instance"]][labels["alertname"]] = true
	}
	return fired, err
}

func (w watch) fired(t *testing.T) map[string]map[string]bool {
	t.Helper()
	fired, err := w.firing()
	require.NoError(t, err)
	return fired
}

// lacking names the alerts that have not fired yet and have to.
func (w watch) lacking() error {
	fired, err := w.firing()
	for _, patient := range patients {
		for _, alert := range patient.must {
			if !fired[patient.name][alert] {
				err = errors.Join(err, fmt.Errorf("%s: no %s", patient.name, alert))
			}
		}
	}
	return err
}

func (w watch) healthyLongEnough() error {
	series, err := w.query(fmt.Sprintf(`otelcol_process_uptime{instance=%q} > %g`, healthy, healthyFor))
	return errors.Join(err, want("healthy collectors", 1, len(series)))
}

// requireTexts wants every firing alert to say what to do, about whom.
func (w watch) requireTexts(t *testing.T) {
	t.Helper()
	var data struct {
		Alerts []struct{ Labels, Annotations map[string]string }
	}
	require.NoError(t, w.ask("/api/v1/alerts", &data))
	require.NotEmpty(t, data.Alerts)
	for _, alert := range data.Alerts {
		for name, text := range alert.Annotations {
			require.NotEmpty(t, text, "%v: %s", alert.Labels, name)
			require.NotContains(t, text, "<", "%v: %s", alert.Labels, name) // <no value>, <error expanding template: …>
		}
		require.Contains(t, alert.Annotations["description"], alert.Labels["instance"])
	}
}
