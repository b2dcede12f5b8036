// Package memory remembers what was decided about traces, in few bytes each,
// so that what comes late follows its trace's decision.
//
// A trace is not remembered by its id but by 40 bits of a hash of the whole id
// (a fingerprint) at a place that the hash's other bits give. That takes 7.2
// bytes of a dropped trace and at most 32 of a kept one, whose weight and
// journey late spans need as well. The price is that a trace never seen may be
// taken for one that was: see FalseAnswers.
package memory

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// FalseAnswers bounds the probability that Lookup calls a trace decided that
// was not, when the memory is full: eight generations in each of two tables,
// in a full generation 6.1 fingerprints compared on average (Knuth's formula for linear probing
// at a load of 0.7, (1+1/(1-load)²)/2), each equal by chance once in 2^40. At
// a thousand new traces a second that is one in about four months.
const FalseAnswers = 1e-10

// Answer is what is remembered of a trace.
type Answer uint8

// The answers.
const (
	Unknown Answer = iota // never decided, or forgotten
	Dropped
	Kept
)

// Verdict is what spans need that follow the decision to keep their trace.
type Verdict struct {
	// Journey is the journey's name; "" if there was no room for it.
	Journey string
	// Weight is for the caller to interpret; all of its bits are remembered.
	Weight uint64
}

// Decisions remembers the latest decisions. It takes no memory until the first
// one, and then grows a generation at a time. One goroutine at a time.
type Decisions struct {
	kept, dropped table
}

// New makes a memory of at most that many decisions of each kind; 0 remembers
// none. The seed must be unknown to those who send trace ids: who knows it can
// make ids that are taken for each other.
func New(seed Seed, kept, dropped int) *Decisions {
	return &Decisions{kept: newTable(seed, kept, true), dropped: newTable(seed, dropped, false)}
}

// Keep remembers that a trace was kept, whatever was remembered of it before.
func (d *Decisions) Keep(id pcommon.TraceID, v Verdict) { d.kept.put(id, v) }

// Drop remembers that a trace was dropped. One that is remembered as kept
// stays kept.
func (d *Decisions) Drop(id pcommon.TraceID) { d.dropped.put(id, Verdict{}) }

// Lookup says what was decided about a trace; the verdict is that of a kept one.
func (d *Decisions) Lookup(id pcommon.TraceID) (Answer, Verdict) {
	if g, slot := d.kept.find(id); g != nil {
		return Kept, g.verdict(slot)
	}
	if g, _ := d.dropped.find(id); g != nil {
		return Dropped, Verdict{}
	}
	return Unknown, Verdict{}
}

// Adopt takes over what others remember, as older than all that d does: after
// a restart or a reload. Their sizes and seeds may be others than d's. They
// must not be used for anything else from then on but to be adopted by others:
// what is adopted is only read, and may be shared.
func (d *Decisions) Adopt(others ...*Decisions) {
	for _, o := range others {
		d.kept.adopt(&o.kept)
		d.dropped.adopt(&o.dropped)
	}
}

// Len is how many decisions are remembered; those that several have adopted
// count for each.
func (d *Decisions) Len() (kept, dropped int) { return d.kept.len(), d.dropped.len() }

// Size is the memory that d takes, in bytes, without what it has adopted.
func (d *Decisions) Size() int64 { return d.kept.size() + d.dropped.size() }
