package policy

import (
	"fmt"
	"strconv"
	"time"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/match"
)

// When holds if all that is set in it holds.
type When struct {
	Outcome    *Outcome
	Journey    string
	SlowerThan Limit // the root span
	LongerThan Limit // everything, from first start to last end
	SpansOver  int   // 0 asks for nothing
	Match      *match.Index
	All, Any   []When
	Not        *When

	// FirstOfShape, if not 0, is how many journeys of each shape hold in the
	// interval Every. Asking counts, so it comes last, and a rule may have one.
	FirstOfShape int
	Every        time.Duration
	shapes       int // this condition's own number
}

// Limit is a duration, or a quantile of those of the journey's name. The zero
// value asks for nothing.
type Limit struct {
	Fixed    time.Duration
	Quantile float64 // from 0 to 1, without both
	place    int     // of the quantile in what has been learned
}

func (l Limit) isSet() bool { return l.Fixed > 0 || l.Quantile > 0 }

// asking is one decision's question to the rules.
type asking struct {
	facts    *facts.Facts
	decision *Decision
	ending   Ending
	learned  *Learned
	now      time.Time
}

// holds says whether w holds and, if there is something to say beyond what the
// user wrote, why.
func (w *When) holds(a *asking) (ok bool, reason string) {
	if w.Outcome != nil && a.decision.Outcome != *w.Outcome ||
		w.Journey != "" && a.decision.Journey != w.Journey ||
		w.Match != nil && !a.facts.Held.Has(*w.Match) {
		return false, ""
	}
	if w.SpansOver > 0 {
		if a.facts.Spans <= w.SpansOver {
			return false, ""
		}
		reason = fmt.Sprintf("%d spans, over %d", a.facts.Spans, w.SpansOver)
	}
	if w.SlowerThan.isSet() {
		root := a.facts.Root()
		if root == nil || !w.SlowerThan.isExceeded(a, rootDuration, root.Duration(), &reason) {
			return false, ""
		}
	}
	if w.LongerThan.isSet() && !w.LongerThan.isExceeded(a, wholeDuration, a.facts.Duration(), &reason) {
		return false, ""
	}
	if !w.nestedHold(a, &reason) {
		return false, ""
	}
	if w.FirstOfShape > 0 && !w.isFirstOfShape(a, &reason) {
		return false, ""
	}
	return true, reason
}

// nestedHold asks All, Any and Not.
func (w *When) nestedHold(a *asking, reason *string) bool {
	if w.Not != nil {
		if ok, _ := w.Not.holds(a); ok {
			return false
		}
	}
	for i := range w.All {
		ok, why := w.All[i].holds(a)
		if !ok {
			return false
		}
		if why != "" {
			*reason = why
		}
	}
	for i := range w.Any {
		if ok, why := w.Any[i].holds(a); ok {
			if why != "" {
				*reason = why
			}
			return true
		}
	}
	return len(w.Any) == 0
}

// measureWords begin a reason.
var measureWords = [measures][2]string{
	rootDuration:  {"root span took ", "slower than "},
	wholeDuration: {"lasted ", "longer than "},
}

// isExceeded says whether ns is over the limit. As long as a quantile is not
// known, nothing is.
func (l *Limit) isExceeded(a *asking, m measure, ns uint64, reason *string) bool {
	limit, words := uint64(l.Fixed), l.Fixed.String()
	if l.Quantile > 0 {
		var known bool
		if limit, known = a.learned.durations.limit(a.decision.Journey, m, l.place, a.now); !known {
			return false
		}
		words = l.name() + " of this journey (" + round(limit) + ")"
	}
	if ns <= limit {
		return false
	}
	*reason = measureWords[m][0] + round(ns) + ", " + measureWords[m][1] + words
	return true
}

// name is how a user writes the quantile.
func (l *Limit) name() string { return "p" + strconv.FormatFloat(l.Quantile*100, 'g', 10, 64) }

// isFirstOfShape counts the journey. What was not waited for has only part of
// its shape, which would look new.
func (w *When) isFirstOfShape(a *asking, reason *string) bool {
	if a.ending == Early || a.facts.Spans == 0 {
		return false
	}
	key := shapeKey{condition: w.shapes, shape: a.facts.Shape()}
	if !a.learned.shapes.take(key, w.FirstOfShape, w.Every, a.now) {
		return false
	}
	*reason = fmt.Sprintf("one of the first %d of its shape in %s", w.FirstOfShape, w.Every)
	return true
}

// usesShape says whether asking w counts.
func (w *When) usesShape() bool {
	if w.FirstOfShape > 0 || w.Not != nil && w.Not.usesShape() {
		return true
	}
	for i := range w.All {
		if w.All[i].usesShape() {
			return true
		}
	}
	for i := range w.Any {
		if w.Any[i].usesShape() {
			return true
		}
	}
	return false
}

// round leaves what a reader can use.
func round(ns uint64) string {
	unit := time.Millisecond
	if ns < uint64(10*time.Millisecond) {
		unit = time.Microsecond
	}
	return time.Duration(ns).Round(unit).String()
}
