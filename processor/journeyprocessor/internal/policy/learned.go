package policy

import (
	"slices"
	"time"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
)

// Learned is what a processor has learned from the journeys it has decided
// about: how long they take, which shapes have come, which calls are answered.
// All decisions of a processor share one; any goroutine may use it.
type Learned struct {
	durations *durations // nil if no rule asks about percentiles
	shapes    *shapes
	calls     calls
}

// NewLearned makes what p's rules ask, with nothing learned yet, and readies
// the rules to ask it. Call it once, before p is in use.
func (p *Policy) NewLearned(percentiles Percentiles, maxShapes int) *Learned {
	l := &Learned{shapes: &shapes{max: maxShapes, seen: make(map[shapeKey]shapeCount)}}
	d := &durations{Percentiles: percentiles, byName: make(map[string]*learnedDurations)}
	conditions := 0
	for i := range p.Rules {
		p.Rules[i].When.ready(d, &conditions)
	}
	p.UsesShapes = conditions > 0
	if len(d.asked[rootDuration])+len(d.asked[wholeDuration]) > 0 {
		l.durations = d
	}
	return l
}

// ready gives w its places in what is learned, and puts last what counts when
// it is asked, so that it is asked only if all else holds.
func (w *When) ready(d *durations, conditions *int) {
	if w.SlowerThan.Quantile > 0 {
		w.SlowerThan.place = d.ask(rootDuration, w.SlowerThan.Quantile)
	}
	if w.LongerThan.Quantile > 0 {
		w.LongerThan.place = d.ask(wholeDuration, w.LongerThan.Quantile)
	}
	if w.FirstOfShape > 0 {
		w.shapes = *conditions
		*conditions++
	}
	if w.Not != nil {
		w.Not.ready(d, conditions)
	}
	for _, nested := range [][]When{w.All, w.Any} {
		for i := range nested {
			nested[i].ready(d, conditions)
		}
		slices.SortStableFunc(nested, func(a, b When) int { return boolInt(a.usesShape()) - boolInt(b.usesShape()) })
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Learn adds a journey that has been decided, so that no decision depends on
// itself. What an early decision has not waited for teaches nothing: not how
// long the whole takes, nor which calls stay unanswered.
func (l *Learned) Learn(f *facts.Facts, d *Decision, ending Ending, now time.Time) {
	if f.Spans == 0 {
		return
	}
	if ending == Waited {
		l.calls.learn(f)
	}
	if l.durations == nil {
		return
	}
	took := [measures]int64{rootDuration: -1, wholeDuration: -1}
	if root := f.Root(); root != nil {
		took[rootDuration] = int64(root.Duration())
	}
	if ending == Waited {
		took[wholeDuration] = int64(f.Duration())
	}
	l.durations.learn(d.Journey, took, now)
}

// Shapes is how many shapes are told apart at the moment, and how many
// journeys found no room for theirs so far.
func (l *Learned) Shapes() (told int, untracked int64) {
	l.shapes.mu.Lock()
	defer l.shapes.mu.Unlock()
	return len(l.shapes.seen), l.shapes.untracked
}
