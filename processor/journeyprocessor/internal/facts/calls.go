package facts

import (
	"slices"

	"github.com/cespare/xxhash/v2"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// serviceKey stands for a service's name, in 29 bits; 0 is no service. Two of
// a hundred services share one in one of 54,000 deployments; an edge between
// them would then be overlooked.
type serviceKey uint32

func newServiceKey(name string) serviceKey {
	return serviceKey(xxhash.Sum64String(name)>>(64-32+belowFlags)) | 1
}

// CallKey stands for the service, the operation and the kind of a span that
// asks for an answer: a client's or a producer's. 0 is no call. Producers sort
// before clients, so that a bound leaves them last.
type CallKey uint64

const clientCall CallKey = 1 << 63

// IsProducer says whether the call is a message.
func (k CallKey) IsProducer() bool { return k&clientCall == 0 }

func newCallKey(service serviceKey, span ptrace.Span) CallKey {
	kind := span.Kind()
	if kind != ptrace.SpanKindClient && kind != ptrace.SpanKindProducer {
		return 0
	}
	key := CallKey(mix(xxhash.Sum64String(span.Name())^uint64(service))) | 1
	if kind == ptrace.SpanKindProducer {
		return key &^ clientCall
	}
	return key | clientCall
}

// mix spreads the bits of x (the finalizer of MurmurHash3).
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// maxCalls is how many different calls of a large trace are told apart. Of
// more than that the producers and, of the clients, always the same ones stay.
const maxCalls = 64

// callCounts counts a trace's calls by their keys, in their order.
type callCounts []callCount

type callCount struct {
	key             CallKey
	total, answered int32
}

// add counts the node's call, if it is one, by times.
func (c *callCounts) add(n *node, by int32) {
	if n.call == 0 {
		return
	}
	i, found := slices.BinarySearchFunc(*c, n.call, func(one callCount, k CallKey) int {
		switch {
		case one.key < k:
			return -1
		case one.key > k:
			return 1
		}
		return 0
	})
	if !found {
		if i == maxCalls || by < 0 {
			return
		}
		if len(*c) == maxCalls {
			*c = (*c)[:maxCalls-1]
		}
		*c = slices.Insert(*c, i, callCount{key: n.call})
	}
	(*c)[i].total += by
	if n.isAnswered() {
		(*c)[i].answered += by
	}
}

// Calls are what is known of a trace's calls with one key: how many were seen,
// and how many of them have been answered.
type Calls struct {
	Key            CallKey
	Seen, Answered int
}

// Calls iterates over what is known of the trace's calls. A producer is
// answered by a consumer's or the broker's span below it, a client by a span of
// another service below it. A key may come up several times.
func (f *Facts) Calls(yield func(Calls) bool) {
	l := &f.lineage
	if l.ids.isLarge() {
		for _, c := range *l.calls {
			if c.total > 0 && !yield(Calls{c.key, int(c.total), int(c.answered)}) {
				return
			}
		}
		return
	}
	for i := range l.ids.nodes {
		n := &l.ids.nodes[i]
		if n.call == 0 {
			continue
		}
		call := Calls{Key: n.call, Seen: 1}
		if n.isAnswered() {
			call.Answered = 1
		}
		if !yield(call) {
			return
		}
	}
}
