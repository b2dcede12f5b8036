package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/process"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/report"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sender"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/sink"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/verdict"
	"github.com/otelcol-journey/otelcol-journey/internal/stack/metrics"
)

const (
	// sampleEvery is how often a soak looks; a short one looks soakSamples times.
	sampleEvery = 10 * time.Second
	soakSamples = 60
	// risesUntil is the part of a soak in which traces live longer and longer.
	// What follows until its half is for the collector to settle.
	risesUntil = 0.4
	// unsettledFor is how many seconds' worth of spans the collector's counts
	// may be apart while they flow: they are read one after the other.
	unsettledFor = 1.0
	// emptyWithin is how long after the last span everything must be decided:
	// the longest wait of configs/soak.yaml and some.
	emptyWithin = 90 * time.Second
)

var errSoak = errors.New("the soak did not pass")

// runSoak keeps one system at a constant load.
func (c *campaign) runSoak(ctx context.Context) error {
	system := c.systems[0]
	if c.rate == 0 {
		sustainable, err := c.sustainable(ctx, system)
		if err != nil {
			return fmt.Errorf("find what %s can take: %w", system, err)
		}
		c.rate = int(sustainable / 2)
		c.say("%s can take %.0f spans/s; it gets %d for %s", system, sustainable, c.rate, c.soak)
	}
	r, err := c.soakOne(ctx, system)
	if err != nil {
		return fmt.Errorf("soak %s: %w", system, err)
	}
	lines := []any{r}
	for i := range r.Samples {
		lines = append(lines, r.Samples[i])
	}
	if err := write(c, lines, func(p *report.Printer) { report.Soaked(p, r) }); err != nil {
		return err
	}
	if faults := r.Faults(); len(faults) > 0 {
		return fmt.Errorf("%w: %w", errSoak, errors.Join(faults...))
	}
	return nil
}

func (c *campaign) soakOne(ctx context.Context, system string) (r *report.Soak, err error) {
	ctx, cancel := bounded(ctx, c.soak)
	defer cancel()
	backend, err := sink.Start(sink.Settings{MustKeep: c.load.MustKeep, Laps: true, EverySpan: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, backend.Stop()) }()
	target, err := c.start(ctx, system, backend.Address(), nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, target.close(ctx)) }()
	r = &report.Soak{
		System: system, Begun: time.Now(), Rate: c.rate, Lasts: c.soak,
		Every: min(sampleEvery, c.soak/soakSamples), Unsettled: unsettledFor * float64(c.rate),
	}
	sending := c.send(ctx, target, sender.Settings{
		AtPace: true, Speed: float64(c.rate) / float64(c.settings.load.SpansPerSecond), Laps: c.laps, For: c.soak,
		EntryLag: func(elapsed time.Duration) time.Duration {
			return time.Duration(min(1, elapsed.Seconds()/(risesUntil*c.soak.Seconds())) * float64(c.lag))
		},
	})
	if r.Samples, err = c.observe(ctx, target, r); err != nil {
		return nil, err
	}
	sent, err := sending.wait(ctx, target)
	if err != nil {
		return nil, err
	}
	if r.End, err = c.empty(ctx, target, r.Begun); err != nil {
		return nil, err
	}
	r.Sent, r.Accepted, r.Refused = sent.Spans, sent.Accepted, sent.Refused
	r.Out, r.Doubled, r.PeakBytes = backend.Spans(), backend.Doubled(), target.peakBytes()
	r.Kept = verdict.KeptOf(backend.Arrivals(sent.Laps))
	return r, nil
}

// observe samples until the soak's time is over.
func (c *campaign) observe(ctx context.Context, target *collector, r *report.Soak) ([]report.Sample, error) {
	ticker := time.NewTicker(r.Every)
	defer ticker.Stop()
	var samples []report.Sample
	for time.Since(r.Begun) < r.Lasts {
		select {
		case <-ticker.C:
		case <-target.Exited():
			return nil, fmt.Errorf("the collector ended during the run, see %s", target.Spec().LogFile)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		sample, err := c.sample(ctx, target, r.Begun)
		if err != nil {
			return nil, err
		}
		samples = append(samples, sample)
		c.say("%6.0f s  RSS %5.0f MiB, heap %5.0f MiB, %6.0f live traces, %3.0f goroutines, %3.0f files; %.0f spans received, %.0f not accounted for",
			sample.Seconds, sample.RSS/(1<<20), sample.Heap/(1<<20), sample.Traces, sample.Goroutines, sample.Files, sample.Received, sample.Missing())
	}
	return samples, nil
}

// empty waits until nothing is undecided any more, and reads the counts at rest.
func (c *campaign) empty(ctx context.Context, target *collector, begun time.Time) (report.Sample, error) {
	for deadline := time.Now().Add(emptyWithin); ; {
		last, err := c.sample(ctx, target, begun)
		if err != nil || last.Undecided() == 0 || time.Now().After(deadline) {
			return last, err
		}
		if err := sleep(ctx, time.Second); err != nil {
			return last, err
		}
	}
}

// sample reads the collector's own metrics and what the kernel knows about it.
func (*campaign) sample(ctx context.Context, target *collector, begun time.Time) (s report.Sample, err error) {
	own, err := target.counters(ctx)
	if err != nil {
		return s, err
	}
	s = report.Sample{
		Seconds: time.Since(begun).Seconds(), Traces: own("traces_pending"), Early: own("early_decisions"), Counts: countsOf(own),
	}
	memory, err := process.MemoryOf(target.PID())
	if err != nil {
		return s, err
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", target.PID()))
	if err != nil {
		return s, fmt.Errorf("count open files: %w", err)
	}
	heap, err := target.liveHeap(ctx)
	if err != nil {
		return s, err
	}
	goroutines, err := target.profiled(ctx, "goroutine?debug=1", "goroutine profile: total ")
	s.RSS, s.Heap, s.Files, s.Goroutines = float64(memory.Now), heap, float64(len(files)), goroutines
	return s, err
}

// liveHeap is what a collection found alive, with stacks and globals: at the
// default GOGC the heap may grow by as much until the next one. What is
// allocated while it runs counts as alive, so it is the least of three. What is
// allocated at a later time would add some 200 MB for each second until it is
// read.
func (c *collector) liveHeap(ctx context.Context) (float64, error) {
	least := math.Inf(1)
	for range 3 {
		next, err := c.profiled(ctx, "heap?gc=1&debug=1", "# NextGC = ")
		if err != nil {
			return 0, err
		}
		least = min(least, next/2)
	}
	return least, nil
}

// counters reads the journey processor's metrics, to be asked by their names.
// One that has not counted yet is 0.
func (c *collector) counters(ctx context.Context) (func(name string) float64, error) {
	own, err := metrics.Fetch(ctx, http.DefaultClient, c.metrics())
	return func(name string) float64 {
		value, _ := own.Counter("otelcol_processor_journey_"+name, nil)
		return value
	}, err
}

func countsOf(own func(name string) float64) verdict.Counts {
	return verdict.Counts{
		Received: own("spans_received"), Kept: own("spans_kept"), Dropped: own("spans_dropped"),
		Pending: own("spans_pending"), Lost: own("spans_lost"),
		Recallable: own("spans_recallable"),
	}
}

// profiled reads the number behind a text at the beginning of a line of one of
// the collector's profiles.
func (c *collector) profiled(ctx context.Context, profile, text string) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.pprof()+"/debug/pprof/"+profile, http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("read profile %s: %w", profile, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("read profile %s: %w", profile, err)
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if number, ok := strings.CutPrefix(lines.Text(), text); ok {
			return strconv.ParseFloat(number, 64)
		}
	}
	return 0, fmt.Errorf("read profile %s: no line %q", profile, text)
}
