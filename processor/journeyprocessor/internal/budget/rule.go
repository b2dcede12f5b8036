package budget

import (
	"cmp"
	"math"
	"slices"
	"time"
)

const (
	// maxJourneys bounds how many journeys of a rule are told apart. Names can
	// come from spans and so from anybody.
	maxJourneys = 512
	// forgetAfter is how long a journey that no longer comes is remembered.
	forgetAfter = 30 * time.Second
)

// rule is one sampling rule's journeys and what they ask for.
type rule struct {
	fixed    bool
	byName   map[string]*journey
	journeys []*journey // all of byName and other, by demand when last shared
	// other stands for journeys whose name has not been seen before, and for
	// those for which there is no room. A name that comes once and never again
	// could otherwise not be thinned: nothing is known of it.
	other *journey
	// demand is measured of the whole rule, too: having more events it knows
	// sooner when a burst has ended. The journeys' own say how it is divided.
	demand meter
	sum    float64 // of the journeys' rates
}

type journey struct {
	name     string
	demand   meter
	factor   float64
	last     time.Time // when it came last
	returned bool      // it has come more than once
}

func newRule(fixed bool) rule {
	other := &journey{factor: 1}
	return rule{fixed: fixed, byName: make(map[string]*journey), other: other, journeys: []*journey{other}}
}

// journey returns the journey that name counts as.
func (r *rule) journey(name string, now time.Time) *journey {
	j, ok := r.byName[name]
	switch {
	case ok:
		j.last, j.returned = now, true
		return j
	case len(r.byName) < maxJourneys:
		j = &journey{name: name, factor: r.other.factor, last: now}
		r.byName[name] = j
		r.journeys = append(r.journeys, j)
	}
	return r.other
}

// measure ends the interval for all journeys and forgets those that no longer
// come; when there is no room, also those that have come only once.
func (r *rule) measure(seconds float64, now time.Time) {
	crowded := len(r.byName) >= maxJourneys
	r.demand.measure(seconds)
	r.sum = 0
	r.journeys = slices.DeleteFunc(r.journeys, func(j *journey) bool {
		if j != r.other && (now.Sub(j.last) > forgetAfter || crowded && !j.returned) {
			delete(r.byName, j.name)
			return true
		}
		j.demand.measure(seconds)
		r.sum += j.demand.rate
		return false
	})
}

// share gives the journeys an even part of what the rule may spend per second.
// What one does not ask for is for the others.
func (r *rule) share(perSecond, floor float64) {
	if perSecond >= r.demand.rate*(1-1e-9) {
		for _, j := range r.journeys {
			j.factor = 1
		}
		return
	}
	slices.SortFunc(r.journeys, func(a, b *journey) int { return cmp.Compare(a.demand.rate, b.demand.rate) })
	perSecond *= r.sum / r.demand.rate // in the measure of the journeys' rates
	for i, j := range r.journeys {
		// Once a journey asks for more than an even part, so do all after it,
		// and the part stays what it is.
		part := min(perSecond/float64(len(r.journeys)-i), j.demand.rate)
		perSecond -= part
		j.factor = 1
		if part < j.demand.rate {
			j.factor = max(floor, part/j.demand.rate)
		}
	}
}

func (r *rule) meanFactor() float64 {
	if r.sum <= 0 {
		return 1
	}
	sum := 0.0
	for _, j := range r.journeys {
		sum += j.factor * j.demand.rate
	}
	return sum / r.sum
}

const (
	// A meter remembers the last measuredOver events, but not more than
	// slowest and not less than fastest: a busy journey's burst shows at once,
	// a quiet one's rate is not made up of a single event.
	measuredOver = 50
	fastest      = 0.3 // seconds
	slowest      = 3.0 // seconds
)

// meter smooths what was added per second.
type meter struct {
	rate   float64
	sum    float64
	events float64
}

func (m *meter) add(cost float64) {
	m.sum += cost
	m.events++
}

// measure ends an interval.
func (m *meter) measure(seconds float64) {
	if seconds <= 0 {
		return
	}
	memory := slowest
	if m.events > 0 {
		memory = min(max(seconds*measuredOver/m.events, fastest), slowest)
	}
	m.rate += (1 - math.Exp(-seconds/memory)) * (m.sum/seconds - m.rate)
	m.sum, m.events = 0, 0
}
