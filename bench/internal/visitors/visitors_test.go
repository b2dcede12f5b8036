package visitors_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/visitors"
)

// visit visits the handler until enough was asked for, and returns on how many
// connections that was.
func visit(t *testing.T, enough int64, settings visitors.Settings, answer http.HandlerFunc) (o visitors.Outcome, connections int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var asked, opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, r)
		if asked.Add(1) == enough {
			cancel()
		}
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	settings.Address = server.Listener.Addr().String()
	o = visitors.Visit(ctx, settings)
	require.GreaterOrEqual(t, asked.Load(), enough)
	return o, opened.Load()
}

func total(o visitors.Outcome) (answers int) {
	for _, n := range o.Statuses {
		answers += n
	}
	return answers
}

func TestEveryRequestIsMadeOnceAndCounted(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	settings := visitors.Settings{PerSecond: 5_000, Connections: 20, Path: func(n int, _ time.Duration) string { return fmt.Sprint("/", n) }}
	o, connections := visit(t, 300, settings, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.URL.Path]++
		mu.Unlock()
		if strings.HasSuffix(r.URL.Path, "0") {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(strings.Repeat("x", 10_000)))
	})
	for path, times := range seen {
		assert.Equal(t, 1, times, path)
	}
	assert.LessOrEqual(t, connections, int64(20), "connections stay open")
	assert.InDelta(t, len(seen), total(o), 20, "but for those on their way in the end")
	assert.Positive(t, o.Statuses[http.StatusServiceUnavailable])
	assert.Zero(t, o.Failed)
	assert.Positive(t, o.P50)
	assert.LessOrEqual(t, o.P50, o.P99)
	assert.LessOrEqual(t, o.P99, o.Longest)
}

// A server that stalls is asked less often, and that is seen.
func TestRequestsThatCouldNotBeMadeAreCounted(t *testing.T) {
	const stalls = 300 * time.Millisecond
	first := true
	settings := visitors.Settings{PerSecond: 1_000, Connections: 1, Path: func(int, time.Duration) string { return "/" }}
	o, _ := visit(t, 200, settings, func(http.ResponseWriter, *http.Request) {
		if first {
			<-time.After(stalls)
			first = false
		}
	})
	assert.GreaterOrEqual(t, o.Unasked, 290, "all that were due in the stall, but the last")
	assert.InDelta(t, o.Took.Seconds()*1_000, o.Unasked+total(o), 100)
	assert.GreaterOrEqual(t, o.Longest, stalls)
	assert.Less(t, o.P50, stalls, "it counts from the request")
}

func TestNobodyThereIsAFailure(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	o := visitors.Visit(ctx, visitors.Settings{
		Address: listener.Addr().String(), PerSecond: 1_000, Connections: 2, Path: func(int, time.Duration) string { return "/" },
	})
	assert.Positive(t, o.Failed)
	assert.Zero(t, total(o))
}
