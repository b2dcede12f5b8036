package ownmetrics

import (
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// maxSets is how many sets of attributes a component's label remembers, about half a
// kilobyte each: more than the SDK keeps apart in one metric (2,000). What comes
// beyond is put together anew each time.
const maxSets = 4096

// label adds a component's id to sets of attributes. Any goroutine may use it.
//
// Merged by the SDK with every call, it would cost 3 µs and six allocations for each
// journey; looked up, some 30 ns and none (BenchmarkRecord).
type label struct {
	id    attribute.KeyValue
	sets  sync.Map // attribute.Distinct of what the caller gave: *options
	count atomic.Int64
}

// options are one set of attributes with the id, for every kind of call. They are
// shared, and changed by nobody.
type options struct {
	add     []metric.AddOption
	record  []metric.RecordOption
	observe []metric.ObserveOption
}

func (l *label) of(set attribute.Set) *options {
	key := set.Equivalent()
	if known, ok := l.sets.Load(key); ok {
		return known.(*options)
	}
	all := metric.WithAttributeSet(attribute.NewSet(append(set.ToSlice(), l.id)...))
	made := &options{
		add: []metric.AddOption{all}, record: []metric.RecordOption{all}, observe: []metric.ObserveOption{all},
	}
	if l.count.Load() >= maxSets {
		return made
	}
	known, loaded := l.sets.LoadOrStore(key, made)
	if !loaded {
		l.count.Add(1)
	}
	return known.(*options)
}
