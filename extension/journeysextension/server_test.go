package journeysextension

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

func TestEveryAnswerHasStrictHeaders(t *testing.T) {
	h := full(t)
	for _, path := range []string{"/", "/api/v1/overview", "/api/v1/openapi.yaml", "/api/v1/journey?name=nobody", "/nothing"} {
		header := h.request(http.MethodGet, path).Header()
		policy := header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'", path)
		require.NotContains(t, policy, "unsafe", path)
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), path)
		require.Equal(t, "same-origin", header.Get("Cross-Origin-Resource-Policy"), path)
		require.NotEmpty(t, header.Get("Content-Type"), path)
		require.Empty(t, header.Get("Access-Control-Allow-Origin"), path)
	}
	require.Equal(t, "text/html; charset=utf-8", h.request(http.MethodGet, "/").Header().Get("Content-Type"))
	require.Equal(t, http.StatusNotFound, h.request(http.MethodGet, "/nothing").Code)
}

func TestNothingCanBeChanged(t *testing.T) {
	h := full(t)
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"} {
		w := h.request(method, "/api/v1/overview")
		require.Equal(t, http.StatusMethodNotAllowed, w.Code, method)
		require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
	}
	w := h.request(http.MethodHead, "/api/v1/overview")
	require.Equal(t, http.StatusOK, w.Code)
	require.Empty(t, w.Body.Bytes())
	require.NotEmpty(t, w.Header().Get("Content-Length"))
}

func TestOnlyWhomItIsForMayAsk(t *testing.T) {
	ask := func(h *harness, host string, header ...string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/overview", http.NoBody)
		r.Host = host
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, r)
		return w.Code
	}
	local := newHarness(t, nil)
	for host, code := range map[string]int{
		"localhost:8686": 200, "localhost": 200, "127.0.0.1:9": 200, "[::1]:8686": 200, "LOCALHOST:1": 200,
		"rebound.example": 421, "localhost.rebound.example:8686": 421, "": 421,
	} {
		require.Equal(t, code, ask(local, host), "on loopback, for %q", host)
	}
	open := newHarness(t, func(c *Config) { c.NetAddr.Endpoint = "0.0.0.0:8686" })
	require.Equal(t, 200, ask(open, "collector.example:8686"))
	named := newHarness(t, func(c *Config) {
		c.NetAddr.Endpoint, c.Hosts = "0.0.0.0:8686", []string{"journeys.example", "[::1]"}
	})
	require.Equal(t, 200, ask(named, "Journeys.example"))
	require.Equal(t, 200, ask(named, "[::1]:8686"))
	require.Equal(t, 421, ask(named, "localhost"))

	for site, code := range map[string]int{"cross-site": 403, "same-site": 403, "same-origin": 200, "none": 200} {
		require.Equal(t, code, ask(local, "localhost", "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "cors"), site)
		require.Equal(t, 200, ask(local, "localhost", "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "navigate"), site)
	}
	shared := newHarness(t, func(c *Config) {
		c.CORS = configoptional.Some(confighttp.CORSConfig{AllowedOrigins: []string{"https://portal.example"}})
	})
	require.Equal(t, 200, ask(shared, "localhost", "Sec-Fetch-Site", "cross-site"), "CORS decides")
}

func TestWhoHasTheAnswerGetsNoneAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := full(t)
		first := h.request(http.MethodGet, "/api/v1/journey?name=checkout")
		etag := first.Header().Get("ETag")
		require.NotEmpty(t, etag)
		zipped := h.request(http.MethodGet, "/api/v1/journey?name=checkout", "Accept-Encoding", "br, gzip;q=0.5")
		require.Equal(t, "gzip", zipped.Header().Get("Content-Encoding"))
		reader, err := gzip.NewReader(zipped.Body)
		require.NoError(t, err)
		text, err := io.ReadAll(reader)
		require.NoError(t, err)
		require.Equal(t, first.Body.Bytes(), text)
		require.NotEqual(t, etag, zipped.Header().Get("ETag"), "other bytes")
		require.Empty(t, h.request(http.MethodGet, "/api/v1/journey?name=checkout", "Accept-Encoding", "gzip;q=0").Header().Get("Content-Encoding"))

		for _, known := range []string{etag, zipped.Header().Get("ETag"), "W/" + etag, `"other", ` + etag, "*"} {
			w := h.request(http.MethodGet, "/api/v1/journey?name=checkout", "If-None-Match", known, "Accept-Encoding", "gzip")
			require.Equal(t, http.StatusNotModified, w.Code, known)
			require.Empty(t, w.Body.Bytes())
			require.NotEmpty(t, w.Header().Get("ETag"))
		}
		require.Equal(t, http.StatusOK, h.request(http.MethodGet, "/api/v1/journey?name=checkout", "If-None-Match", `"other"`).Code)
		time.Sleep(h.config.Interval)
		require.Equal(t, http.StatusOK, h.request(http.MethodGet, "/api/v1/journey?name=checkout", "If-None-Match", etag).Code, "there is news")
	})
}

func TestHostileNamesAreOnlyText(t *testing.T) {
	for _, name := range []string{
		`<script>alert("x")</script>`, `"><img src=x onerror=alert(1)>`, "\u202egnp.js", "🛒🧨", "a\x00\x1b[2Jb\r\nSet-Cookie: x",
		strings.Repeat("long ", 2<<10), "\xff\xfe", "../../etc/passwd", "'; DROP TABLE journeys; --", "{{constructor}}", " ", "",
	} {
		h := newHarness(t, nil)
		h.addReport(h.report(name, 1), time.Now())
		h.Attach("journey", newOracle(name))
		var table api.Table
		h.get("/api/v1/journeys", &table)
		require.Len(t, table.Rows, 1)
		shown := table.Rows[0].Name
		limits := h.Limits()
		fit, _ := limits.Name(name)
		require.Equal(t, fit, shown)
		for _, path := range []string{"/api/v1/journeys", "/api/v1/journey?name=" + escape(shown), tracePath(1), tracePath(2), "/api/v1/live"} {
			w := h.request(http.MethodGet, path)
			require.Equal(t, http.StatusOK, w.Code, w.Body.String())
			require.NotContains(t, w.Body.String(), "<", "even if somebody takes it for HTML")
			require.NotContains(t, w.Body.String(), "\u202e")
			require.True(t, json.Valid(w.Body.Bytes()))
			require.Less(t, w.Body.Len(), 40<<10)
			for key, values := range w.Header() {
				require.NotContains(t, key+fmt.Sprint(values), "Set-Cookie")
			}
		}
	}
}

func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

func TestAKeptTraceHasALinkAndADroppedOneHasNone(t *testing.T) {
	h := full(t)
	var kept, dropped api.Lookup
	h.get(tracePath(1), &kept)
	h.get(tracePath(2), &dropped)
	require.Equal(t, "kept", kept.Status)
	require.Equal(t, "http://localhost:16686/trace/"+traceID(1).String(), kept.Link)
	require.Equal(t, "journey", kept.Processor)
	require.Equal(t, "dropped", dropped.Status)
	require.Empty(t, dropped.Link)
	require.Equal(t, 404, h.request(http.MethodGet, tracePath(9)).Code)
	require.Equal(t, 404, h.request(http.MethodGet, "/api/v1/traces/"+pcommon.TraceID{}.String()).Code)
	require.Equal(t, 400, h.request(http.MethodGet, "/api/v1/traces/xyz").Code)

	// Of several processors the one that decided last is right.
	later := newOracle("again")
	d := later.decisions[traceID(1)]
	d.Kept, d.At = false, time.Now().Add(time.Minute)
	later.decisions[traceID(1)] = d
	detach := h.Attach("journey/2", later)
	h.get(tracePath(1), &kept)
	require.Equal(t, "dropped", kept.Status)
	require.Equal(t, "journey/2", kept.Processor)
	detach()
	h.get(tracePath(1), &kept)
	require.Equal(t, "journey", kept.Processor)
}

// An answer is made once an interval, however many ask and whatever arrives
// meanwhile; and a report never waits for those who ask.
func TestManyWhoAskDoNotDisturbThePipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, func(c *Config) { c.Limits.Requests = 10_000 })
		var wg sync.WaitGroup
		wg.Go(h.addReports)
		const seconds, perSecond = 4, 10_000
		var answered atomic.Int64
		paths := []string{"/api/v1/overview", "/api/v1/journeys", "/api/v1/journey?name=checkout", "/api/v1/live", "/api/v1/journeys?window=24h"}
		for range seconds {
			require.True(t, h.Report(h.report("checkout", 1)))
			synctest.Wait()
			for worker := range 100 {
				wg.Go(func() {
					for i := range perSecond / 100 {
						if h.request(http.MethodGet, paths[(worker+i)%len(paths)]).Code == http.StatusOK {
							answered.Add(1)
						}
					}
				})
			}
			require.True(t, h.Report(h.report("checkout", 1)), "while they ask")
			time.Sleep(time.Second)
		}
		close(h.stopping)
		wg.Wait()
		require.Equal(t, int64(seconds*perSecond), answered.Load())
		made := h.value(t, "otelcol_extension_journeys_snapshots")
		require.LessOrEqual(t, made, int64(len(paths)*(seconds/int(h.config.Interval.Seconds())+1)))
		require.Positive(t, made)
		require.Zero(t, h.value(t, "otelcol_extension_journeys_reports_deferred"))
		require.Equal(t, int64(2*seconds), h.value(t, "otelcol_extension_journeys_reports"))
	})
}

func TestMoreAtOnceThanTheLimitAreSentAway(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Limits.Requests = 2 })
	h.Attach("journey", newOracle("one"))
	h.attached.mu.Lock() // whoever looks a trace up waits
	var wg sync.WaitGroup
	codes := make(chan int, 10)
	for range 10 {
		wg.Go(func() { codes <- h.request(http.MethodGet, tracePath(1)).Code })
	}
	for range 8 {
		require.Equal(t, http.StatusServiceUnavailable, <-codes)
	}
	h.attached.mu.Unlock()
	wg.Wait()
	require.Equal(t, 200, <-codes)
	require.Equal(t, 200, <-codes)
	require.Equal(t, int64(8), h.value(t, "otelcol_extension_journeys_limit_reached"))
}

func TestAReportThatFindsNoRoomStaysWithItsShard(t *testing.T) {
	h := newHarness(t, nil) // nobody adds
	for range queuedReports {
		require.True(t, h.Report(simple("one", 1)))
	}
	require.False(t, h.Report(simple("one", 1)))
	require.Equal(t, int64(1), h.value(t, "otelcol_extension_journeys_reports_deferred"))
}

func TestLimitsThatAreReachedAreSaid(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Limits.Journeys, c.Limits.NameLength = 2, 20 })
	for i := range 5 {
		h.addReport(h.report(fmt.Sprint(i, strings.Repeat("x", 50*(i%2))), 1), time.Now())
	}
	var o api.Overview
	h.get("/api/v1/overview", &o)
	reached := map[string]int64{}
	for _, l := range o.Limits {
		reached[l.Name] = l.Reached
	}
	require.Equal(t, int64(3), reached["journeys"])
	require.Positive(t, reached["name_length"])
	require.Positive(t, h.value(t, "otelcol_extension_journeys_limit_reached"))
	require.Positive(t, h.value(t, "otelcol_extension_journeys_memory"))
	require.Equal(t, int64(3), h.value(t, "otelcol_extension_journeys_names"))
	require.Equal(t, journey.OtherJourneys, func() string {
		var table api.Table
		h.get("/api/v1/journeys", &table)
		return table.Rows[0].Name
	}())
}
