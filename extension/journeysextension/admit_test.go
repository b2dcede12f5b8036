package journeysextension

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// admitted is a harness whose handler is that of the server, behind an
// authentication that counts whom it is asked about.
func admitted(t *testing.T, perSecond int) (h *harness, authenticated *atomic.Int64) {
	t.Helper()
	h = newHarness(t, func(c *Config) { c.Limits.RequestsPerSecond = perSecond })
	authenticated = &atomic.Int64{}
	inner := h.handler
	h.handler = h.admit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authenticated.Add(1)
		inner.ServeHTTP(w, r)
	}))
	return h, authenticated
}

// Connections that ask again at once take a bounded part of the machine: each
// is refused at most once a second, and a refusal comes before authentication.
func TestWhoeverAsksTooOftenIsSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond, connections, seconds = 100, 20, 5
		h, authenticated := admitted(t, perSecond)
		var wg sync.WaitGroup
		var answered, refused atomic.Int64
		begun := time.Now()
		for range connections {
			wg.Go(func() {
				for time.Since(begun) < seconds*time.Second {
					switch w := h.request(http.MethodGet, "/api/v1/live"); w.Code {
					case http.StatusOK:
						answered.Add(1)
					case http.StatusTooManyRequests:
						refused.Add(1)
						if w.Header().Get("Retry-After") != "1" || w.Header().Get("Content-Security-Policy") == "" {
							t.Errorf("headers of a refusal: %v", w.Header())
						}
					default:
						t.Errorf("status %d: %s", w.Code, w.Body)
					}
				}
			})
		}
		wg.Wait()
		require.LessOrEqual(t, answered.Load(), int64(perSecond*(seconds+1)), "a second's worth at once, and then that a second")
		require.GreaterOrEqual(t, answered.Load(), int64(perSecond*seconds))
		require.Positive(t, refused.Load())
		require.LessOrEqual(t, refused.Load(), int64(connections*(seconds+1)))
		require.Equal(t, answered.Load(), authenticated.Load())
		require.Equal(t, refused.Load(), h.value(t, "otelcol_extension_journeys_limit_reached"))
	})
}

// Refusals that wait do so in bounded memory, and keep nobody who leaves.
func TestOnlySoManyRefusalsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := admitted(t, 10)
		for range 10 {
			require.Equal(t, http.StatusOK, h.request(http.MethodGet, "/api/v1/live").Code)
		}
		ctx, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		begun := time.Now()
		for range heldRefusals {
			wg.Go(func() {
				h.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/live", http.NoBody))
			})
		}
		synctest.Wait()
		require.Equal(t, http.StatusTooManyRequests, h.request(http.MethodGet, "/api/v1/live").Code)
		require.Zero(t, time.Since(begun), "one more is refused at once")
		leave()
		wg.Wait()
		require.Zero(t, time.Since(begun))
		wg.Go(func() { h.request(http.MethodGet, "/api/v1/live") })
		synctest.Wait()
		close(h.stopping)
		wg.Wait()
		require.Zero(t, time.Since(begun), "nor is anybody kept by a stop")
	})
}
