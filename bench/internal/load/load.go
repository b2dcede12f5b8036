// Package load makes the traffic that every system gets: the traces of a shop,
// in the batches in which the SDKs of its services would send them.
//
//	load.go      what it is, and the loop that makes it
//	journeys.go  what the shop's users do: the tree of calls of each journey
//	walk.go      one trace: a walk through such a tree with times and faults
//	shapes.go    names and attributes of each kind of span
//	batch.go     the batch span processor of each service instance, and encoding
//	laps.go      the same load again and again, as other traces each time
package load

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// SlowAfter is the length above which a trace counts as slow. No other trace
// is as long, however late its consumers are.
const SlowAfter = 2 * time.Second

// Settings describe a load. Equal settings make equal bytes.
type Settings struct {
	Seed  uint64
	Spans int // at least; the last trace is finished
	// SpansPerSecond is how busy the shop is. It sets how many traces a batch
	// mixes, also when the batches are sent faster than the shop made them.
	SpansPerSecond int
}

// Request is one encoded ExportTraceServiceRequest.
type Request struct {
	At    time.Duration // when the service sends it, since the shop opened
	Spans int
	Bytes []byte
	// Entry is whether it is the gateway's, which has the roots of all traces.
	Entry bool
}

// Mark is the fingerprint of a complete trace, or of a part of one.
type Mark struct {
	Spans int
	IDs   uint64 // sum of the span ids as big-endian numbers, modulo 2^64
}

// Add adds another part.
func (m *Mark) Add(part Mark) {
	m.Spans += part.Spans
	m.IDs += part.IDs
}

// Kept is a trace that must be kept.
type Kept struct {
	Mark
	Parts []Part
	// Due is when the last of its spans is sent, since the shop opened.
	Due time.Duration
}

// Part is what one request has of a trace.
type Part struct {
	Mark
	Request int  // index in Load.Requests
	Failed  bool // whether one of its spans says that the trace failed
}

// Load is requests in the order in which they are sent.
type Load struct {
	Settings Settings
	Requests []Request
	Spans    int
	Traces   int
	Bytes    int64
	// Attributes is how many the spans have, those of their resources not counted.
	Attributes int64
	// MustKeep has every trace that failed, was slow or is of the rare journey.
	MustKeep map[pcommon.TraceID]*Kept
}

// Length is how long the shop takes for the load; a few requests come later.
func (l *Load) Length() time.Duration {
	return time.Duration(float64(l.Spans) / float64(l.Settings.SpansPerSecond) * float64(time.Second))
}

// LongestPause is the longest time in which no request is due.
func (l *Load) LongestPause() time.Duration {
	longest, last := time.Duration(0), time.Duration(0)
	for i := range l.Requests {
		longest, last = max(longest, l.Requests[i].At-last), l.Requests[i].At
	}
	return longest
}

// spansPerTrace is what the journeys' mix comes to. It only sets how often a
// trace begins; TestLoadIsWhatItSays holds it.
const spansPerTrace = 14.7

// opened is when the shop opened: fixed, so that equal settings make equal bytes.
var opened = time.Date(2026, time.January, 5, 9, 0, 0, 0, time.UTC)

// tick is how finely finished spans are brought into the order of their ends.
const tick = 100 * time.Millisecond

// Generate makes a load.
func Generate(s Settings) (*Load, error) {
	if s.Spans <= 0 || s.SpansPerSecond <= 0 {
		return nil, fmt.Errorf("spans and spans per second must be positive, got %d and %d", s.Spans, s.SpansPerSecond)
	}
	l := &Load{Settings: s, MustKeep: make(map[pcommon.TraceID]*Kept)}
	w := &walker{random: rand.New(rand.NewPCG(s.Seed, 0x6a6f75726e6579))}
	b := newBatches(l)
	between := spansPerTrace / float64(s.SpansPerSecond) * float64(time.Second)
	ended := make(map[time.Duration][]*span) // by tick
	planned, now, done := 0, time.Duration(0), time.Duration(0)
	for planned < s.Spans {
		now += time.Duration(w.random.ExpFloat64() * between)
		// Later traces end later: what ended before this one begins is complete.
		for ; done+tick <= now; done += tick {
			if err := b.add(ended[done], done+tick); err != nil {
				return nil, err
			}
			delete(ended, done)
		}
		t := w.trace(now)
		for _, span := range t.spans {
			slot := span.end.Truncate(tick)
			ended[slot] = append(ended[slot], span)
		}
		planned += len(t.spans)
		l.Traces++
		if t.mustKeep {
			l.MustKeep[t.id] = &Kept{Mark: t.mark()}
		}
	}
	for ; len(ended) > 0; done += tick {
		if err := b.add(ended[done], done+tick); err != nil {
			return nil, err
		}
		delete(ended, done)
	}
	return l, b.flush(done)
}

// byEnd is the order in which spans reach their service's batch.
func byEnd(spans []*span) {
	slices.SortFunc(spans, func(a, b *span) int {
		return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.id, b.id))
	})
}
