package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/otelcol-journey/otelcol-journey/internal/stack/metrics"
)

const (
	settleEvery = 500 * time.Millisecond
	// settleCalm is how long nothing may change: three times the second after
	// which files and Badger's byte count are up to date.
	settleCalm = 3 * time.Second
	// settleTimeout is beyond the longest wait of a demo's journey: a missing
	// step (8 s) after a retry's delays, and the quiet time.
	settleTimeout = 90 * time.Second
)

// state is what has to come to rest.
type state struct {
	received, pending, logsPending float64 // collector
	kept                           float64
	storedAll, storedKept          float64 // Jaegers
}

func (s state) settled() bool {
	return s.pending == 0 && s.logsPending == 0 && s.received == s.storedAll && s.kept == s.storedKept
}

func (s state) String() string {
	return fmt.Sprintf("%.0f spans wait for their decision; all: %.0f of %.0f stored; kept: %.0f of %.0f stored",
		s.pending, s.storedAll, s.received, s.storedKept, s.kept)
}

var errSettle = errors.New("not at rest in time")

// settle waits until all journeys are decided and stored and nothing moves any
// more. It is not an error if that takes too long: the comparison will say what
// is still open.
func settle(ctx context.Context, t *terminal, s *settings) error {
	c := calm{read: func(ctx context.Context) (state, error) { return readState(ctx, s) }}
	return t.step(ctx, "wait until every journey is decided and stored", c.progress, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, errSettle)
		defer cancel()
		err := c.await(ctx)
		if errors.Is(err, errSettle) {
			t.line("    not all is at rest after %s: %s", settleTimeout, c.progress())
			return nil
		}
		return err
	})
}

// calm waits for a state that is settled and has been the same for settleCalm.
type calm struct {
	read func(ctx context.Context) (state, error)

	mu    sync.Mutex // guards what follows: progress is asked for from elsewhere
	last  state
	since time.Time
}

func (c *calm) progress() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.String()
}

// await returns nil once there is calm, or the cause of the context's end. An
// endpoint that does not answer now is asked again.
func (c *calm) await(ctx context.Context) error {
	c.since = time.Now()
	ticker := time.NewTicker(settleEvery)
	defer ticker.Stop()
	for {
		if now, err := c.read(ctx); err == nil && c.lasts(now) {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// lasts notes a state and says whether there has been calm for long enough.
func (c *calm) lasts(now state) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now != c.last || !now.settled() {
		c.last, c.since = now, time.Now()
	}
	return time.Since(c.since) >= settleCalm
}

func readState(ctx context.Context, s *settings) (state, error) {
	client := &http.Client{Timeout: settleEvery * 4, Transport: &http.Transport{DisableKeepAlives: true}}
	collector, err := metrics.Fetch(ctx, client, s.url("METRICS_PORT", "metrics"))
	if err != nil {
		return state{}, err
	}
	own := func(name string) float64 {
		n, _ := collector.Counter("otelcol_processor_journey_"+name, nil)
		return n
	}
	// What is held for recall has been decided, and stays for as long as there is room.
	now := state{
		received: own("spans_received"), pending: own("spans_pending") - own("spans_recallable"),
		logsPending: own("log_records_pending") - own("log_records_recallable"), kept: own("spans_kept"),
	}
	if now.storedAll, err = stored(ctx, client, s.url("DEMO_JAEGER_ALL_METRICS_PORT", "metrics")); err != nil {
		return state{}, err
	}
	now.storedKept, err = stored(ctx, client, s.url("DEMO_JAEGER_METRICS_PORT", "metrics"))
	return now, err
}

func stored(ctx context.Context, client *http.Client, url string) (float64, error) {
	snapshot, err := metrics.Fetch(ctx, client, url)
	if err != nil {
		return 0, err
	}
	n, _ := snapshot.Counter("otelcol_exporter_sent_spans", metrics.Labels{"exporter": "jaeger_storage_exporter"})
	return n, nil
}

// volumeArguments are those of bin/volume for a run in dir.
func volumeArguments(s *settings, dir string) []string {
	return []string{
		"-kept", s.url("DEMO_JAEGER_PORT"), "-kept-metrics", s.url("DEMO_JAEGER_METRICS_PORT", "metrics"),
		"-all", s.url("DEMO_JAEGER_ALL_PORT"), "-all-metrics", s.url("DEMO_JAEGER_ALL_METRICS_PORT", "metrics"),
		"-collector", s.url("METRICS_PORT", "metrics"),
		"-truth", dir + "/" + truthFile,
		"-kept-logs", dir + "/" + keptLogsFile, "-all-logs", dir + "/" + allLogsFile,
		"-html", dir + "/" + reportFile,
	}
}

// commandLine is how a person would type it.
func commandLine(program string, args []string) string {
	return strings.Join(append([]string{program}, args...), " ")
}
