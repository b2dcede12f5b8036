package journeysextension

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

var begin = time.Date(2026, 1, 2, 3, 4, 7, 0, time.UTC)

// simple is a report of n journeys of a name that were all stored.
func simple(name string, n int) *journey.Aggregate {
	a := journey.NewAggregate(journey.Limits{Journeys: 1000, Services: 200, Edges: 400, Paths: 50, NameLength: 200}, nil)
	t := a.Tally(name)
	t.OK, t.SpansReceived, t.SpansStored = int64(n), int64(10*n), int64(10*n)
	for range min(n, 10) {
		t.Durations.Add(1e6)
	}
	return a
}

func (h *history) overviewAt(config *Config, which int, now time.Time) (o api.Overview) {
	h.look(config, which, now, func(v *view) { o = v.overview(nil) })
	return o
}

func (h *history) tableAt(config *Config, which int, now time.Time) (t api.Table) {
	h.look(config, which, now, func(v *view) { t = v.table() })
	return t
}

func usual() *Config { return createDefaultConfig().(*Config) }

// A journey every five seconds for more than a day: each window has those of its time,
// and of up to a tenth more, as it says; so has the trend, to the step.
func TestAWindowHasWhatCameInItsTime(t *testing.T) {
	config := usual()
	h := newHistory(config.Limits.forProcessors(), 64<<20, begin)
	seconds := 0
	const apart = 5
	for ; seconds < 27*3600; seconds += apart {
		h.add(simple("steady", 1), begin.Add(time.Duration(seconds)*time.Second))
		if seconds%4985 != 0 {
			continue
		}
		now := begin.Add(time.Duration(seconds) * time.Second)
		for which, spec := range windowSpecs {
			o := h.overviewAt(config, which, now)
			covered := min(time.Duration(seconds+apart)*time.Second, now.Add(apart*time.Second).Sub(o.Window.From))
			require.InDelta(t, covered.Seconds()/apart, o.Journeys.Count, 1, "%s after %d s", spec.name, seconds)
			require.LessOrEqual(t, now.Sub(o.Window.From), spec.length*11/10)
			if seconds > int(spec.length.Seconds()) {
				require.GreaterOrEqual(t, now.Sub(o.Window.From), spec.length)
				require.InDelta(t, 60/apart, o.Journeys.PerMinute, 0.3)
				require.Len(t, o.Trend.Journeys, stepsPerWindow)
				for _, n := range o.Trend.Journeys[1 : stepsPerWindow-1] {
					require.Equal(t, int64(spec.step().Seconds())/apart, n)
				}
			}
		}
	}
	now := begin.Add(time.Duration(seconds) * time.Second)
	full, _ := h.size()
	require.Less(t, full, int64(1<<20), "one journey takes little")

	// Silence: the windows run empty one after the other, and what was known
	// of the journey goes in the end.
	for which, spec := range windowSpecs {
		now = now.Add(spec.length + spec.pane())
		require.Zero(t, h.overviewAt(config, which, now).Journeys.Count, spec.name)
		require.Empty(t, h.tableAt(config, which, now).Rows)
	}
	h.overviewAt(config, 0, now.Add(4*time.Hour))
	left, names := h.size()
	require.Equal(t, reserved, left, "nothing is left")
	require.Zero(t, names)
}

func TestRowsAddUpToTheKeyFigures(t *testing.T) {
	config := usual()
	h := newHistory(config.Limits.forProcessors(), 64<<20, begin)
	for i := range 50 {
		a := journey.NewAggregate(h.limits, nil)
		fill(a, fmt.Sprint("journey ", i%7))
		a.Unattributed = journey.Volume{SpansReceived: 1, BytesReceived: 100}
		h.add(a, begin.Add(time.Duration(i)*time.Second))
	}
	now := begin.Add(100 * time.Second)
	o, table := h.overviewAt(config, 0, now), h.tableAt(config, 0, now)
	var sum api.Row
	saved := 0.0
	for _, r := range table.Rows {
		sum.Count += r.Count
		sum.Kept += r.Kept
		sum.Spans.Received += r.Spans.Received
		sum.Spans.Stored += r.Spans.Stored
		sum.Bytes.Received += r.Bytes.Received
		saved += *r.SavedPerMonth
		require.Equal(t, r.Count, total(r.Trend))
		require.InEpsilon(t, 20, *r.P50MS, journey.SketchError)
		require.InEpsilon(t, 900, *r.P99MS, journey.SketchError)
	}
	require.Len(t, table.Rows, 7)
	require.Equal(t, int64(150), o.Journeys.Count)
	require.Equal(t, o.Journeys.Count, sum.Count)
	require.Equal(t, o.Journeys.Kept, sum.Kept)
	require.Equal(t, o.Spans.Received, sum.Spans.Received+50, "and late spans of journeys that are forgotten")
	require.Equal(t, o.Spans.Stored, sum.Spans.Stored)
	require.Equal(t, o.Bytes.Received, sum.Bytes.Received+5000)
	require.Equal(t, total(o.Trend.SpansReceived), o.Spans.Received)
	require.Equal(t, api.Failed{Existing: 100, Kept: 50, Share: o.Failed.Share}, o.Failed)
	// 50 of 150 journeys' 5 kB were dropped in 100 s, with what is forgotten.
	month := 43830. * 60
	require.InEpsilon(t, 0.3*255_000/1e9*month/100, *o.Money.SavedPerMonth, 0.01)
	require.InDelta(t, *o.Money.ReceivedPerMonth-*o.Money.StoredPerMonth, *o.Money.SavedPerMonth, 0.011)
	require.InDelta(t, saved+0.3*5000/1e9*month/100, *o.Money.SavedPerMonth, 0.05, "each is rounded")
}

// After a start a month would follow from seconds.
func TestAMonthIsConcludedFromAMinuteAtLeast(t *testing.T) {
	config := usual()
	h := newHistory(config.Limits.forProcessors(), 64<<20, begin)
	a := journey.NewAggregate(h.limits, nil)
	fill(a, "checkout")
	h.add(a, begin.Add(time.Second))
	for _, which := range []int{0, 2} {
		early, late := begin.Add(time.Minute-time.Nanosecond), begin.Add(time.Minute)
		o, table := h.overviewAt(config, which, early), h.tableAt(config, which, early)
		require.Equal(t, api.Money{Currency: "USD", PricePerGB: 0.3}, o.Money)
		require.Nil(t, table.Rows[0].SavedPerMonth)
		o, table = h.overviewAt(config, which, late), h.tableAt(config, which, late)
		// 15 kB in a minute, a third of it dropped.
		require.InDelta(t, 0.3*15_000/1e9*43_830, *o.Money.ReceivedPerMonth, 0.006)
		require.InDelta(t, 0.3*5_000/1e9*43_830, *o.Money.SavedPerMonth, 0.006)
		require.Equal(t, o.Money.SavedPerMonth, table.Rows[0].SavedPerMonth)
	}
}

func total(list []int64) (n int64) {
	for _, v := range list {
		n += v
	}
	return n
}

func TestMapsOfAPartStandForAll(t *testing.T) {
	config := usual()
	h := newHistory(config.Limits.forProcessors(), 64<<20, begin)
	a := simple("large", 1000)
	part := a.Tally("large")
	part.Flow.Mapped = 10
	key, n := part.Node(journey.NodeKey{Kind: journey.Service, Name: "gateway"})
	n.Count, n.Errors = 20, 5
	to, _ := part.Node(journey.NodeKey{Kind: journey.Service, Name: "orders"})
	e := part.Edge(journey.EdgeKey{From: key, To: to, Protocol: journey.HTTP})
	e.Count = 7
	h.add(a, begin)
	h.look(config, 0, begin.Add(time.Second), func(v *view) {
		one, ok := v.journey("large")
		require.True(t, ok)
		require.Equal(t, int64(1000), one.Flow.Of)
		require.Equal(t, int64(10), one.Flow.Mapped)
		require.Equal(t, int64(2000), one.Flow.Nodes[0].Count)
		require.InDelta(t, 0.25, *one.Flow.Nodes[0].ErrorShare, 1e-9)
		require.Equal(t, int64(700), one.Flow.Edges[0].Count)
	})
}

func TestNamesBeyondTheLimitAreCountedTogether(t *testing.T) {
	config := usual()
	config.Limits.Journeys = 10
	h := newHistory(config.Limits.forProcessors(), 64<<20, begin)
	var cuts journey.Cuts
	for i := range 100 {
		cuts.Add(h.add(simple(fmt.Sprint("journey ", i), 2), begin))
	}
	rows := h.tableAt(config, 0, begin.Add(time.Second)).Rows
	require.Len(t, rows, 11)
	require.Equal(t, journey.OtherJourneys, rows[0].Name)
	require.Equal(t, int64(180), rows[0].Count)
	require.Equal(t, int64(90), cuts.Journeys)
	require.Equal(t, int64(180), total(rows[0].Trend))
	// After a day without them there is room again.
	later := begin.Add(30 * time.Hour)
	h.add(simple("new", 1), later)
	require.Equal(t, "new", h.tableAt(config, 0, later.Add(time.Second)).Rows[0].Name)
}

// TestMemoryIsBoundedWhateverIsReported fills a day with the widest reports:
// names, maps and paths that are all different, and long.
func TestMemoryIsBoundedWhateverIsReported(t *testing.T) {
	if testing.Short() {
		t.Skip("measures the heap")
	}
	const memory = 16 << 20
	config := usual()
	h := newHistory(config.Limits.forProcessors(), memory, begin)
	before := heap()
	cuts := journey.Cuts{}
	for i := range 400 {
		a := journey.NewAggregate(h.limits, nil)
		for j := range 20 {
			t := a.Tally(fmt.Sprint((i*7+j)%200, strings.Repeat("ג", 300)))
			t.OK++
			t.Durations.Add(uint64(i*j+1) << 10)
			user, _ := t.Node(journey.NodeKey{Kind: journey.User, Name: "user"})
			for k := range 20 {
				to, n := t.Node(journey.NodeKey{Kind: journey.Service, Name: fmt.Sprint(i, " ", k, strings.Repeat("x", 10<<10))})
				if n != nil {
					n.Durations.Add(uint64(k) << 20)
					if e := t.Edge(journey.EdgeKey{From: user, To: to}); e != nil {
						e.Count++
					}
				}
			}
			t.Path(uint64(i*100+j), func() []string { return []string{fmt.Sprint(i), strings.Repeat("y", 10<<10)} })
			for range 3 {
				t.LatestFailed = journey.Latest(t.LatestFailed, journey.Trace{Reason: strings.Repeat("z", 10<<10)})
			}
		}
		cuts.Add(h.add(a, begin.Add(time.Duration(i)*4*time.Minute)))
		used, _ := h.size()
		require.LessOrEqual(t, used, int64(memory))
	}
	used, names := h.size()
	grown := heap() - before
	runtime.KeepAlive(h)
	t.Logf("heap %d KiB, account %d KiB, %d names, cuts %+v", grown>>10, used>>10, names, cuts)
	require.Less(t, grown, int64(memory)*5/4)
	require.Positive(t, cuts.Memory+cuts.Journeys)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestAClockThatIsSetBackDoesNoHarm(t *testing.T) {
	config := usual()
	h := newHistory(config.Limits.forProcessors(), 64<<20, begin)
	for _, passed := range []time.Duration{0, time.Hour, time.Minute, 2 * time.Hour, 0} {
		h.add(simple("one", 1), begin.Add(passed))
		h.overviewAt(config, 0, begin.Add(passed))
	}
	require.Equal(t, int64(5), h.overviewAt(config, 2, begin.Add(2*time.Hour)).Journeys.Count)
}
