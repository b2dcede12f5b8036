package journeysextension

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.yaml.in/yaml/v3"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/metadata"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// load reads a configuration as the Collector does.
func load(text string) (*Config, error) {
	var raw map[string]any
	if err := yaml.Unmarshal([]byte(text), &raw); err != nil {
		return nil, err
	}
	config := createDefaultConfig().(*Config)
	if err := confmap.NewFromStringMap(raw).Unmarshal(config); err != nil {
		return nil, err
	}
	return config, confmap.Validate(config)
}

func TestTheDefaultsAreValidAndOnLoopback(t *testing.T) {
	config, err := load("")
	require.NoError(t, err)
	require.Equal(t, []string{"localhost", "127.0.0.1", "::1", "localhost"}, config.hosts())
	require.NotZero(t, config.ReadTimeout)
	require.NotZero(t, config.WriteTimeout)
}

func TestMistakesAreNamed(t *testing.T) {
	for text, says := range map[string][]string{
		`endpoint: ""`:                      {"endpoint must be set"},
		`interval: 1ms`:                     {"interval", "1ms"},
		`interval: 2h`:                      {"interval", "2h0m0s"},
		`trace_link: "http://jaeger/trace"`: {"trace_link", "{trace_id}", "http://jaeger/trace"},
		`trace_link: "javascript:alert('{trace_id}')"`:     {"trace_link", "http"},
		`trace_link: "//jaeger/{trace_id}"`:                {"trace_link", "http"},
		`trace_link: "http://me:secret@jaeger/{trace_id}"`: {"trace_link", "password"},
		`hosts: ["http://a"]`:                              {"hosts[0]", "http://a"},
		`prices: {per_gb: -1}`:                             {"prices", "per_gb", "-1"},
		`prices: {per_million_spans: .nan}`:                {"prices", "per_million_spans"},
		`limits: {journeys: 0}`:                            {"limits", "journeys", "0"},
		`limits: {services: 1}`:                            {"limits", "services", "1"},
		`limits: {edges: 0}`:                               {"limits", "edges"},
		`limits: {paths: -1}`:                              {"limits", "paths", "-1"},
		`limits: {name_length: 1}`:                         {"limits", "name_length", "1"},
		`limits: {mapped_spans: -1}`:                       {"limits", "mapped_spans", "-1"},
		`limits: {memory_mib: 1}`:                          {"limits", "memory_mib", "1"},
		`limits: {requests: 0}`:                            {"limits", "requests", "0"},
		`limits: {requests_per_second: 9}`:                 {"limits", "requests_per_second", "9"},
		`limit: {requests: 1}`:                             {"limit"},
		"interval: 1ms\nhosts: [\"\"]\nlimits: {edges: 0}": {"interval", "hosts[0]", "edges"},
	} {
		_, err := load(text)
		require.Error(t, err, text)
		for _, part := range says {
			require.ErrorContains(t, err, part, text)
		}
		require.NotContains(t, err.Error(), "secret")
	}
}

// host has extensions.
type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

// gate is an authenticator that knows one password.
type gate struct {
	component.StartFunc
	component.ShutdownFunc
}

func (gate) Authenticate(ctx context.Context, sources map[string][]string) (context.Context, error) {
	if got := sources["Authorization"]; len(got) != 1 || got[0] != "open sesame" {
		return ctx, errors.New("who are you")
	}
	return ctx, nil
}

// serve starts an extension on a free port and returns its address.
func serve(t *testing.T, text string, extensions host) (*journeysExtension, string) {
	t.Helper()
	config, err := load(text)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	config.NetAddr.Endpoint = l.Addr().String()
	require.NoError(t, l.Close())
	settings := extensiontest.NewNopSettings(metadata.Type)
	x, err := newExtension(settings, config, time.Now)
	require.NoError(t, err)
	require.NoError(t, x.Start(t.Context(), extensions))
	t.Cleanup(func() { require.NoError(t, x.Shutdown(context.Background())) })
	return x, "http://" + config.NetAddr.Endpoint
}

func ask(t *testing.T, url, authorization string) (code int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Authorization", authorization)
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := (&http.Client{Transport: transport}).Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(text)
}

func TestItServesFromStartToShutdown(t *testing.T) {
	x, address := serve(t, "", host{})
	code, body := ask(t, address+"/api/v1/overview", "")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, `"count":0`)
	require.True(t, x.Report(simple("one", 1)))
	require.Eventually(t, func() bool { _, names := x.history.size(); return names == 1 }, 10*time.Second, time.Millisecond)

	second, err := newExtension(extensiontest.NewNopSettings(metadata.Type), x.config, time.Now)
	require.NoError(t, err)
	require.ErrorContains(t, second.Start(t.Context(), host{}), "address already in use")
	require.NoError(t, second.Shutdown(t.Context()), "after a start that failed")

	require.NoError(t, x.Shutdown(t.Context()))
	require.NoError(t, x.Shutdown(t.Context()), "twice")
	_, err = net.Dial("tcp", x.config.NetAddr.Endpoint) //nolint:noctx // refused at once
	require.Error(t, err)
}

func TestAuthenticationComesWithTheServer(t *testing.T) {
	_, address := serve(t, "auth: {authenticator: gate}", host{component.MustNewID("gate"): gate{}})
	for _, path := range []string{"/", "/api/v1/overview"} {
		code, _ := ask(t, address+path, "")
		require.Equal(t, http.StatusUnauthorized, code, path)
		code, _ = ask(t, address+path, "open sesame")
		require.Equal(t, http.StatusOK, code, path)
	}
}

func TestTheFactoryMakesAReporter(t *testing.T) {
	x, err := NewFactory().Create(t.Context(), extensiontest.NewNopSettings(metadata.Type), NewFactory().CreateDefaultConfig())
	require.NoError(t, err)
	require.NoError(t, componenttest.CheckConfigStruct(NewFactory().CreateDefaultConfig()))
	reporter, ok := x.(journey.Reporter)
	require.True(t, ok)
	require.Equal(t, 500, reporter.Limits().Journeys)
	require.NoError(t, x.Shutdown(t.Context()), "before start")
}
