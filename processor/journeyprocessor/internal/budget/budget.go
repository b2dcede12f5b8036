// Package budget says by how much the sampling rules' probabilities must be
// lowered so that what leaves stays within a budget.
//
// What is asked for is measured per rule and journey. Ten times a second the
// budget is dealt out anew: to what cannot be thinned first, then to the rules
// from the first to the last, and within the rule for which it does not
// suffice evenly between its journeys, none getting more than it asks for.
// What that yields are factors. An account of what was allowed and what was
// spent corrects them, so that errors do not add up, and a guard lowers them
// at once when more comes at a time than was expected.
//
// A factor depends on what was decided before and on the rule, the name and
// the size of the journey at hand, never on that journey's randomness. That
// is what keeps estimates from the kept journeys' weights unbiased, whatever
// the factors do: given the past, a journey kept with probability p and
// counted as 1/p counts as 1 on average.
//
// The unit is the caller's: spans, bytes or money. Nothing here reads a clock.
package budget

import (
	"math"
	"sync"
	"time"
)

const (
	// Interval is how often the budget is dealt out anew.
	Interval = 100 * time.Millisecond
	// horizon is the time over which the account is brought back to zero, if
	// carry is not longer: long enough that the factors do not jump with every
	// journey kept, short against the minute within which the budget is to hold.
	horizon = time.Second
	// floorFactor is what thinning leaves of a rule's probability at least, so
	// that every journey has a chance and no weight is without bounds. If
	// floorShare of the budget does not suffice for that, it is less.
	floorFactor = 0.01
	floorShare  = 0.01
	// guardShare of a second's budget spent beyond what was expected makes the
	// guard lower factors to 1/e. With twice as much, the minutes around a
	// burst of ten times the budget strayed 0.1 to 0.2 % further from it.
	guardShare = 0.05
	// typicalOver is over how many kept journeys their cost is smoothed.
	typicalOver = 50
	// rateOver is over how many seconds State smooths what is spent.
	rateOver = 10
)

// Settings is what a budget is made of. It does not change.
type Settings struct {
	PerSecond float64 // what may leave in a second
	// Carry is how long a time's budget what was not used is kept for, and
	// how long a time's budget is paid back when what cannot be thinned used
	// too much.
	Carry time.Duration
	Rules []Rule
}

// Rule is what the budget needs to know of a sampling rule.
type Rule struct {
	First bool // is served before those that are not First
	Fixed bool // is never thinned, only charged
}

// Class is what factors are for.
type Class struct {
	Rule    int // index into Settings.Rules
	Journey string
}

// Budget is the account and the factors. Any goroutine may use it.
type Budget struct {
	perSecond float64
	carry     float64 // in units
	horizon   float64 // seconds

	mu    sync.Mutex // guards everything below
	dealt time.Time  // when the budget was last dealt out
	rules []rule
	order []int   // of the rules, as they are served
	fixed meter   // what cannot be thinned asks for
	floor float64 // the least factor, but for journeys whose own is less

	// balance is what was allowed less what was spent.
	balance float64
	// spent since the budget was dealt out, and how much of it was expected.
	spent, expected float64
	typical         float64 // cost of a kept journey, smoothed

	total    float64 // spent ever
	rate     float64 // spent per second, smoothed; for State
	exceeded time.Duration
}

// New returns a budget of which nothing has been used; of what it has carried
// over it has a second's, so that restarting does not pay.
func New(s Settings, now time.Time) *Budget {
	b := &Budget{
		perSecond: s.PerSecond, carry: s.PerSecond * s.Carry.Seconds(),
		horizon: max(horizon, s.Carry).Seconds(),
		dealt:   now, rules: make([]rule, len(s.Rules)),
	}
	b.balance = min(b.carry, s.PerSecond)
	for _, first := range []bool{true, false} {
		for i, r := range s.Rules {
			if r.First == first && !r.Fixed {
				b.order = append(b.order, i)
			}
		}
	}
	for i, r := range s.Rules {
		b.rules[i] = newRule(r.Fixed)
	}
	b.deal(0)
	return b
}

// Factor takes note of a journey of class c which its rule alone would keep at
// an expected cost (its cost times the probability), and returns what that
// probability must be multiplied with: more than 0, at most 1.
func (b *Budget) Factor(now time.Time, c Class, expectedCost float64) float64 {
	if expectedCost <= 0 {
		return 1
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	r := &b.rules[c.Rule]
	if r.fixed {
		b.fixed.add(expectedCost)
		return 1
	}
	j := r.journey(c.Journey, now)
	j.demand.add(expectedCost)
	r.demand.add(expectedCost)
	return max(min(j.factor, b.floor), j.factor*b.guard())
}

// Spend charges a journey of a rule that was kept.
func (b *Budget) Spend(rule int, cost float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.typical += (cost - b.typical) / typicalOver
	b.charge(cost, b.rules[rule].fixed)
}

// SpendFixed charges what leaves without having been asked about: late spans,
// and whatever else follows an earlier decision or none.
func (b *Budget) SpendFixed(now time.Time, cost float64) {
	if cost <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	b.fixed.add(cost)
	b.charge(cost, true)
}

// Correct charges, or gives back, what more or less than was charged has left.
func (b *Budget) Correct(cost float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.charge(cost, false)
}

// Drain says that from now on the times asked about run ahead of the clock and,
// on other goroutines, behind each other: what is allowed for a time is kept
// until somebody asks about it, however late.
func (b *Budget) Drain(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	b.carry = math.Inf(1)
}

// charge takes cost from the account. While what cannot be thinned alone exceeds
// the budget, it takes it no further down than carry: others would otherwise
// have to starve for as long as that lasted, once it is over.
func (b *Budget) charge(cost float64, fixed bool) {
	b.spent += cost
	b.total += cost
	if fixed && b.fixed.rate > b.perSecond {
		b.balance = max(b.balance-cost, min(b.balance, -b.carry))
		return
	}
	b.balance -= cost
}

// guard is the answer to a burst until the budget is next dealt out: beyond
// what was expected, and what was carried over, every part of the budget spent lowers the factors by the
// same ratio. So what a crowd of journeys spends that comes all at once grows
// with the logarithm of its size, until the factors are at their floor.
func (b *Budget) guard() float64 {
	over := min(b.spent-b.expected, b.typical-b.balance)
	if over <= 0 {
		return 1
	}
	return math.Exp(-over / max(guardShare*b.perSecond, b.typical))
}

// advance deals the budget out anew when it is time for it. A now that is
// earlier than another goroutine's changes nothing.
func (b *Budget) advance(now time.Time) {
	if passed := now.Sub(b.dealt); passed >= Interval {
		b.dealt = now
		b.deal(passed)
	}
}

func (b *Budget) deal(passed time.Duration) {
	seconds := passed.Seconds()
	b.balance = min(b.balance+seconds*b.perSecond, b.carry)
	b.fixed.measure(seconds)
	if seconds > 0 {
		b.rate += (1 - math.Exp(-seconds/rateOver)) * (b.spent/seconds - b.rate)
	}
	for i := range b.rules {
		b.rules[i].measure(seconds, b.dealt)
	}
	if b.fixed.rate > b.perSecond {
		b.exceeded += passed
	}
	perSecond := b.pace()
	b.allot(perSecond - b.fixed.rate)
	b.spent, b.expected = 0, max(perSecond, b.fixed.rate)*Interval.Seconds()+b.typical
}

// pace is what may leave per second until the account is looked at again: less
// than the budget while something is to be paid back, more while something is
// left over. That is used up faster than the other is paid back, because what
// is left over is lost beyond carry.
func (b *Budget) pace() float64 {
	seconds := b.balance / b.perSecond
	if seconds > 0 {
		seconds *= 2
	}
	return b.perSecond * math.Exp(seconds/b.horizon)
}

// allot deals out what is left for rules that can be thinned, per second. The
// floor of all of them is set aside first.
func (b *Budget) allot(left float64) {
	demand := 0.0
	for _, i := range b.order {
		demand += b.rules[i].demand.rate
	}
	b.floor = floorFactor
	if demand*b.floor > floorShare*b.perSecond {
		b.floor = floorShare * b.perSecond / demand
	}
	left -= b.floor * demand
	for _, i := range b.order {
		r := &b.rules[i]
		above := min(max(left, 0), (1-b.floor)*r.demand.rate)
		left -= above
		r.share(above+b.floor*r.demand.rate, b.floor)
	}
}

// State is a look at the budget for metrics.
type State struct {
	Limit    float64       // per second
	Rate     float64       // spent per second, over the last ten seconds
	Spent    float64       // since the start
	Exceeded time.Duration // how long what cannot be thinned has asked for more than the limit
	// Factors is the mean factor of each rule, by what its journeys ask for.
	Factors []float64
}

// State returns the state at now.
func (b *Budget) State(now time.Time) State {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	s := State{
		Limit: b.perSecond, Rate: b.rate, Spent: b.total, Exceeded: b.exceeded,
		Factors: make([]float64, len(b.rules)),
	}
	for i := range b.rules {
		s.Factors[i] = b.rules[i].meanFactor()
	}
	return s
}
