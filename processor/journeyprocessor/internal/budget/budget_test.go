package budget

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var start = time.Unix(1_000_000, 0)

// rules of the tests: one that must keep and is never thinned, and two more.
var threeRules = []Rule{{First: true, Fixed: true}, {}, {}}

// traffic plays journeys against a budget as a processor's shards decide them:
// each shard all that has become due in a tenth of a second at once, one shard
// after the other.
type traffic struct {
	rnd       *rand.Rand
	budget    *Budget
	perSecond float64
	size      float64 // mean cost of a journey
	shards    int
	shares    []float64 // of the journeys, by rule
	journeys  int       // names, of which the first are much busier than the last

	ticks    int
	spent    []float64 // in each tick
	received []float64 // journeys by rule
	estimate []float64 // of journeys by rule, from the kept ones
	variance []float64 // of the estimate
}

func newTraffic(seed uint64, settings Settings, size float64, shards int) *traffic {
	n := len(settings.Rules)
	return &traffic{
		rnd: rand.New(rand.NewPCG(seed, 1)), budget: New(settings, start), perSecond: settings.PerSecond,
		size: size, shards: shards, shares: []float64{0.03, 0.12, 0.85}, journeys: 20,
		received: make([]float64, n), estimate: make([]float64, n), variance: make([]float64, n),
	}
}

// play sends times the budget for so long.
func (p *traffic) play(times float64, d time.Duration) {
	for range int(d / Interval) {
		p.spent = append(p.spent, 0)
		for shard := range p.shards {
			now := start.Add(time.Duration(p.ticks)*Interval + time.Duration(shard)*Interval/time.Duration(p.shards))
			for range p.poisson(times * p.perSecond / p.size * Interval.Seconds() / float64(p.shards)) {
				p.journey(now.Add(time.Duration(p.rnd.IntN(1e6))))
			}
		}
		p.ticks++
	}
}

func (p *traffic) journey(now time.Time) {
	c := Class{Journey: fmt.Sprint(int(math.Pow(p.rnd.Float64(), 3) * float64(p.journeys)))}
	for u := p.rnd.Float64(); c.Rule < len(p.shares)-1 && u >= p.shares[c.Rule]; c.Rule++ {
		u -= p.shares[c.Rule]
	}
	cost := p.size * (0.5 + p.rnd.Float64())
	factor := p.budget.Factor(now, c, cost)
	p.received[c.Rule]++
	p.variance[c.Rule] += (1 - factor) / factor
	if p.rnd.Float64() < factor {
		p.budget.Spend(c.Rule, cost)
		p.estimate[c.Rule] += 1 / factor
		p.spent[p.ticks] += cost
	}
}

func (p *traffic) poisson(mean float64) int {
	n := 0
	for t := p.rnd.ExpFloat64(); t < mean; t += p.rnd.ExpFloat64() {
		n++
	}
	return n
}

// minutes returns the least and the most that was spent in any minute (not
// only in those that begin with the clock's) that begins in the given span of
// time, as a share of the budget.
func (p *traffic) minutes(from, to time.Duration) (least, most float64) {
	const minute = int(time.Minute / Interval)
	least = math.Inf(1)
	for i := int(from / Interval); i <= int(to/Interval) && i+minute <= len(p.spent); i++ {
		sum := 0.0
		for _, v := range p.spent[i : i+minute] {
			sum += v
		}
		share := sum / (60 * p.perSecond)
		least, most = min(least, share), max(most, share)
	}
	return least, most
}

// TestABurstStaysWithinTheBudgetInEveryMinute: three minutes below the budget,
// three of ten times as much, three of a bit more than the budget. No minute
// is more than 2 % above, and none in which enough was there 2 % below.
func TestABurstStaysWithinTheBudgetInEveryMinute(t *testing.T) {
	for _, test := range []struct {
		perSecond, size float64
		shards          int
	}{{500, 10, 1}, {500, 10, 8}, {200, 3, 2}, {5000, 10, 2}, {5000, 100, 4}, {1e6, 4000, 2}} {
		for seed := range uint64(2) {
			p := newTraffic(seed, Settings{PerSecond: test.perSecond, Carry: time.Second, Rules: threeRules}, test.size, test.shards)
			p.play(0.9, 3*time.Minute)
			p.play(10, 3*time.Minute)
			p.play(1.3, 3*time.Minute)
			_, most := p.minutes(0, time.Hour)
			require.LessOrEqual(t, most, 1.02, "%+v seed %d", test, seed)
			least, _ := p.minutes(3*time.Minute, time.Hour)
			require.GreaterOrEqual(t, least, 0.98, "%+v seed %d", test, seed)
		}
	}
}

// TestWhatFitsIsNotThinned, not even by chance or by a small burst.
func TestWhatFitsIsNotThinned(t *testing.T) {
	p := newTraffic(1, Settings{PerSecond: 500, Carry: time.Second, Rules: threeRules}, 10, 2)
	p.play(0.8, time.Minute)
	p.play(1.5, time.Second)
	p.play(0.8, time.Minute)
	require.Equal(t, []float64{0, 0, 0}, p.variance)
	require.Equal(t, []float64{1, 1, 1}, p.budget.State(start).Factors)
}

// TestEstimatesAreUnbiasedWhateverTheBudgetDoes estimates the journeys of each
// rule from the kept ones over a quiet time, a burst and its end. Given what
// was decided before, each journey adds (1-p)/p to the variance, so the
// standard error of each run is known, and the runs' errors divided by it have
// mean 0 and variance 1. The seeds are fixed, so the bounds (3 standard errors
// for the mean over all runs, 90 % instead of 95 % for the share within 2) do
// not fail by chance.
func TestEstimatesAreUnbiasedWhateverTheBudgetDoes(t *testing.T) {
	const runs = 200
	for _, burst := range []float64{2, 10} {
		sum, within := make([]float64, 3), make([]float64, 3)
		for seed := range uint64(runs) {
			p := newTraffic(seed, Settings{PerSecond: 500, Carry: time.Second, Rules: threeRules}, 10, 2)
			p.play(0.9, 3*time.Second)
			p.play(burst, 15*time.Second)
			p.play(0.9, 5*time.Second)
			require.Zero(t, p.variance[0], "what must be kept was thinned")
			for i := 1; i < 3; i++ {
				z := (p.estimate[i] - p.received[i]) / math.Sqrt(max(p.variance[i], 1e-9))
				sum[i] += z
				if math.Abs(z) <= 2 {
					within[i]++
				}
			}
		}
		for i := 1; i < 3; i++ {
			t.Logf("burst %v: rule %d: mean error %.2f standard errors of the mean, %.0f %% of the runs within 2",
				burst, i, sum[i]/math.Sqrt(runs), 100*within[i]/runs)
			require.LessOrEqual(t, math.Abs(sum[i]), 3*math.Sqrt(runs))
			require.GreaterOrEqual(t, within[i], 0.9*runs)
		}
	}
}

// steady asks for the given costs per second of each class until the budget
// has settled, and returns the factors.
func steady(b *Budget, demand map[Class]float64) map[Class]float64 {
	factors := map[Class]float64{}
	for tick := 1; tick <= 200; tick++ {
		now := start.Add(time.Duration(tick) * Interval)
		for c, perSecond := range demand {
			// Ten pieces a tick, of which exactly the share asked for leaves.
			for range 10 {
				cost := perSecond * Interval.Seconds() / 10
				factors[c] = b.Factor(now, c, cost)
				b.Spend(c.Rule, cost*factors[c])
			}
		}
	}
	return factors
}

func TestTheBudgetIsDealtOutByRuleThenEvenly(t *testing.T) {
	kept := Class{0, "failed"}
	busy, middle, quiet := Class{1, "busy"}, Class{1, "middle"}, Class{1, "quiet"}
	last := Class{2, "last"}
	for _, test := range []struct {
		name   string
		demand map[Class]float64
		want   map[Class]float64
	}{
		{"all fits", map[Class]float64{kept: 30, busy: 30, last: 30}, map[Class]float64{kept: 1, busy: 1, last: 1}},
		{"the last rule gives way first", map[Class]float64{kept: 30, busy: 30, last: 200}, map[Class]float64{kept: 1, busy: 1, last: 0.2}},
		{
			"then the one before, evenly, and what a quiet journey does not need is for the others",
			map[Class]float64{kept: 25, busy: 400, middle: 50, quiet: 5, last: 25},
			map[Class]float64{kept: 1, busy: 35.0 / 400, middle: 35.0 / 50, quiet: 1, last: 0.002},
		},
		{
			"a rule that must keep is charged and leaves nothing but the floor",
			map[Class]float64{kept: 300, busy: 400, last: 25},
			map[Class]float64{kept: 1, busy: 1.0 / 425, last: 1.0 / 425},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := steady(New(Settings{PerSecond: 100, Carry: time.Second, Rules: threeRules}, start), test.demand)
			for c, want := range test.want {
				require.InEpsilon(t, want, got[c], 0.05, "%v", c)
			}
		})
	}
}

// TestWithinTheBudgetMustKeepGivesWayLast: rules that must keep may be thinned
// too, but only when all others are down at their floor, wherever they stand.
func TestWithinTheBudgetMustKeepGivesWayLast(t *testing.T) {
	rules := []Rule{{}, {First: true}, {First: true}}
	sampled, failed, slow := Class{0, "a"}, Class{1, "a"}, Class{2, "a"}
	got := steady(New(Settings{PerSecond: 100, Carry: time.Second, Rules: rules}, start),
		map[Class]float64{sampled: 50, failed: 80, slow: 80})
	require.InEpsilon(t, 1.0, got[failed], 1e-9)
	require.InEpsilon(t, 0.25, got[slow], 0.05)
	require.InEpsilon(t, 1.0/210, got[sampled], 0.05)
}

// TestOthersRecoverWhenAStormOfMustKeepsIsOver: it is not paid back for longer
// than carry, and the state says how long it lasted.
func TestOthersRecoverWhenAStormOfMustKeepsIsOver(t *testing.T) {
	p := newTraffic(3, Settings{PerSecond: 500, Carry: time.Second, Rules: threeRules}, 10, 2)
	p.play(2, time.Minute)
	p.shares = []float64{1, 0, 0}
	p.play(3, time.Minute)
	require.InDelta(t, time.Minute, p.budget.State(start.Add(2*time.Minute)).Exceeded, float64(3*time.Second))
	p.shares = []float64{0, 0.5, 0.5}
	p.play(2, 2*time.Minute)
	least, _ := p.minutes(2*time.Minute+2*time.Second, time.Hour)
	require.GreaterOrEqual(t, least, 0.98)
}

// TestLateSpansAreCharged: what nobody asked about takes from what is left.
func TestLateSpansAreCharged(t *testing.T) {
	b := New(Settings{PerSecond: 100, Carry: time.Second, Rules: threeRules}, start)
	var factor float64
	for tick := 1; tick <= 300; tick++ {
		now := start.Add(time.Duration(tick) * Interval)
		b.SpendFixed(now, 5)
		for range 10 {
			factor = b.Factor(now, Class{Rule: 2}, 1)
			b.Spend(2, factor)
		}
	}
	require.InEpsilon(t, 0.5, factor, 0.05)
	require.InEpsilon(t, 100.0, b.State(start.Add(30*time.Second)).Rate, 0.05)
	require.InEpsilon(t, 3000.0, b.State(start.Add(30*time.Second)).Spent, 0.05)
}

// TestACrowdAtOnceSpendsLittle: a hundred seconds' budget of journeys, all in
// one moment, spend three seconds' at most, and each had a chance.
func TestACrowdAtOnceSpendsLittle(t *testing.T) {
	p := newTraffic(4, Settings{PerSecond: 500, Carry: time.Second, Rules: threeRules}, 10, 1)
	p.shares = []float64{0, 0, 1}
	p.play(1000, Interval)
	require.Less(t, p.spent[0], 3*500.0)
	require.InDelta(t, p.received[2], p.estimate[2], 3*math.Sqrt(p.variance[2]))
}

// TestNamesThatNeverComeAgainAreOneJourney: somebody who puts an id into a
// name neither fills the memory nor takes the others' share.
func TestNamesThatNeverComeAgainAreOneJourney(t *testing.T) {
	b := New(Settings{PerSecond: 100, Carry: time.Second, Rules: threeRules}, start)
	rnd := rand.New(rand.NewPCG(1, 2))
	spent, n := map[string]float64{}, 0
	for tick := range 600 {
		now := start.Add(time.Duration(tick) * Interval)
		for range 100 {
			n++
			for kind, name := range map[string]string{"named": "checkout", "unique": fmt.Sprint("GET /user/", n)} {
				if rnd.Float64() < b.Factor(now, Class{Rule: 2, Journey: name}, 1) {
					b.Spend(2, 1)
					spent[kind]++
				}
			}
		}
	}
	require.LessOrEqual(t, len(b.rules[2].byName), maxJourneys)
	require.Len(t, b.rules[2].journeys, len(b.rules[2].byName)+1)
	require.InEpsilon(t, 3000.0, spent["named"], 0.1)
	require.InEpsilon(t, 3000.0, spent["unique"], 0.1)
}

func TestJourneysThatNoLongerComeAreForgotten(t *testing.T) {
	b := New(Settings{PerSecond: 100, Carry: time.Second, Rules: threeRules}, start)
	b.Factor(start, Class{2, "a"}, 1)
	require.Len(t, b.rules[2].byName, 1)
	b.State(start.Add(forgetAfter + Interval))
	require.Empty(t, b.rules[2].byName)
	require.Len(t, b.rules[2].journeys, 1)
}

// TestWhatIsLeftOverIsCarriedOn: with an hour to carry on, a quiet hour pays
// for a burst; the whole does not exceed the budget.
func TestWhatIsLeftOverIsCarriedOn(t *testing.T) {
	p := newTraffic(5, Settings{PerSecond: 500, Carry: time.Hour, Rules: threeRules}, 50, 2)
	p.play(0.2, time.Hour)
	p.play(1.5, 20*time.Minute)
	require.Less(t, p.variance[2], 0.02*p.received[2], "0.2 hours' budget have been used of 1, then 0.5 of 1.33")
	p.play(5, time.Hour)
	total := 0.0
	for _, v := range p.spent {
		total += v
	}
	require.InEpsilon(t, 500*(time.Hour+20*time.Minute+time.Hour).Seconds(), total, 0.05)
	require.Positive(t, p.variance[2])
}

// TestAnyGoroutineMayUseIt also lets clocks disagree.
func TestAnyGoroutineMayUseIt(t *testing.T) {
	b := New(Settings{PerSecond: 100, Carry: time.Second, Rules: threeRules}, start)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				now := start.Add(time.Duration(i)*time.Millisecond - time.Duration(g)*50*time.Millisecond)
				f := b.Factor(now, Class{g % 3, fmt.Sprint(i % 7)}, 3)
				if f <= 0 || f > 1 {
					t.Errorf("factor %v", f)
				}
				b.Spend(g%3, 3*f)
				b.SpendFixed(now, 0.1)
				b.State(now)
			}
		})
	}
	wg.Wait()
	require.InEpsilon(t, 800.0, b.State(start.Add(2*time.Second)).Spent-b.total+800, 1e-9)
}

func TestWhatCostsNothingIsNotThinned(t *testing.T) {
	b := New(Settings{PerSecond: 1, Carry: time.Second, Rules: threeRules}, start)
	for range 1000 {
		require.InEpsilon(t, 1.0, b.Factor(start, Class{Rule: 2}, 0), 0)
	}
	b.SpendFixed(start, 0)
	require.Zero(t, b.State(start).Spent)
}

// BenchmarkFactor asks what a decision pays for the budget, with as many
// journeys as a rule tells apart.
func BenchmarkFactor(b *testing.B) {
	budget := New(Settings{PerSecond: 1e5, Carry: time.Second, Rules: threeRules}, start)
	names := make([]string, maxJourneys)
	for i := range names {
		names[i] = fmt.Sprint("gateway GET /api/resource/", i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		// 100,000 journeys a second, of 10 spans each.
		f := budget.Factor(start.Add(time.Duration(i)*10*time.Microsecond), Class{2, names[i%len(names)]}, 10)
		budget.Spend(2, 10*f)
	}
	if r := budget.State(start.Add(time.Duration(i) * 10 * time.Microsecond)).Rate; i > 1e6 && math.Abs(r/1e5-1) > 0.1 {
		b.Errorf("spent %v per second", r)
	}
}

// TestMustKeepsThatFitDoNotRaiseTheBudget: with few journeys, each of which is
// a good part of a second's budget, the account is often far below zero; what
// must be kept is charged all the same.
func TestMustKeepsThatFitDoNotRaiseTheBudget(t *testing.T) {
	p := newTraffic(1, Settings{PerSecond: 20, Carry: time.Second, Rules: threeRules}, 10, 4)
	p.shares = []float64{0.05, 0, 0.95}
	p.play(10, 20*time.Minute)
	total := 0.0
	for _, v := range p.spent {
		total += v
	}
	require.InEpsilon(t, 20*(20*time.Minute).Seconds(), total, 0.02)
}
