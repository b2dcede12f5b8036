package e2e

import (
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// client keeps no connections: what it asked may be killed and started again.
var client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// get asks once.
func get(url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(background(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	return client.Do(req)
}

// logTail is how much of the collector's log a failed test shows.
const logTail = 3000

// parts is what one test runs on. All of it ends with the test.
type parts struct {
	dir       string
	brokerURL string // with the virtual host
	jaeger    *stack.Jaeger
	collector *stack.Collector
	// jaegerSpec starts it again on the same data and ports.
	jaegerSpec stack.JaegerSpec
	configs    []string          // the collector's, the published one first
	env        map[string]string // the collector's
	keptLogs   string            // the file of the published configuration

	spans ptraceotlp.GRPCClient
	logs  plogotlp.GRPCClient
}

// start starts a Jaeger and the collector on a virtual host of its own at the
// shared broker.
func start(t *testing.T) *parts {
	t.Helper()
	return startOn(t, world.broker.vhost(t))
}

// startOn starts them on the broker with this address.
func startOn(t *testing.T, brokerURL string) *parts {
	t.Helper()
	p := newParts(t, brokerURL)
	p.startCollector(t)
	return p
}

// newParts chooses everything and starts Jaeger.
func newParts(t *testing.T, brokerURL string) *parts {
	t.Helper()
	p := &parts{dir: directory(t), brokerURL: brokerURL, configs: []string{published()}}
	p.jaegerSpec = jaegerSpec(t, filepath.Join(p.dir, "jaeger"))
	p.jaeger = startJaeger(t, p.jaegerSpec)
	p.chooseAddresses(t, p.jaeger.OTLPEndpoint)
	p.env["JAEGER_URL"] = p.jaeger.QueryURL
	return p
}

// chooseAddresses sets the collector's environment; backend is where kept spans go.
func (p *parts) chooseAddresses(t *testing.T, backend string) {
	t.Helper()
	p.keptLogs = filepath.Join(p.dir, "kept-logs.jsonl")
	p.env = map[string]string{
		"OTLP_GRPC_ENDPOINT":   address(world.ports.take(t)),
		"OTLP_HTTP_ENDPOINT":   address(world.ports.take(t)),
		"HEALTH_ENDPOINT":      address(world.ports.take(t)),
		"JOURNEYS_ENDPOINT":    address(world.ports.take(t)),
		"METRICS_HOST":         "localhost",
		"METRICS_PORT":         strconv.Itoa(world.ports.take(t)),
		"JAEGER_OTLP_ENDPOINT": backend,
		"KEPT_LOGS_FILE":       p.keptLogs,
	}
	maps.Copy(p.env, brokerAddress(t, p.brokerURL))
}

func jaegerSpec(t *testing.T, dir string) stack.JaegerSpec {
	t.Helper()
	return stack.JaegerSpec{
		Name: filepath.Base(dir), Path: program("jaeger"), Dir: dir,
		QueryPort: world.ports.take(t), OTLPPort: world.ports.take(t), MetricsPort: world.ports.take(t),
	}
}

// directory is the test's own, kept when the test has failed.
func directory(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(world.dir, strings.ReplaceAll(t.Name(), "/", "-"))
	require.NoError(t, os.MkdirAll(dir, 0o755))
	t.Cleanup(func() {
		if !t.Failed() {
			require.NoError(t, os.RemoveAll(dir))
		}
	})
	return dir
}

func startJaeger(t *testing.T, spec stack.JaegerSpec) *stack.Jaeger {
	t.Helper()
	ctx, cancel := withTimeout(partTimeout)
	defer cancel()
	j, err := stack.StartJaeger(ctx, spec)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Kill()) })
	return j
}

func (p *parts) startCollector(t *testing.T) {
	t.Helper()
	p.launchCollector(t)
	p.awaitReceiver(t)
}

// launchCollector starts a collector whose receiver may not find its broker.
func (p *parts) launchCollector(t *testing.T) {
	t.Helper()
	ctx, cancel := withTimeout(partTimeout)
	defer cancel()
	log := filepath.Join(p.dir, "collector.log")
	var err error
	p.collector, err = stack.StartCollector(ctx, stack.CollectorSpec{
		Path: program("otelcol-journey"), Configs: p.configs, Env: p.env, Dir: p.dir, LogFile: log,
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		p.stopCollector(t)
		if t.Failed() {
			tail, err := stack.LogTail(log, logTail)
			t.Logf("the end of the collector's log (%v):\n%s", err, tail)
		}
	})
	p.connect(t)
}

// stopCollector asks it to end, as an operator would, and expects exit code 0.
func (p *parts) stopCollector(t *testing.T) {
	t.Helper()
	ctx, cancel := withTimeout(stopTimeout)
	defer cancel()
	require.NoError(t, p.collector.Stop(ctx))
	require.NoError(t, p.collector.Wait(ctx), "the collector's exit code")
}

// awaitReceiver returns when amqp_trace reads from the broker: it would not see
// what is published before.
func (p *parts) awaitReceiver(t *testing.T) {
	t.Helper()
	eventually(t, "amqp_trace reads from the broker", func() error {
		return want("connected", 1, p.metrics(t).sum("otelcol_receiver_amqp_trace_connected"))
	})
}

func (p *parts) connect(t *testing.T) {
	t.Helper()
	conn, err := grpc.NewClient(p.env["OTLP_GRPC_ENDPOINT"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	p.spans, p.logs = ptraceotlp.NewGRPCClient(conn), plogotlp.NewGRPCClient(conn)
}

func (p *parts) metricsURL() string {
	return "http://" + net.JoinHostPort(p.env["METRICS_HOST"], p.env["METRICS_PORT"]) + "/metrics"
}
