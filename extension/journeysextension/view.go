package journeysextension

import (
	"math"
	"time"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// view makes answers from history, whose lock is held meanwhile.
type view struct {
	*history
	config *Config
	now    time.Time
	which  int // of the windows
	window *window
	from   time.Time
	to     time.Time
}

// look calls answer with a view of a window.
func (h *history) look(config *Config, which int, now time.Time, answer func(*view)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sweep(now)
	v := &view{history: h, config: config, now: now, which: which, window: &h.windows[which]}
	v.window.forget(now)
	v.from, v.to = v.window.covers(h.started, now)
	answer(v)
}

// seconds is what rates are over; never 0.
func (v *view) seconds() float64 { return max(v.to.Sub(v.from).Seconds(), 1) }

func (v *view) head() api.Head {
	return api.Head{
		GeneratedAt: v.now.UTC(), IntervalSeconds: v.config.Interval.Seconds(),
		Window: api.Window{Name: v.window.name, From: v.from.UTC(), To: v.to.UTC(), Seconds: v.seconds()},
	}
}

func (v *view) step() int64 { return place(v.now, v.window.step()) }

func (v *view) trendStart() time.Time {
	return time.Unix(0, (v.step()-stepsPerWindow+1)*int64(v.window.step())).UTC()
}

func journeysOf(c *journey.Counts) int64 { return c.Journeys() }

func (v *view) trend(t *trend) api.Trend {
	at := v.step()
	return api.Trend{
		Start: v.trendStart(), StepSeconds: v.window.step().Seconds(),
		Journeys:      t.values(at, journeysOf),
		Errors:        t.values(at, func(c *journey.Counts) int64 { return c.Errors }),
		Incomplete:    t.values(at, func(c *journey.Counts) int64 { return c.Incomplete }),
		Kept:          t.values(at, func(c *journey.Counts) int64 { return c.Kept }),
		SpansReceived: t.values(at, func(c *journey.Counts) int64 { return c.SpansReceived }),
		SpansStored:   t.values(at, func(c *journey.Counts) int64 { return c.SpansStored }),
		BytesReceived: t.values(at, func(c *journey.Counts) int64 { return c.BytesReceived }),
		BytesStored:   t.values(at, func(c *journey.Counts) int64 { return c.BytesStored }),
	}
}

// journeys puts counts into an answer. A journey that a late error brought back
// is taken from where it was counted before, which may lie in an older window.
func (v *view) journeys(c *journey.Counts) api.Journeys {
	n := max(c.Journeys(), 0)
	j := api.Journeys{
		Count: n, PerMinute: v.perMinute(n), OK: max(c.OK, 0), Errors: max(c.Errors, 0),
		Incomplete: max(c.Incomplete, 0), Kept: max(c.Kept, 0),
	}
	j.ErrorShare, j.IncompleteShare, j.KeptShare = share(j.Errors, n), share(j.Incomplete, n), share(j.Kept, n)
	return j
}

func (v *view) perMinute(n int64) float64 { return rounded(float64(n) * 60 / v.seconds()) }

func (v *view) volume(received, stored int64) api.Volume {
	return api.Volume{
		Received: received, Stored: stored, Share: share(stored, received),
		PerSecond: rounded(float64(received) / v.seconds()),
	}
}

// month is a twelfth of a year of 365.25 days, as in the processor's budget.
const month = 43_830 * time.Minute

// monthFrom is how much time has to be covered before a month is concluded from
// it: after a start, the first seconds would say anything.
const monthFrom = time.Minute

// perMonth is what a month costs if it goes on as in the time that is covered;
// nil if that is too short.
func (c *PricesConfig) perMonth(spans, bytes int64, covered time.Duration) *float64 {
	if covered < monthFrom {
		return nil
	}
	cost := c.PerGB*float64(bytes)/1e9 + c.PerMillionSpans*float64(spans)/1e6
	amount := math.Round(100*cost*month.Seconds()/covered.Seconds()) / 100
	return &amount
}

func (v *view) perMonth(spans, bytes int64) *float64 {
	return v.config.Prices.perMonth(spans, bytes, v.to.Sub(v.from))
}

func (v *view) saved(c *journey.Volume) *float64 {
	return v.perMonth(c.SpansReceived-c.SpansStored, c.BytesReceived-c.BytesStored)
}

// share is nil if there is nothing to share.
func share(part, of int64) *float64 {
	if of <= 0 {
		return nil
	}
	s := math.Round(1e6*float64(part)/float64(of)) / 1e6
	return &s
}

// rounded has three digits behind the point, which is all that anybody reads.
func rounded(x float64) float64 { return math.Round(1000*x) / 1000 }

func quantile(s *journey.Sketch, q float64) *float64 {
	d, ok := s.Quantile(q)
	if !ok {
		return nil
	}
	ms := milliseconds(d)
	return &ms
}

func milliseconds(d time.Duration) float64 { return rounded(float64(d) / float64(time.Millisecond)) }
