package policy

import (
	"sync"
	"time"
)

// Percentiles says how durations are learned.
type Percentiles struct {
	// MinJourneys is how many journeys of a name must have been seen before
	// one of that name is held against a percentile.
	MinJourneys int
	Window      time.Duration // how far back durations count
	MaxNames    int           // how many names are told apart; the others share one
}

// measure is which of a journey's durations is meant.
type measure uint8

const (
	rootDuration measure = iota
	wholeDuration
	measures // how many there are
)

// otherNames is where journeys learn whose names are too many.
const otherNames = ""

// durations learns how long journeys take, by their names. Any goroutine may
// use it. It takes 9.5 KiB for each name and measure that a rule asks about.
type durations struct {
	Percentiles
	asked [measures][]float64 // the quantiles that rules ask about

	mu     sync.RWMutex
	byName map[string]*learnedDurations // guarded by mu; the entries by their own
}

// learnedDurations is what is known of the journeys of one name.
type learnedDurations struct {
	mu       sync.Mutex // for all below
	sketches [measures]sketch
	limits   [measures]limits
}

// limits are the quantiles asked about, as they were when last looked up.
type limits struct {
	values []uint64 // ns, in the order in which they are asked about
	at     time.Time
	fresh  int // how many durations have come since
}

// Quantiles are looked up again after so much time and so many durations:
// walking the buckets takes a microsecond, a decision should not.
const (
	limitsAge   = time.Second
	limitsCount = 512
)

// ask makes d ready to answer for a quantile and returns its place.
func (d *durations) ask(m measure, q float64) int {
	for i, known := range d.asked[m] {
		if known == q {
			return i
		}
	}
	d.asked[m] = append(d.asked[m], q)
	return len(d.asked[m]) - 1
}

// limit returns the quantile asked about at the place, in nanoseconds. It is
// false as long as too few journeys of that name have been seen.
func (d *durations) limit(name string, m measure, place int, now time.Time) (uint64, bool) {
	d.mu.RLock()
	known := d.find(name)
	d.mu.RUnlock()
	if known == nil {
		return 0, false
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	s := &known.sketches[m]
	if s.seen() < uint64(d.MinJourneys) {
		return 0, false
	}
	l := &known.limits[m]
	if l.values == nil || l.fresh >= limitsCount || now.Sub(l.at) >= limitsAge {
		l.look(s, d.asked[m], now)
	}
	return l.values[place], true
}

func (l *limits) look(s *sketch, asked []float64, now time.Time) {
	if l.values == nil {
		l.values = make([]uint64, len(asked))
	}
	for i, q := range asked {
		l.values[i] = s.quantile(q)
	}
	l.at, l.fresh = now, 0
}

// learn adds the durations of a journey; a negative one is not known.
func (d *durations) learn(name string, took [measures]int64, now time.Time) {
	known := d.open(name)
	known.mu.Lock()
	defer known.mu.Unlock()
	for m, ns := range took {
		if ns < 0 || len(d.asked[m]) == 0 {
			continue
		}
		known.sketches[m].add(uint64(ns), now, d.Window, uint64(d.MinJourneys))
		known.limits[m].fresh++
	}
}

// find returns what is known under the name, or under the one for those that
// are too many. Nil if nothing is.
func (d *durations) find(name string) *learnedDurations {
	if known, ok := d.byName[name]; ok {
		return known
	}
	if len(d.byName) < d.MaxNames {
		return nil
	}
	return d.byName[otherNames]
}

func (d *durations) open(name string) *learnedDurations {
	d.mu.RLock()
	known := d.find(name)
	d.mu.RUnlock()
	if known != nil {
		return known
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.find(name); known != nil {
		return known
	}
	if len(d.byName) >= d.MaxNames {
		name = otherNames
	}
	known = &learnedDurations{}
	d.byName[name] = known
	return known
}
