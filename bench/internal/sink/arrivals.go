package sink

import (
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/load"
)

// Arrival is what has come of one trace that must be kept.
type Arrival struct {
	Trace *load.Kept
	Lap   int
	// Mark is of the spans that came, each counted once.
	load.Mark
	Doubled int       // spans that came again
	Last    time.Time // when the last span came that had not come before
}

// arrivals records spans by trace. It is safe for concurrent use.
type arrivals struct {
	watched map[load.Key]int // index in traces; neither changes
	traces  []*load.Kept
	seen    spanSet
	doubled atomic.Int64

	mu   sync.RWMutex
	laps map[int][]arrival // as traces
}

type arrival struct {
	spans, ids, doubled atomic.Uint64
	last                atomic.Int64 // ns since the Unix epoch
}

func newArrivals(mustKeep map[pcommon.TraceID]*load.Kept) *arrivals {
	a := &arrivals{watched: make(map[load.Key]int, len(mustKeep)), laps: make(map[int][]arrival)}
	for id, trace := range mustKeep {
		a.watched[load.KeyOf(id)] = len(a.traces)
		a.traces = append(a.traces, trace)
	}
	return a
}

// add records one span; of a trace that is not watched only with everySpan.
func (a *arrivals) add(lap int, key load.Key, span uint64, now int64, everySpan bool) {
	i, watched := a.watched[key]
	if !watched && !everySpan {
		return
	}
	first := a.seen.add(spanKey{lap, span})
	if !first {
		a.doubled.Add(1)
	}
	if !watched {
		return
	}
	t := &a.lap(lap)[i]
	if !first {
		t.doubled.Add(1)
		return
	}
	t.spans.Add(1)
	t.ids.Add(span)
	t.last.Store(now)
}

// lap is the arrivals of one lap, made when its first span comes.
func (a *arrivals) lap(n int) []arrival {
	a.mu.RLock()
	lap, ok := a.laps[n]
	a.mu.RUnlock()
	if ok {
		return lap
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if lap, ok = a.laps[n]; !ok {
		lap = make([]arrival, len(a.traces))
		a.laps[n] = lap
	}
	return lap
}

func (a *arrivals) list(laps int) []Arrival {
	all := make([]Arrival, 0, laps*len(a.traces))
	for n := range laps {
		lap := a.lap(n)
		for i := range lap {
			t := &lap[i]
			all = append(all, Arrival{
				Trace: a.traces[i], Lap: n, Mark: load.Mark{Spans: int(t.spans.Load()), IDs: t.ids.Load()},
				Doubled: int(t.doubled.Load()), Last: since(t.last.Load()),
			})
		}
	}
	return all
}

func since(epoch int64) time.Time {
	if epoch == 0 {
		return time.Time{}
	}
	return time.Unix(0, epoch)
}

// spanKey is a span: generated span ids are random, so they differ in a lap.
type spanKey struct {
	lap int
	id  uint64
}

// spanSet is a set in parts, so that few of those who add wait for each other.
type spanSet [64]struct {
	mu   sync.Mutex
	keys map[spanKey]struct{}
}

// add says whether the key is new.
func (s *spanSet) add(k spanKey) bool {
	part := &s[k.id>>8%uint64(len(s))] // the lowest bit of an id is always set
	part.mu.Lock()
	defer part.mu.Unlock()
	if part.keys == nil {
		part.keys = make(map[spanKey]struct{})
	}
	before := len(part.keys)
	part.keys[k] = struct{}{}
	return len(part.keys) > before
}
