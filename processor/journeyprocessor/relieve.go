package journeyprocessor

import (
	"context"
	"time"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

const (
	// parkBytes is the least that is worth packing: less than that does not
	// get smaller by more than the parcel takes.
	parkBytes = 512
	// parkMargin is how long a trace must still have to wait to be worth it.
	parkMargin = 2 * time.Second
)

// mayPark says whether it is time to park t. What is to be decided in a moment
// is left as it is, and looked at again then.
func (s *shard) mayPark(t *trace, now time.Time) bool {
	if t.parkAt.IsZero() || t.parkAt.After(now) {
		return false
	}
	if t.due.Sub(now) < parkMargin {
		t.parkAt = now.Add(parkMargin)
		return false
	}
	return true
}

// park packs what a trace holds as it came, and returns the bytes saved.
func (s *shard) park(t *trace) int64 {
	t.parkAt = time.Time{}
	before := t.spans.size() + t.logs.size()
	parcels := s.parker.park(&t.spans) + s.parker.park(&t.logs)
	if parcels == 0 {
		return 0
	}
	s.engine.telemetry.ProcessorJourneyParkedParcels.Add(context.Background(), int64(parcels))
	saved := before - t.spans.size() - t.logs.size()
	t.size -= saved
	s.engine.store.buffer.add(-saved)
	return saved
}

// park packs the pieces of holdings if that is worth it, and returns how many
// parcels it made.
func (k *parker) park(h *holdings) int {
	var bytes int64
	for i := range h.pieces {
		bytes += int64(h.pieces[i].records.Len())
	}
	if bytes < parkBytes {
		return 0
	}
	h.parcels = append(h.parcels, k.pack(h.pieces))
	h.pieces = nil
	return 1
}

// relieve does what the level of overload asks for, each shard for its part of
// what is used too much.
func (s *shard) relieve() {
	b := s.engine.store.buffer
	at := b.observe()
	if at == calm {
		return
	}
	share := int64(len(s.engine.shards))
	excess := b.excess(parking) / share
	excess -= s.letGo(excess)
	if s.parkOldest(excess); at < deciding {
		return
	}
	excess = b.excess(deciding) / share
	if excess -= s.decideOldest(excess, true); excess > 0 {
		s.decideOldest(excess, false)
	}
}

// relieveAtOnce is how many traces are looked at in one go, so that what
// arrives meanwhile does not wait for long.
const relieveAtOnce = 4096

// parkOldest goes on where it stopped the last time, from the oldest trace to
// the newest, until that many bytes are saved. At the newest it stops until the
// next tick, when there may be something to park again: while much is parked
// already, another round with each batch would cost more than all else.
func (s *shard) parkOldest(bytes int64) {
	for range relieveAtOnce {
		if bytes <= 0 || s.swept {
			return
		}
		t := s.sweep
		if t == nil {
			t = s.oldest
		}
		if t == nil {
			return
		}
		if s.sweep = t.newer; s.sweep == nil {
			s.swept = true
		}
		if !t.parkAt.IsZero() {
			bytes -= s.park(t)
		}
	}
}

// decideOldest decides the oldest traces early until that many bytes are freed,
// and returns how many were. Whole traces, which only wait for quiet, come
// first: nothing is known to be missing from them.
func (s *shard) decideOldest(bytes int64, whole bool) (freed int64) {
	t := s.oldest
	for range relieveAtOnce {
		if t == nil || freed >= bytes {
			break
		}
		next := t.newer
		if !whole || policy.IsWhole(t.facts) {
			freed += t.size
			s.decide(t, policy.Early, earlyMemory)
		}
		t = next
	}
	return freed
}
