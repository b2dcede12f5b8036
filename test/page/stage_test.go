package page

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// jaegerURL is where links to kept traces lead.
const jaegerURL = "http://jaeger.example:16686/trace/"

// stage is a real extension that knows what the test has reported, behind a
// front that can fail or answer something else.
type stage struct {
	t         *testing.T
	url       string
	reporter  journey.Reporter
	processor *processor
	front     front
	ahead     atomic.Int64 // of the system's clock, ns: the extension's
}

// later lets time pass for the extension.
func (s *stage) later(d time.Duration) { s.ahead.Add(int64(d)) }

// setUp starts the extension.
func setUp(t *testing.T) *stage {
	t.Helper()
	port, err := stack.FreePort()
	require.NoError(t, err)
	s := &stage{t: t, processor: &processor{}}
	factory := journeysextension.NewFactoryAt(func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) })
	config := factory.CreateDefaultConfig().(*journeysextension.Config)
	config.NetAddr.Endpoint = "127.0.0.1:" + strconv.Itoa(port)
	config.Interval = 100 * time.Millisecond
	config.TraceLink = jaegerURL + "{trace_id}"
	extension, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), config)
	require.NoError(t, err)
	require.NoError(t, extension.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, extension.Shutdown(context.WithoutCancel(t.Context()))) })

	s.reporter = extension.(journey.Reporter)
	s.front.toExtension(config.NetAddr.Endpoint)
	server := httptest.NewServer(&s.front)
	t.Cleanup(server.Close)
	t.Cleanup(s.front.proxy.Transport.(*http.Transport).CloseIdleConnections)
	s.url = server.URL + "/"
	return s
}

// attach makes a processor known.
func (s *stage) attach() *stage {
	s.t.Cleanup(s.reporter.Attach("journey", s.processor))
	return s
}

// report hands in what a processor would, and returns when it is counted.
func (s *stage) report(fill func(*journey.Aggregate)) *stage {
	s.t.Helper()
	before := s.count()
	aggregate := journey.NewAggregate(s.reporter.Limits(), nil)
	fill(aggregate)
	added := int64(0)
	for _, tally := range aggregate.Tallies {
		added += tally.Journeys()
	}
	require.True(s.t, s.reporter.Report(aggregate))
	deadline := time.Now().Add(10 * time.Second)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for s.count() < before+added {
		require.True(s.t, time.Now().Before(deadline), "the report is not counted")
		<-ticker.C
	}
	return s
}

func (s *stage) count() int64 {
	s.t.Helper()
	return int64(s.api("overview")["journeys"].(map[string]any)["count"].(float64))
}

// api is what the extension answers.
func (s *stage) api(path string) map[string]any {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+"api/v1/"+path, http.NoBody)
	require.NoError(s.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	var answer map[string]any
	require.NoError(s.t, json.Unmarshal(body, &answer), string(body))
	return answer
}

// front stands between page and extension. Everything is the extension's unless
// a test wants it otherwise.
type front struct {
	proxy *httputil.ReverseProxy

	mu      sync.Mutex
	down    bool
	refusal string            // of everybody, if it is not empty
	instead map[string]string // answers by what their path ends with
}

func (f *front) toExtension(endpoint string) {
	to := &url.URL{Scheme: "http", Host: endpoint}
	f.proxy = &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: &http.Transport{},
	}
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	down, refusal, instead := f.down, f.refusal, ""
	for end, body := range f.instead {
		if strings.HasSuffix(r.URL.Path, end) {
			instead = body
		}
	}
	f.mu.Unlock()
	switch {
	case down && strings.HasPrefix(r.URL.Path, "/api/"):
		panic(http.ErrAbortHandler) // as if nobody were there
	case refusal != "" && strings.HasPrefix(r.URL.Path, "/api/"):
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(refusal))
	case instead != "":
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(instead))
	default:
		f.proxy.ServeHTTP(w, r)
	}
}

// goAway makes the API unreachable, or reachable again.
func (f *front) goAway(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = away
}

// refuse refuses to answer, with what the API says of it.
func (f *front) refuse(body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusal = body
}

// answer answers something else than the extension would.
func (f *front) answer(pathEnd string, body any) {
	text, _ := json.Marshal(body) // of what was JSON before
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.instead == nil {
		f.instead = map[string]string{}
	}
	f.instead[pathEnd] = string(text)
}

// processor has the state and the decisions that the test gives it.
type processor struct {
	mu        sync.Mutex
	state     journey.State
	decisions map[pcommon.TraceID]journey.Decision
	shadow    *journey.Shadow // nil: none is set
	standings map[pcommon.TraceID]journey.Standing
}

// Standing implements journey.Asked.
func (p *processor) Standing(_ context.Context, id pcommon.TraceID) (journey.Standing, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.standings[id], nil
}

// Memory implements journey.Asked.
func (p *processor) Memory() journey.Memory {
	return journey.Memory{Ledger: 10_000, Kept: 250_000, Dropped: 2_000_000}
}

func (p *processor) Ledger() journey.Ledger { return p }

func (p *processor) State(time.Time) journey.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Shadow implements journey.Shadower.
func (p *processor) Shadow() (journey.Shadow, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shadow == nil {
		return journey.Shadow{}, false
	}
	return *p.shadow, true
}

// Lookup implements journey.Ledger.
func (p *processor) Lookup(id pcommon.TraceID) (journey.Decision, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, ok := p.decisions[id]
	return d, ok
}

// Recent implements journey.Ledger.
func (p *processor) Recent(int) []journey.Decision { return nil }
