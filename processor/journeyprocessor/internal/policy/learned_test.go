package policy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
)

var begun = time.Unix(1_000_000, 0)

// TestAQuantileIsAtMostItsErrorOff holds quantiles against the sorted values of
// very different distributions.
func TestAQuantileIsAtMostItsErrorOff(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for name, draw := range map[string]func() float64{
		"uniform":     func() float64 { return 1e3 + rnd.Float64()*1e9 },
		"exponential": func() float64 { return 1e6 + rnd.ExpFloat64()*1e8 },
		"log-normal":  func() float64 { return math.Exp(15 + 2*rnd.NormFloat64()) },
		"two groups":  func() float64 { return []float64{2e6, 3e10}[rnd.IntN(2)] * (1 + rnd.Float64()/10) },
	} {
		var s sketch
		var all []float64
		for range 20_000 {
			v := min(max(math.Round(draw()), 1<<minBits), 1<<maxBits-1)
			all = append(all, v)
			s.add(uint64(v), begun, time.Hour, 1)
		}
		slices.Sort(all)
		for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999} {
			want := all[int(q*float64(len(all)))]
			require.InEpsilon(t, want, float64(s.quantile(q)), 0.016, "%s p%v", name, q*100)
		}
	}
}

func TestDurationsOutOfRangeCountAtItsEnds(t *testing.T) {
	for _, ns := range []uint64{0, 1, 1 << minBits, 1 << maxBits, math.MaxUint64} {
		var s sketch
		s.add(ns, begun, time.Hour, 1)
		require.InEpsilon(t, float64(min(max(ns, 1<<minBits), 1<<maxBits-1)), float64(s.quantile(0.5)), 0.016)
	}
	require.Zero(t, new(sketch).quantile(0.5))
}

func TestOldDurationsAreForgottenOnceThereAreEnoughNewOnes(t *testing.T) {
	const window, enough = 10 * time.Minute, 100
	var s sketch
	now := begun
	learn := func(n int, took time.Duration) {
		for range n {
			s.add(uint64(took), now, window, enough)
		}
	}
	learn(1000, time.Second)
	now = now.Add(time.Hour)
	learn(50, time.Minute)
	require.InEpsilon(t, float64(time.Second), float64(s.quantile(0.5)), 0.02, "fifty are not enough")
	learn(enough, time.Minute)
	now = now.Add(window)
	learn(enough, time.Minute)
	require.InEpsilon(t, float64(time.Minute), float64(s.quantile(0.01)), 0.02)
}

func newDurations(minJourneys, maxNames int) *durations {
	d := &durations{
		Percentiles: Percentiles{MinJourneys: minJourneys, Window: time.Hour, MaxNames: maxNames},
		byName:      map[string]*learnedDurations{},
	}
	d.ask(rootDuration, 0.5)
	return d
}

func TestALimitIsKnownOnceEnoughJourneysHaveBeenSeen(t *testing.T) {
	d := newDurations(10, 100)
	for i := range 10 {
		_, known := d.limit("a", rootDuration, 0, begun)
		require.False(t, known, "after %d", i)
		d.learn("a", [measures]int64{int64(time.Second), -1}, begun)
	}
	limit, known := d.limit("a", rootDuration, 0, begun)
	require.True(t, known)
	require.InEpsilon(t, float64(time.Second), float64(limit), 0.02)
	_, known = d.limit("b", rootDuration, 0, begun)
	require.False(t, known, "each journey is judged by its own")
}

func TestALimitFollowsWhatIsLearnedWithinASecond(t *testing.T) {
	d := newDurations(1, 100)
	d.learn("a", [measures]int64{int64(time.Second), -1}, begun)
	_, _ = d.limit("a", rootDuration, 0, begun)
	for range 100 {
		d.learn("a", [measures]int64{int64(time.Minute), -1}, begun)
	}
	limit, _ := d.limit("a", rootDuration, 0, begun.Add(limitsAge-1))
	require.InEpsilon(t, float64(time.Second), float64(limit), 0.02, "looked up a moment ago")
	limit, _ = d.limit("a", rootDuration, 0, begun.Add(limitsAge))
	require.InEpsilon(t, float64(time.Minute), float64(limit), 0.02)
}

func TestNamesBeyondTheCapShareOne(t *testing.T) {
	d := newDurations(5, 3)
	for i := range 1000 {
		d.learn(fmt.Sprint("name ", i), [measures]int64{int64(time.Second), -1}, begun)
	}
	require.Len(t, d.byName, 4)
	_, known := d.limit("name 999", rootDuration, 0, begun)
	require.True(t, known, "all the others together are enough")
	_, known = d.limit("name 0", rootDuration, 0, begun)
	require.False(t, known)
}

// TestTheFirstOfAShapeAreNeverMoreThanAllowed has several shards ask at once.
func TestTheFirstOfAShapeAreNeverMoreThanAllowed(t *testing.T) {
	s := &shapes{max: 100, seen: map[shapeKey]shapeCount{}}
	var taken [10]atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 1000 {
				if s.take(shapeKey{shape: uint64(i % 10)}, 7, time.Hour, begun) {
					taken[i%10].Add(1)
				}
			}
		})
	}
	wg.Wait()
	for i := range taken {
		require.Equal(t, int64(7), taken[i].Load())
	}
}

// TestShapesAgreeWithAPlainMap plays random journeys against a model without a
// bound, and checks that the bound only ever turns a yes into a counted no.
func TestShapesAgreeWithAPlainMap(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 7))
	t.Logf("seed %d", seed)
	const k, every = 3, time.Minute
	s := &shapes{max: 20, seen: map[shapeKey]shapeCount{}}
	type interval struct {
		until time.Time
		count int
	}
	model, now, yes := map[uint64]interval{}, begun, 0
	for range 20_000 {
		now = now.Add(time.Duration(rnd.IntN(3000)) * time.Millisecond)
		shape, untracked := uint64(rnd.IntN(1+rnd.IntN(60))), s.untracked
		got := s.take(shapeKey{shape: shape}, k, every, now)
		require.LessOrEqual(t, len(s.seen), s.max)
		if s.untracked > untracked {
			require.False(t, got)
			continue
		}
		m := model[shape]
		if !now.Before(m.until) {
			m = interval{until: now.Add(every)}
		}
		require.Equal(t, m.count < k, got)
		if got {
			m.count++
			yes++
		}
		model[shape] = m
	}
	require.Positive(t, yes)
	require.Positive(t, s.untracked)
}

func callFacts(answered bool, name string, kind ptrace.SpanKind) *facts.Facts {
	span := ptrace.NewSpan()
	span.SetSpanID(pcommon.SpanID{1})
	span.SetName(name)
	span.SetKind(kind)
	f := &facts.Facts{}
	f.Add(resource("gateway", false), span)
	if answered {
		span.SetSpanID(pcommon.SpanID{2})
		span.SetParentSpanID(pcommon.SpanID{1})
		span.SetKind(ptrace.SpanKindConsumer)
		f.Add(resource("stock", false), span)
	}
	return f
}

func TestACallIsKnownByWhatUsuallyBecomesOfIt(t *testing.T) {
	for _, test := range []struct {
		answered, not int
		kind          ptrace.SpanKind
		want          time.Duration
	}{
		{0, 0, ptrace.SpanKindClient, waits.Quiet},
		{0, 0, ptrace.SpanKindProducer, waits.Missing},
		{callsKnown - 1, 0, ptrace.SpanKindClient, waits.Quiet},
		{callsKnown, 0, ptrace.SpanKindClient, waits.Missing},
		{callsKnown, 0, ptrace.SpanKindProducer, waits.Message},
		{50, 50, ptrace.SpanKindProducer, waits.Message},
		{49, 51, ptrace.SpanKindProducer, waits.Quiet},
		{49, 51, ptrace.SpanKindClient, waits.Quiet},
		{20, 3000, ptrace.SpanKindClient, waits.Quiet},
		{3000, 5000, ptrace.SpanKindClient, waits.Quiet}, // the latest count most
	} {
		var learned Learned
		p := Policy{Waits: waits}
		for range test.answered {
			learned.Learn(callFacts(true, "call", test.kind), &Decision{}, Waited, begun)
		}
		for range test.not {
			learned.Learn(callFacts(false, "call", test.kind), &Decision{}, Waited, begun)
		}
		require.Equal(t, test.want, p.Deadline(callFacts(false, "call", test.kind), &learned, begun, begun).Sub(begun), "%+v", test)
	}
}

func TestWhatWasNotWaitedForTeachesNothingAboutCalls(t *testing.T) {
	var learned Learned
	for range 100 {
		learned.Learn(callFacts(false, "call", ptrace.SpanKindProducer), &Decision{}, Early, begun)
	}
	p := Policy{Waits: waits}
	require.Equal(t, waits.Missing, p.Deadline(callFacts(false, "call", ptrace.SpanKindProducer), &learned, begun, begun).Sub(begun))
}

// TestNamesWithoutEndDoNotDisplaceWhatComesOften sends a stranger's ever new
// operations between a hundred real ones.
func TestNamesWithoutEndDoNotDisplaceWhatComesOften(t *testing.T) {
	var learned Learned
	for round := range 300 {
		for usual := range 100 {
			learned.Learn(callFacts(true, fmt.Sprint("usual ", usual), ptrace.SpanKindProducer), &Decision{}, Waited, begun)
		}
		for noise := range 200 {
			learned.Learn(callFacts(true, fmt.Sprint("noise ", round, noise), ptrace.SpanKindProducer), &Decision{}, Waited, begun)
		}
	}
	p := Policy{Waits: waits}
	for usual := range 100 {
		f := callFacts(false, fmt.Sprint("usual ", usual), ptrace.SpanKindProducer)
		require.Equal(t, waits.Message, p.Deadline(f, &learned, begun, begun).Sub(begun), "usual %d", usual)
	}
}

// TestMoreThatIsMissingNeverShortensTheWait adds evidence to random facts.
func TestMoreThatIsMissingNeverShortensTheWait(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 8))
	t.Logf("seed %d", seed)
	missing := []func(*facts.Facts){
		child(9, nil),
		child(1, waiting),
		func(f *facts.Facts) { f.Held.Set(0) }, // a journey, and so its step
		func(f *facts.Facts) { f.Merge(callFacts(false, "unknown", ptrace.SpanKindProducer)) },
		func(f *facts.Facts) { f.Merge(callFacts(false, "unknown", ptrace.SpanKindClient)) },
	}
	p := Policy{Waits: waits, Journeys: []Journey{{Name: "a", Match: 0, Steps: []Step{{Name: "s", Match: 1}}, Waits: waits}}}
	for range 2000 {
		f := traceFacts(0, nil)
		last := begun.Add(time.Duration(rnd.IntN(3)) * time.Minute)
		wait := p.Deadline(f, &Learned{}, begun, last)
		for _, i := range rnd.Perm(len(missing)) {
			missing[i](f)
			longer := p.Deadline(f, &Learned{}, begun, last)
			require.False(t, longer.Before(wait))
			require.False(t, longer.After(begun.Add(waits.Max)), "beyond max_wait")
			wait = longer
		}
	}
}

func TestAJourneysOwnWaitsHold(t *testing.T) {
	own := Waits{Quiet: 5 * time.Second, Missing: 6 * time.Second, Message: 7 * time.Second, Max: time.Hour}
	p := Policy{Waits: waits, Journeys: []Journey{{Name: "a", Match: 3, Waits: own}}}
	f := traceFacts(0, nil)
	require.Equal(t, waits.Quiet, p.Deadline(f, &Learned{}, begun, begun).Sub(begun))
	f.Held.Set(3)
	require.Equal(t, own.Quiet, p.Deadline(f, &Learned{}, begun, begun).Sub(begun))
	child(1, waiting)(f)
	require.Equal(t, own.Message, p.Deadline(f, &Learned{}, begun, begun).Sub(begun))
}

// TestADecisionNeverDependsOnItself decides about the slowest journey ever
// twice: only the second time it is known.
func TestADecisionNeverDependsOnItself(t *testing.T) {
	p := Policy{Rules: []Rule{{Name: "slow", When: When{SlowerThan: Limit{Quantile: 0.5}}}}}
	learned := p.NewLearned(Percentiles{MinJourneys: 1, Window: time.Hour, MaxNames: 5}, 10)
	slow := traceFacts(time.Hour, nil)
	d := p.Decide(pcommon.TraceID{1}, slow, Waited, learned, begun)
	require.Equal(t, NoRule, d.RuleIndex, "nothing is known yet")
	learned.Learn(traceFacts(time.Second, nil), &d, Waited, begun)
	before := *learned.durations.byName[d.Journey].sketches[rootDuration].young
	d = p.Decide(pcommon.TraceID{1}, slow, Waited, learned, begun)
	require.Equal(t, 0, d.RuleIndex)
	require.Equal(t, before, *learned.durations.byName[d.Journey].sketches[rootDuration].young, "to decide is not to learn")
}

// TestARuleThatDoesNotHoldCountsNoShape: all else is asked before.
func TestARuleThatDoesNotHoldCountsNoShape(t *testing.T) {
	rare := When{FirstOfShape: 1, Every: time.Hour}
	never := When{Journey: "no such journey"}
	p := Policy{Rules: []Rule{
		{Name: "a", When: When{FirstOfShape: 1, Every: time.Hour, Journey: "no such journey"}},
		{Name: "b", When: When{All: []When{rare, never}}},
		{Name: "c", When: When{All: []When{never}, Any: []When{rare}}},
		{Name: "d", When: When{Any: []When{rare, {SpansOver: 0, Outcome: &[]Outcome{OK}[0]}}}},
		{Name: "e", When: rare},
	}}
	learned := p.NewLearned(Percentiles{MinJourneys: 1, Window: time.Hour, MaxNames: 5}, 10)
	d := p.Decide(pcommon.TraceID{1}, traceFacts(time.Second, nil), Waited, learned, begun)
	require.Equal(t, "d", d.Rule)
	told, _ := learned.Shapes()
	require.Zero(t, told)
	p.Rules = p.Rules[4:]
	d = p.Decide(pcommon.TraceID{1}, traceFacts(time.Second, nil), Early, learned, begun)
	require.Equal(t, NoRule, d.RuleIndex, "part of a shape is no new shape")
	d = p.Decide(pcommon.TraceID{1}, traceFacts(time.Second, nil), Waited, learned, begun)
	require.Equal(t, "e", d.Rule)
}

func TestWhatWasLearnedCanBeAdoptedWithinTheNewBounds(t *testing.T) {
	rules := func() Policy {
		return Policy{Waits: waits, Rules: []Rule{
			{Name: "slow", When: When{SlowerThan: Limit{Quantile: 0.5}}},
			{Name: "rare", When: When{FirstOfShape: 1, Every: time.Hour}},
		}}
	}
	old, fresh, none := rules(), rules(), Policy{}
	learned := old.NewLearned(Percentiles{MinJourneys: 5, Window: time.Hour, MaxNames: 100}, 100)
	for i := range 200 {
		f := callFacts(true, fmt.Sprint("call ", i%10), ptrace.SpanKindProducer)
		d := old.Decide(pcommon.TraceID{1}, f, Waited, learned, begun)
		learned.Learn(f, &d, Waited, begun)
	}
	next := fresh.NewLearned(Percentiles{MinJourneys: 5, Window: time.Hour, MaxNames: 4}, 3)
	next.Adopt(learned)
	require.Len(t, next.durations.byName, 4)
	told, _ := next.Shapes()
	require.Equal(t, 3, told)
	for i := range 10 {
		f := callFacts(false, fmt.Sprint("call ", i), ptrace.SpanKindProducer)
		require.Equal(t, learned.calls.ask(onlyCall(f)), next.calls.ask(onlyCall(f)))
	}
	none.NewLearned(Percentiles{}, 0).Adopt(learned)
	next.Adopt(none.NewLearned(Percentiles{}, 0))
}

func onlyCall(f *facts.Facts) (key facts.CallKey) {
	for c := range f.Calls {
		key = c.Key
	}
	return key
}

// TestManyShardsLearnAtOnce is for the race detector.
func TestManyShardsLearnAtOnce(t *testing.T) {
	p := Policy{Waits: waits, Rules: []Rule{
		{Name: "slow", When: When{SlowerThan: Limit{Quantile: 0.9}, LongerThan: Limit{Quantile: 0.5}}},
		{Name: "rare", When: When{FirstOfShape: 2, Every: time.Second}},
	}}
	learned := p.NewLearned(Percentiles{MinJourneys: 5, Window: time.Minute, MaxNames: 3}, 10)
	var wg sync.WaitGroup
	for shard := range 4 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(shard), 9))
			for i := range 500 {
				now := begun.Add(time.Duration(i) * 10 * time.Millisecond)
				f := callFacts(rnd.IntN(2) == 0, fmt.Sprint("call ", rnd.IntN(8)), ptrace.SpanKindClient)
				p.Deadline(f, learned, now, now)
				d := p.Decide(pcommon.TraceID{1}, f, Waited, learned, now)
				learned.Learn(f, &d, Waited, now)
			}
		})
	}
	wg.Wait()
	require.Len(t, learned.durations.byName, 4)
}
