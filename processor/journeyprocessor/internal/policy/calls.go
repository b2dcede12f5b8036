package policy

import (
	"sync"
	"sync/atomic"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
)

// calls learns which calls are followed by a span of whoever they call: those
// of a traced service are, a database's are not. Any goroutine may use it. It
// is a table of 4096 calls, 64 KiB; those seen least make room for new ones.
type calls struct {
	mu   sync.Mutex // for making a place; nothing else needs it
	sets [callSets][callWays]learnedCall
}

const callSets, callWays = 512, 8

// learnedCall is a call and how often it was seen. Who reads it while it
// changes may get the answer for another call, once.
type learnedCall struct {
	key    atomic.Uint64
	counts atomic.Uint64 // how many were seen << 32 | how many were answered
}

const (
	// callsKnown is how many calls make an experience.
	callsKnown = 8
	// callsRemembered is how many count at most: then both counts are halved,
	// so that the latest count most.
	callsRemembered = 1 << 10
)

// experience is what is known of a call.
type experience uint8

const (
	unknownCall experience = iota
	unansweredCall
	answeredCall
)

func (c *calls) set(key facts.CallKey) *[callWays]learnedCall {
	return &c.sets[uint64(key)>>20%callSets]
}

// find returns the call's entry, nil if it has none.
func (c *calls) find(key facts.CallKey) *learnedCall {
	set := c.set(key)
	for i := range set {
		if set[i].key.Load() == uint64(key) {
			return &set[i]
		}
	}
	return nil
}

func (c *calls) ask(key facts.CallKey) experience {
	call := c.find(key)
	if call == nil {
		return unknownCall
	}
	counts := call.counts.Load()
	switch seen, answered := counts>>32, counts&(1<<32-1); {
	case seen < callsKnown:
		return unknownCall
	case 2*answered >= seen:
		return answeredCall
	default:
		return unansweredCall
	}
}

// learn adds all calls of a journey that was waited for.
func (c *calls) learn(f *facts.Facts) {
	for seen := range f.Calls {
		call := c.find(seen.Key)
		if call == nil {
			call = c.place(seen.Key)
		}
		if call != nil {
			call.add(uint64(seen.Seen), uint64(seen.Answered))
		}
	}
}

func (call *learnedCall) add(seen, answered uint64) {
	for {
		counts := call.counts.Load()
		s, a := counts>>32+seen, counts&(1<<32-1)+answered
		for s > callsRemembered {
			s, a = s/2, a/2
		}
		if call.counts.CompareAndSwap(counts, s<<32|a) {
			return
		}
	}
}

// place finds or makes the entry of a call. In a full set the call seen least
// loses half of its count each time a new one asks, and its place at last: a
// stranger's ever new names displace each other, and not what comes often.
func (c *calls) place(key facts.CallKey) *learnedCall {
	c.mu.Lock()
	defer c.mu.Unlock()
	set := c.set(key)
	least := &set[0]
	for i := range set {
		if set[i].key.Load() == uint64(key) {
			return &set[i]
		}
		if set[i].counts.Load()>>32 < least.counts.Load()>>32 {
			least = &set[i]
		}
	}
	if counts := least.counts.Load(); counts>>32 > 1 {
		least.counts.Store(counts>>33<<32 | counts&(1<<32-1)/2)
		return nil
	}
	least.counts.Store(0)
	least.key.Store(uint64(key))
	return least
}
