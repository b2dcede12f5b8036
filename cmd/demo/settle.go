package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
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

// settle waits until all journeys are decided and stored and nothing moves any
// more. It is not an error if that takes too long: the comparison will say what
// is still open.
func settle(ctx context.Context, t *terminal, s *settings) error {
	var last state
	return t.step(ctx, "wait until every journey is decided and stored", func() string { return last.String() },
		func(ctx context.Context) error {
			ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, errSettle)
			defer cancel()
			calmSince := time.Now()
			ticker := time.NewTicker(settleEvery)
			defer ticker.Stop()
			for {
				now, err := readState(ctx, s)
				if err == nil {
					if now != last || !now.settled() {
						last, calmSince = now, time.Now()
					}
					if time.Since(calmSince) >= settleCalm {
						return nil
					}
				}
				select {
				case <-ticker.C:
				case <-ctx.Done():
					if context.Cause(ctx) == errSettle {
						t.line("    not all is at rest after %s: %s", settleTimeout, last)
						return nil
					}
					return ctx.Err()
				}
			}
		})
}

var errSettle = fmt.Errorf("not at rest after %s", settleTimeout)

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
	now := state{
		received: own("spans_received"), pending: own("spans_pending"),
		logsPending: own("log_records_pending"), kept: own("spans_kept"),
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
	}
}

// commandLine is how a person would type it.
func commandLine(program string, args []string) string {
	return strings.Join(append([]string{program}, args...), " ")
}
