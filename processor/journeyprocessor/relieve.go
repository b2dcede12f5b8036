package journeyprocessor

import (
	"context"
	"time"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

// parkMargin is how long a trace must still have to wait for parking to be
// worth it.
const parkMargin = 2 * time.Second

// mayPark says whether it is time to park t. What is to be decided in a moment
// is left as it is, and looked at again then.
func (s *shard) mayPark(t *trace, now instant) bool {
	if t.parkAt == 0 || t.parkAt > now {
		return false
	}
	if t.due < now.add(parkMargin) {
		t.parkAt = now.add(parkMargin)
		return false
	}
	return true
}

// park parks what a trace holds, if that is worth it, and returns the bytes
// saved. What is not parked is looked at again in a while, when more of what it
// came with may have gone.
func (s *shard) park(t *trace, now instant) int64 {
	before := t.spans.size() + t.logs.size()
	saved := s.parker.park(&t.spans, stranded) + s.parker.park(&t.logs, stranded)
	if t.parkAt = 0; !t.spans.allParked(s.engine.store.bundles) || !t.logs.allParked(s.engine.store.bundles) {
		t.parkAt = now.add(s.engine.config.Buffer.ParkAfter.d)
	}
	if saved > 0 {
		s.engine.telemetry.ProcessorJourneyParkedTraces.Add(context.Background(), 1)
	}
	fewer := before - t.spans.size() - t.logs.size()
	t.size -= fewer
	s.engine.store.buffer.add(-fewer)
	return saved + fewer
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
	now := s.engine.instant(s.engine.now())
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
		if t.parkAt != 0 {
			bytes -= s.park(t, now)
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
			freed += s.engine.store.weight(t)
			s.decide(t, policy.Early, earlyMemory)
		}
		t = next
	}
	return freed
}
