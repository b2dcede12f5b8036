package journeyprocessor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

var reporterID = component.MustNewID("journeys")

var usualLimits = journey.Limits{Journeys: 500, Services: 200, Edges: 400, Paths: 50, NameLength: 200, MappedSpans: 1 << 30}

// listener is a reporter that adds up what it is told.
type listener struct {
	component.StartFunc
	component.ShutdownFunc
	limits journey.Limits

	mu         sync.Mutex
	busy       bool
	refused    int
	sum        *journey.Aggregate
	processors map[string]journey.Processor
}

func newListener(limits journey.Limits) *listener {
	return &listener{limits: limits, sum: journey.NewAggregate(limits, nil), processors: map[string]journey.Processor{}}
}

func (l *listener) Limits() journey.Limits { return l.limits }

func (l *listener) Attach(id string, p journey.Processor) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.processors[id] = p
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.processors, id)
	}
}

func (l *listener) Report(a *journey.Aggregate) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy {
		l.refused++
		return false
	}
	for name, t := range a.Tallies {
		to := l.sum.Tally(name)
		to.LatestKept, to.LatestFailed = append(to.LatestKept, t.LatestKept...), append(to.LatestFailed, t.LatestFailed...)
	}
	l.sum.Merge(a)
	return true
}

func (l *listener) beBusy(busy bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = busy
}

// checkouts is a copy of what it was told of them.
func (l *listener) checkouts() journey.Tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t, ok := l.sum.Tallies["checkout"]; ok {
		return *t
	}
	return journey.Tally{}
}

// total is the sum over all journeys.
func (l *listener) total() journey.Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all journey.Counts
	for _, t := range l.sum.Tallies {
		all.Add(t.Counts)
	}
	all.Volume.Add(l.sum.Unattributed)
	return all
}

// listened runs f with a processor that reports.
func listened(t *testing.T, config string, limits journey.Limits, f func(*testing.T, *harness, *listener)) {
	t.Helper()
	inBubble(t, config, func(t *testing.T, h *harness) {
		h.end()
		l := newListener(limits)
		h.extensions[reporterID] = l
		h.begin(config + "\nreporter: journeys")
		f(t, h, l)
	})
}

const reportedRules = `
completion: {quiet: 1s, missing_wait: 2s}
journeys: [{name: checkout, match: {span: POST /checkout, root: true}, steps: [
  {name: charged, match: {service: checkout}}, {name: reserved, match: {service: stock}}]}]
sampling: {rules: [{name: failed, when: {outcome: error}, keep: 100%}, {name: half, keep: 50%}]}`

func checkout(trace, failure string) []span {
	return []span{
		{Trace: trace, ID: 1, Service: "gateway", Name: "POST /checkout", Kind: "server", Took: time.Second, Attributes: map[string]string{"http.request.method": "POST"}},
		{Trace: trace, ID: 2, Parent: 1, Service: "gateway", Name: "Do", Kind: "client", At: 1, Took: 500 * time.Millisecond, Attributes: map[string]string{"rpc.system": "grpc"}},
		{Trace: trace, ID: 3, Parent: 2, Service: "checkout", Name: "Do", Kind: "server", At: 2, Took: 400 * time.Millisecond, Attributes: map[string]string{"rpc.system": "grpc"}},
		{Trace: trace, ID: 4, Parent: 3, Service: "checkout", Name: "INSERT", Kind: "client", At: 3, Took: 10 * time.Millisecond, Error: failure, Attributes: map[string]string{"db.system.name": "postgresql", "db.namespace": "orders"}},
		{Trace: trace, ID: 5, Parent: 3, Service: "checkout", Name: "send", Kind: "producer", At: 4, Took: 20 * time.Millisecond, Attributes: map[string]string{"messaging.system": "rabbitmq", "messaging.destination.name": "shop:done"}},
		{Trace: trace, ID: 6, Parent: 5, Published: &[]string{"stock-queue", "mail-queue"}, Name: "publish shop"},
		{Trace: trace, ID: 7, Parent: 5, Delivered: "stock-queue", Name: "deliver stock-queue", Took: 7 * time.Millisecond},
		{Trace: trace, ID: 8, Parent: 5, Delivered: "mail-queue", Name: "deliver mail-queue"},
		{Trace: trace, ID: 9, Parent: 5, Service: "stock", Name: "process", Kind: "consumer", At: 30 * time.Millisecond, Took: 5 * time.Millisecond, Attributes: map[string]string{"messaging.system": "rabbitmq", "messaging.destination.name": "shop:done:stock-queue"}},
	}
}

func TestWhatIsReportedIsWhatWasDecided(t *testing.T) {
	listened(t, reportedRules, usualLimits, func(t *testing.T, h *harness, l *listener) {
		for i := range 20 {
			name := fmt.Sprint("lucky ", i)
			if i%2 == 0 {
				name = fmt.Sprint("unlucky ", i)
			}
			failure := ""
			if i < 4 {
				failure = "deadlock"
			}
			spans := checkout(name, failure)
			if i == 19 { // not consumed
				spans = spans[:8]
			}
			h.send(spans...)
		}
		h.wait(10 * time.Second)
		c := l.checkouts()
		require.Equal(t, journey.Counts{
			OK: 15, Errors: 4, Incomplete: 1, Kept: 12, FailedKept: 5, Volume: c.Volume,
		}, c.Counts)
		require.Equal(t, int64(20*9-1), c.SpansReceived)
		require.Equal(t, h.value("processor_journey_spans_kept"), c.SpansStored)
		require.Equal(t, h.value("processor_journey_span_bytes_received"), c.BytesReceived)
		require.Equal(t, h.value("processor_journey_span_bytes_kept"), c.BytesStored)
		require.Equal(t, []journey.StepTally{{Name: "charged", Reached: 20}, {Name: "reserved", Reached: 19}}, c.Steps)
		require.Equal(t, uint64(20), c.Durations.Total())
		p50, _ := c.Durations.Quantile(0.5)
		require.InEpsilon(t, time.Second, p50, journey.SketchError)
		require.Len(t, c.Rules, 2)
		require.Equal(t, int64(4), c.Rules[0].Matched)
		require.Equal(t, int64(8), c.Rules[1].Kept)
		require.Len(t, c.Paths, 2, "with stock and without")
		require.Len(t, c.LatestKept, 12)
		require.Len(t, c.LatestFailed, 5)
		require.Equal(t, "INSERT", c.LatestFailed[0].Operation)
		require.ElementsMatch(t, []journey.StopKey{
			{Outcome: "error", Service: "checkout", Operation: "INSERT"}, {Outcome: "incomplete", Missing: "reserved"},
		}, []journey.StopKey{c.Stops[0].StopKey, c.Stops[1].StopKey})
	})
}

// edges writes a map down.
func edges(t *journey.Tally) map[string]int64 {
	m := map[string]int64{}
	for key, e := range t.Flow.Edges {
		m[fmt.Sprintf("%s %s -%s-> %s %s", key.From.Kind, key.From.Name, key.Protocol, key.To.Kind, key.To.Name)] = e.Count
	}
	return m
}

func TestTheMapHasWhoCalledWhomHoweverSpansArrive(t *testing.T) {
	listened(t, reportedRules, usualLimits, func(t *testing.T, h *harness, l *listener) {
		rnd := newRandom(t)
		for i := range 30 {
			spans := checkout(fmt.Sprint("trace ", i), "")
			rnd.Shuffle(len(spans), func(a, b int) { spans[a], spans[b] = spans[b], spans[a] })
			cut := rnd.IntN(len(spans))
			h.send(spans[cut:]...)
			if cut > 0 {
				h.send(spans[:cut]...)
			}
		}
		h.wait(10 * time.Second)
		c := l.checkouts()
		require.Equal(t, int64(30), c.Flow.Mapped)
		require.Equal(t, map[string]int64{
			"user user -http-> service gateway":          30,
			"service gateway -grpc-> service checkout":   30,
			"service checkout -db-> database orders":     30,
			"service checkout -amqp-> queue stock-queue": 30,
			"service checkout -amqp-> queue mail-queue":  30,
			"queue stock-queue -amqp-> service stock":    30,
		}, edges(&c))
	})
}

func TestLateSpansAreCountedWithTheirJourney(t *testing.T) {
	listened(t, reportedRules, usualLimits, func(t *testing.T, h *harness, l *listener) {
		h.send(checkout("kept", "")...)
		h.send(checkout("unlucky dropped", "")...)
		h.send(checkout("unlucky brought back", "")...)
		h.wait(10 * time.Second)
		late := func(trace, failure string) span {
			return span{Trace: trace, ID: 100, Parent: 1, Service: "gateway", Name: "late", Error: failure}
		}
		h.send(late("kept", ""))
		h.send(late("unlucky dropped", ""))
		before := l.checkouts()
		require.Equal(t, int64(1), before.Kept)
		h.send(late("unlucky brought back", "too late"))
		h.wait(10 * time.Second)
		c := l.checkouts()
		require.Equal(t, int64(3*9+3), c.SpansReceived)
		require.Equal(t, int64(2*10), c.SpansStored)
		require.Equal(t, h.value("processor_journey_spans_kept"), c.SpansStored)
		require.Equal(t, h.value("processor_journey_span_bytes_kept"), c.BytesStored)
		require.Equal(t, journey.Counts{OK: 2, Errors: 1, Kept: 2, FailedKept: 1, Volume: c.Volume}, c.Counts)
	})
}

func TestNothingIsLostWhileTheReporterIsBusy(t *testing.T) {
	listened(t, reportedRules, usualLimits, func(t *testing.T, h *harness, l *listener) {
		l.beBusy(true)
		for i := range 50 {
			h.send(checkout(fmt.Sprint(i), "")...)
			h.wait(time.Second)
		}
		require.Zero(t, l.total())
		require.Positive(t, l.refused)
		l.beBusy(false)
		h.wait(10 * time.Second)
		require.Equal(t, int64(50), l.checkouts().OK)
	})
}

func TestWithoutAReporterNothingIsCollected(t *testing.T) {
	inBubble(t, reportedRules, func(t *testing.T, h *harness) {
		h.send(checkout("one", "failed")...)
		e := h.traces.(pipeline).engine
		require.Nil(t, e.reporting)
		for _, s := range e.shards {
			require.Nil(t, s.report)
			for _, waiting := range s.traces {
				require.Nil(t, waiting.facts.Hops())
				require.Nil(t, waiting.facts.LastFailed())
			}
		}
	})
}

// nobody is an extension that is no reporter.
type nobody struct {
	component.StartFunc
	component.ShutdownFunc
}

func TestAReporterThatIsNoneIsNamed(t *testing.T) {
	for _, test := range []struct {
		extensions map[component.ID]component.Component
		says       string
	}{
		{nil, `reporter "journeys": there is no such extension`},
		{map[component.ID]component.Component{reporterID: nobody{}}, `reporter "journeys": this extension shows no journeys`},
	} {
		inBubble(t, "", func(t *testing.T, h *harness) {
			config := createDefaultConfig()
			config.Reporter = &reporterID
			e, err := newEngine(h.settings.ID, h.settings.TelemetrySettings, config)
			require.NoError(t, err)
			h.extensions = test.extensions
			require.ErrorContains(t, e.Start(t.Context(), h), test.says)
			require.NoError(t, e.Shutdown(t.Context()))
		})
	}
}

func TestMapsAreMadeOfAFairPartOfWhatIsTooMuch(t *testing.T) {
	limits := usualLimits
	limits.MappedSpans = 100
	listened(t, reportedRules, limits, func(t *testing.T, h *harness, l *listener) {
		rnd := rand.New(rand.NewPCG(3, 4))
		sent := 0
		for range 200 { // 10 s at 450 spans a second, after a burst of one
			for range 5 {
				spans := checkout(fmt.Sprint(rnd.Uint64()), "")
				h.send(spans...)
				sent++
			}
			h.wait(50 * time.Millisecond)
		}
		h.wait(10 * time.Second)
		c := l.checkouts()
		require.Equal(t, int64(sent), c.OK)
		mapped := float64(c.Flow.Mapped) / float64(sent)
		require.Less(t, mapped, 0.35, "at 900 spans a second, 1/16 after the first second")
		require.Greater(t, mapped, 0.05)
	})
}

func TestTheShareOfMapsFollowsTheLoad(t *testing.T) {
	var d mapDraw
	now := epoch
	d.init(1000, now)
	for _, step := range []struct {
		rate     int64
		halvings int
	}{{500, 0}, {1000, 0}, {1001, 1}, {100_000, 7}, {50_000, 7}, {40_000, 6}, {10, 0}, {0, 0}} {
		now = now.Add(time.Second)
		d.arrived.Store(step.rate)
		d.adjust(now)
		require.Equal(t, step.halvings, int(d.halvings.Load()), "at %d spans a second", step.rate)
		require.LessOrEqual(t, float64(step.rate)*float64(d.share.Load())/math.MaxUint64, 1000.)
	}
	d.take(100_000) // within a moment
	require.LessOrEqual(t, float64(d.share.Load())/math.MaxUint64, 1.)
	for range 1000 {
		d.take(100)
	}
	require.Equal(t, 7, int(d.halvings.Load()), "at once, not after the second")
	var none mapDraw
	none.init(0, now)
	none.arrived.Store(1)
	none.adjust(now.Add(time.Hour))
	require.Zero(t, none.share.Load(), "a limit of 0 makes no maps")
}

func TestTheStateIsWhatIsSo(t *testing.T) {
	config := reportedRules + "\nbuffer: {park_after: 3s}\ncompletion: {missing_wait: 1m}"
	config = strings.Replace(config, "completion: {quiet: 1s, missing_wait: 2s}", "", 1)
	listened(t, config, usualLimits, func(t *testing.T, h *harness, l *listener) {
		h.send(checkout("waits", "")[1:]...)
		h.wait(20 * time.Second)
		state := l.processors["journey"].State(time.Now())
		require.Equal(t, int64(1), state.Traces)
		require.Equal(t, int64(8), state.SpansPending)
		require.InDelta(t, 20, state.OldestWait.Seconds(), 2)
		require.Equal(t, "calm", state.Overload)
		require.Nil(t, state.Budget)
		require.Equal(t, int64(1), state.Generations[0].Traces+state.Generations[1].Traces)
		require.InDelta(t, state.UsedBytes, state.Generations[0].Bytes+state.Generations[1].Bytes, float64(state.UsedBytes))
		require.Len(t, state.Downstream, 2)
		require.Zero(t, state.Downstream[0].Refusing)

		h.sink.refuse(errBusy)
		h.send(checkout("refused", "failed")...)
		h.wait(2 * time.Minute)
		down := l.processors["journey"].State(time.Now()).Downstream[0]
		require.Positive(t, down.Refusing)
		require.Equal(t, errBusy.Error(), down.Error)
		h.sink.refuse(nil)
		h.wait(time.Minute)
		down = l.processors["journey"].State(time.Now()).Downstream[0]
		require.Zero(t, down.Refusing)
		require.Empty(t, down.Error)
		require.Zero(t, down.Retrying)
		h.end()
		require.Empty(t, l.processors, "detached")
		h.begin(config + "\nreporter: journeys")
	})
}
