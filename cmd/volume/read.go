package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/truth"
	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/jaeger"
	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/otlplog"
	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/volume"
	"github.com/otelcol-journey/otelcol-journey/internal/stack/metrics"
)

const (
	// requestTimeout is for one page of traces from a slow storage.
	requestTimeout = time.Minute
	// margin is added on both sides, for clocks that are a little apart.
	margin = time.Minute
)

// Names of the metrics. The first is exact: one for each span that Jaeger has
// given to its storage.
const (
	jaegerSpans = "otelcol_exporter_sent_spans"
	jaegerBytes = "jaeger_storage_badger_write_bytes_user"
	journeyOwn  = "otelcol_processor_journey_"
	// A collector names it with its unit or without.
	uptimeSeconds, uptime = "otelcol_process_uptime_seconds", "otelcol_process_uptime"
)

// read asks every source there is.
func read(ctx context.Context, s settings) (volume.Reading, error) {
	client := &http.Client{Timeout: requestTimeout}
	defer client.CloseIdleConnections()
	r := volume.Reading{Slow: s.slow, Window: s.window}
	var err error
	if s.truth != "" {
		if r.Truth, err = truth.ReadFile(s.truth); err != nil {
			return r, err
		}
	}
	if s.allLogs != "" {
		if r.AllLogs, err = otlplog.ReadFile(s.allLogs); err != nil {
			return r, err
		}
		if r.KeptLogs, err = otlplog.ReadFile(s.keptLogs); err != nil {
			return r, err
		}
	}
	// The collector first: what arrives meanwhile then shows as more in the
	// Jaegers, not as something lost.
	if s.collector != "" {
		if r.Collector, err = readCollector(ctx, client, s.collector); err != nil {
			return r, err
		}
	}
	kept, err := readStore(ctx, client, s, s.kept, s.keptMetrics, r.Truth)
	if err != nil {
		return r, err
	}
	r.Kept = *kept
	if s.all != "" {
		r.All, err = readStore(ctx, client, s, s.all, s.allMetrics, r.Truth)
	}
	return r, err
}

func readStore(ctx context.Context, client *http.Client, s settings, url, metricsURL string, t *truth.Truth) (*volume.Store, error) {
	store := &volume.Store{URL: url}
	if metricsURL != "" {
		snapshot, err := metrics.Fetch(ctx, client, metricsURL)
		if err != nil {
			return nil, err
		}
		// A Jaeger that has stored nothing yet does not show the counter.
		spans, _ := snapshot.Counter(jaegerSpans, metrics.Labels{"exporter": "jaeger_storage_exporter"})
		store.Spans = volume.Known(int64(spans))
		if bytes, found := snapshot.Sum(jaegerBytes, nil); found {
			store.Bytes = volume.Known(int64(bytes))
		}
	}
	api := &jaeger.Client{URL: url, HTTP: client, PageSize: s.page}
	var err error
	store.Traces, store.Limits, err = api.Traces(ctx, readWindow(s, t, time.Now()))
	if err != nil {
		return nil, err
	}
	return store, readMustKeep(ctx, api, store.Traces, t)
}

// readWindow is the time traces are read from. A truth tells when it began,
// which saves asking for hours in which nothing was.
func readWindow(s settings, t *truth.Truth, now time.Time) jaeger.Window {
	w := jaeger.Window{From: now.Add(-s.lookback), To: now.Add(margin)}
	if t != nil {
		if began := t.Started.Add(-margin); began.After(w.From) {
			w.From = began
		}
	}
	return w
}

// readMustKeep asks by id for the journeys that have to be kept and were not
// among those found by time, so that a limit there cannot hide or fake a loss.
func readMustKeep(ctx context.Context, api *jaeger.Client, traces map[string]volume.Trace, t *truth.Truth) error {
	if t == nil {
		return nil
	}
	for _, e := range t.Entries {
		if _, known := traces[e.TraceID]; known || !e.MustKeep {
			continue
		}
		found, err := api.Trace(ctx, e.TraceID)
		if errors.Is(err, jaeger.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		traces[e.TraceID] = found
	}
	return nil
}

func readCollector(ctx context.Context, client *http.Client, url string) (*volume.Collector, error) {
	s, err := metrics.Fetch(ctx, client, url)
	if err != nil {
		return nil, err
	}
	if _, found := s.Counter(journeyOwn+"spans_received", nil); !found {
		return nil, fmt.Errorf("read metrics of %s: no %sspans_received: is the journey processor in a traces pipeline, and has it received anything?",
			url, journeyOwn)
	}
	seconds, found := s.Counter(uptimeSeconds, nil)
	if !found {
		seconds, _ = s.Counter(uptime, nil)
	}
	return &volume.Collector{
		Spans:        flow(s, "spans"),
		SpanBytes:    bytesPair(s, "span_bytes"),
		LogRecords:   flow(s, "log_records"),
		LogBytes:     bytesPair(s, "log_bytes"),
		Journeys:     byJourney(s, journeyOwn+"journeys"),
		JourneySpans: byJourney(s, journeyOwn+"journey_spans"),
		Uptime:       time.Duration(seconds * float64(time.Second)),
	}, nil
}

// flow reads the counts of the law. Without the first there is no flow, such
// as that of log records without a logs pipeline; of the others, one that never
// moved is absent and so 0.
func flow(s metrics.Snapshot, what string) volume.Flow {
	received, found := s.Counter(journeyOwn+what+"_received", nil)
	if !found {
		return volume.Flow{}
	}
	count := func(name string) int64 {
		n, _ := s.Counter(journeyOwn+what+name, nil)
		return int64(n)
	}
	// What was decided to be dropped and is held in case an error comes late
	// is pending by the processor's account; by ours it is dropped.
	held := count("_recallable")
	return volume.Flow{
		Received: volume.Known(int64(received)), Kept: volume.Known(count("_kept")),
		Dropped: volume.Known(count("_dropped") + held), Pending: volume.Known(count("_pending") - held),
		Lost: volume.Known(count("_lost")),
	}
}

func bytesPair(s metrics.Snapshot, what string) volume.Pair {
	received, found := s.Counter(journeyOwn+what+"_received", nil)
	kept, _ := s.Counter(journeyOwn+what+"_kept", nil)
	return volume.Pair{Received: int64(received), Stored: int64(kept), Known: found}
}

// byJourney reads a counter with the labels journey and decision.
func byJourney(s metrics.Snapshot, name string) map[string]volume.Pair {
	received := s.CounterBy(name, "journey", nil)
	kept := s.CounterBy(name, "journey", metrics.Labels{"decision": "kept"})
	pairs := map[string]volume.Pair{}
	for journey, n := range received {
		pairs[journey] = volume.Pair{Received: int64(n), Stored: int64(kept[journey]), Known: true}
	}
	return pairs
}
