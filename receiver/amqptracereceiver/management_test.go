package amqptracereceiver

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
	"github.com/otelcol-journey/otelcol-journey/internal/stack/stacktest"
	"github.com/otelcol-journey/otelcol-journey/receiver/amqptracereceiver/internal/metadata"
)

// api is the management API as far as it is asked.
type api struct {
	*httptest.Server
	mu       sync.Mutex // guards what follows
	requests []string
	puts     []map[string]any
	status   int // of every answer, unless 0
}

func newAPI(t *testing.T, vhost string) *api {
	t.Helper()
	a := &api{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.requests = append(a.requests, r.Method+" "+r.URL.EscapedPath())
		user, password, _ := r.BasicAuth()
		switch {
		case user != "monitor" || password != "secret":
			w.WriteHeader(http.StatusUnauthorized)
		case a.status != 0:
			w.WriteHeader(a.status)
		case r.Method == http.MethodPut:
			var change map[string]any
			_ = json.NewDecoder(r.Body).Decode(&change)
			a.puts = append(a.puts, change)
			w.WriteHeader(http.StatusNoContent)
		case strings.HasPrefix(r.URL.Path, "/api/vhosts/"):
			_, _ = w.Write([]byte(vhost))
		case strings.HasSuffix(r.URL.Path, "unknown"):
			w.WriteHeader(http.StatusNotFound)
		default:
			_, _ = w.Write([]byte(`{"user_provided_name": "mailer", "client_properties": {"product": "Spring"}}`))
		}
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *api) asked() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.requests...)
}

func (a *api) answer(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status = status
}

// asking is a management client under test.
type asking struct {
	*management
	tel  *componenttest.Telemetry
	logs *observer.ObservedLogs
}

func ask(t *testing.T, change func(*ManagementConfig), endpoints ...string) asking {
	t.Helper()
	cfg := defaultManagement()
	cfg.Endpoints, cfg.Username, cfg.Password = endpoints, "monitor", "secret"
	if change != nil {
		change(&cfg)
	}
	tel := componenttest.NewTelemetry()
	builder, err := metadata.NewTelemetryBuilder(tel.NewTelemetrySettings())
	require.NoError(t, err)
	core, logs := observer.New(zap.DebugLevel)
	m := newManagement(cfg, "shop/eu", zap.New(core), builder)
	var wg sync.WaitGroup
	require.NoError(t, m.start(t.Context(), &wg)) // t's context ends before its cleanups
	t.Cleanup(wg.Wait)
	return asking{m, tel, logs}
}

func (a asking) metric(name string) int64 {
	m, err := a.tel.GetMetric("otelcol_receiver_amqp_trace_" + name)
	if err != nil {
		return 0
	}
	return sumOf(m)
}

const someConnection = "127.0.0.1:37306 -> 127.0.0.1:5672"

func TestConnectionIsAskedForOnce(t *testing.T) {
	server := newAPI(t, "")
	a := ask(t, nil, server.URL)
	assert.Zero(t, a.of(someConnection), "nobody waits")
	eventually(t, "the name", func() bool { return a.of(someConnection) == clientName{"mailer", "Spring"} })
	assert.Zero(t, a.of("unknown"))
	assert.Zero(t, a.of("unknown"))
	assert.Zero(t, a.of(""))
	eventually(t, "both remembered", func() bool { return a.metric("connection_names") == 2 })
	assert.Equal(t, []string{"GET /api/connections/127.0.0.1:37306%20-%3E%20127.0.0.1:5672", "GET /api/connections/unknown"}, server.asked())
	assert.Zero(t, a.metric("management_failures"), "to know nothing is no failure")
}

func TestNamesAreBounded(t *testing.T) {
	server := newAPI(t, "")
	server.Close()
	a := ask(t, func(c *ManagementConfig) { c.MaxConnectionNames = 100 }, server.URL)
	for range 50_000 {
		a.of(unique("connection"))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	assert.LessOrEqual(t, a.names.len(), 100)
}

func TestFailingAPIIsMentionedOnceAndCounted(t *testing.T) {
	server := newAPI(t, "")
	server.answer(http.StatusInternalServerError)
	a := ask(t, nil, server.URL)
	for i := range 5 {
		a.of(string(rune('a' + i)))
	}
	eventually(t, "five failures", func() bool { return a.metric("management_failures") == 5 })
	assert.Equal(t, 1, a.logs.FilterMessageSnippet("management API").Len())
	for _, entry := range a.logs.All() {
		assert.NotContains(t, must(jsonLine(entry))(t), "secret")
	}
	server.answer(0)
	a.of("f")
	eventually(t, "the name", func() bool { return a.of("f").name == "mailer" })
}

func TestNamesComeFromTheFirstNodeThatAnswers(t *testing.T) {
	down, up := newAPI(t, ""), newAPI(t, "")
	down.Close()
	a := ask(t, nil, down.URL, up.URL+"/")
	a.of(someConnection)
	eventually(t, "the name", func() bool { return a.of(someConnection).name == "mailer" })
}

func TestTracingIsSwitchedOnWhereItIsOff(t *testing.T) {
	off := newAPI(t, `{"tracing": false, "description": "the shop", "tags": ["a", "b"]}`)
	on, down := newAPI(t, `{"tracing": true}`), newAPI(t, "")
	down.Close()
	a := ask(t, func(c *ManagementConfig) { c.EnableTracing = true }, off.URL, down.URL, on.URL)
	a.connected()
	eventually(t, "the failure of one", func() bool { return a.metric("management_failures") == 1 })
	assert.Equal(t, []string{"GET /api/vhosts/shop%2Feu", "PUT /api/vhosts/shop%2Feu"}, off.asked())
	assert.Equal(t, []map[string]any{{"tracing": true, "description": "the shop", "tags": "a,b"}}, off.puts)
	assert.Equal(t, []string{"GET /api/vhosts/shop%2Feu"}, on.asked())

	silent := ask(t, nil, off.URL)
	silent.connected()
	assert.Empty(t, silent.connect, "not unless asked")
}

// administrator asks a real broker's API.
type administrator struct {
	t      *testing.T
	broker *stack.Broker
}

// ask wants success, or for a GET what is not there yet: found says which.
func (a administrator) ask(method, path, body string, answer any) (found bool) {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), method, a.broker.ManagementURL+"/api/"+path, strings.NewReader(body))
	require.NoError(a.t, err)
	request.SetBasicAuth("guest", "guest")
	response, err := http.DefaultClient.Do(request)
	require.NoError(a.t, err)
	defer response.Body.Close()
	if method == http.MethodGet && response.StatusCode == http.StatusNotFound {
		return false
	}
	require.Equal(a.t, 2, response.StatusCode/100, "%s %s: %s", method, path, response.Status)
	if answer != nil {
		require.NoError(a.t, json.NewDecoder(response.Body).Decode(answer))
	}
	return true
}

func (a administrator) put(path, body string) {
	a.t.Helper()
	a.ask(http.MethodPut, path, body, nil)
}

// known waits for the API, which does not know a new connection at once.
func (a administrator) known(conn *amqp.Connection) {
	a.t.Helper()
	name := url.PathEscape(conn.LocalAddr().String() + " -> " + conn.RemoteAddr().String())
	eventually(a.t, "the API knows the connection", func() bool { return a.ask(http.MethodGet, "connections/"+name, "", nil) })
}

// closeThat closes the connection of the client with that name.
func (a administrator) closeThat(client string) {
	a.t.Helper()
	name := ""
	eventually(a.t, "the API knows "+client, func() bool {
		var connections []struct {
			Name   string `json:"name"`
			Client string `json:"user_provided_name"`
		}
		a.ask(http.MethodGet, "connections", "", &connections)
		for _, c := range connections {
			if c.Client == client {
				name = c.Name
			}
		}
		return name != ""
	})
	a.ask(http.MethodDelete, "connections/"+url.PathEscape(name), "", nil)
}

// requireTraced wants tracing to be on and nothing else to have changed.
func (a administrator) requireTraced() {
	a.t.Helper()
	var vhost struct {
		Description string   `json:"description"`
		Tags        []string `json:"tags"`
		Tracing     bool     `json:"tracing"`
	}
	a.ask(http.MethodGet, "vhosts/%2F", "", &vhost)
	assert.True(a.t, vhost.Tracing)
	assert.Equal(a.t, "the shop", vhost.Description)
	assert.ElementsMatch(a.t, []string{"shop", "eu"}, vhost.Tags)
}

const untracedVHost = `{"description": "the shop", "tags": "shop,eu", "tracing": false}`

// With a real broker: tracing comes on by itself, with each connect, and clients have their names.
func TestManagementOfARealBroker(t *testing.T) {
	b := stacktest.BrokerForTest(t, "rabbitmq_management")
	if !b.Owned() || b.ManagementURL == "" {
		t.Skip("needs a broker with the management plugin")
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	admin := administrator{t, b}
	admin.put("users/monitor", `{"password": "secret", "tags": "administrator"}`)
	admin.put("permissions/%2F/monitor", `{"configure": ".*", "write": ".*", "read": ".*"}`)
	admin.put("users/names", `{"password": "secret", "tags": "monitoring"}`)
	admin.put("vhosts/%2F", untracedVHost)
	cfg := configFor(t, b.URL)
	set := defaultFirehose()
	api := defaultManagement()
	api.Endpoints, api.Username, api.Password, api.EnableTracing = []string{b.ManagementURL}, "monitor", "secret", true
	set.Management = some(api)
	cfg.Firehose = some(set)
	spans := &collected{}
	r := startReceiver(t, cfg, spans)
	r.reading(1)
	conn, err := amqp.DialConfig(b.URL, amqp.Config{Properties: amqp.Table{"connection_name": "checkout", "product": "shop"}})
	require.NoError(t, err)
	defer conn.Close()
	eventually(t, "tracing to be on", func() bool { return r.logs.FilterMessage("switched tracing on").Len() == 1 })

	admin.requireTraced()

	admin.put("vhosts/%2F", untracedVHost)
	admin.known(conn) // or the receiver would ask too early, and again after ten seconds
	admin.closeThat(cfg.Connection.Name)
	eventually(t, "tracing to be on again", func() bool { return r.logs.FilterMessage("switched tracing on").Len() == 2 })
	admin.requireTraced()

	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Confirm(false))
	app := &application{Channel: ch, t: t}
	queue := app.queue(unique("q"), "", "")
	var span keptSpan
	eventually(t, "a publish span with the client's name", func() bool {
		p := newParent()
		app.publish("", queue, p.message())
		eventually(t, "the span", func() bool { return len(spans.of(p.trace, "")) == 1 })
		span = spans.of(p.trace, "")[0]
		return span.text("amqp.client.name") == "checkout" && span.text("amqp.client.product") == "shop"
	})
	assert.Zero(t, r.metric("management_failures"))

	// The tag monitoring is enough for names, without any right on the vhost, and for no more.
	admin.put("vhosts/%2F", untracedVHost)
	least := ask(t, func(c *ManagementConfig) { c.Username, c.EnableTracing = "names", true }, b.ManagementURL)
	least.of(span.text("amqp.connection"))
	eventually(t, "the name", func() bool { return least.of(span.text("amqp.connection")).name == "checkout" })
	least.vhost = "/"
	least.connected()
	eventually(t, "a refusal", func() bool { return least.metric("management_failures") == 1 })
}

// The documents that name this setting keep their word.
func TestManagementIsOffByDefault(t *testing.T) {
	assert.Nil(t, createDefaultConfig().(*Config).management())
	text, err := os.ReadFile(filepath.Join("testdata", "full.yaml"))
	require.NoError(t, err)
	cfg, err := load(t, string(text))
	require.NoError(t, err)
	require.NotNil(t, cfg.management())
	assert.Equal(t, "monitor", cfg.management().Username)
}
