package journeyprocessor

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
)

// strikes is how often a suspect may be refused while others are accepted.
const strikes = 5

// suspects are single records that the next component goes on refusing, with
// an error that says it may pass. Either the component is away, then it will;
// or it will not take this record and says so badly, as storage does that
// answers "unavailable" to a value that is too long for its index. Which of
// the two it is shows in what becomes of others: a record that is refused
// again and again while others are accepted is lost, counted and logged.
type suspects struct {
	releaser *releaser
	wg       sync.WaitGroup
	stopping chan struct{} // closed by stop
	reader   reader        // of the goroutine that tries

	mu      sync.Mutex
	waiting []*suspect
}

type suspect struct {
	*released
	strikes  int
	accepted int64 // of the releaser, when it was last refused
}

func (s *suspects) start(ctx context.Context, r *releaser) {
	s.releaser, s.reader, s.stopping = r, r.store.newReader(), make(chan struct{})
	s.wg.Go(func() { s.run(ctx) })
}

// add takes v over.
func (s *suspects) add(v *released) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, &suspect{released: v, accepted: s.releaser.accepted.Load()})
}

// stop tries them until all are taken or the releaser gives up; what is refused
// then is lost.
func (s *suspects) stop() {
	close(s.stopping)
	s.wg.Wait()
}

// suspectPause is the longest pause between two rounds of tries; five strikes
// then take 25 s at least.
const suspectPause = 5 * time.Second

// run tries them all in turn, no less often than the releaser retries.
func (s *suspects) run(ctx context.Context) {
	pause := suspectPause
	if longest := s.releaser.config.Retry.MaxInterval; longest > 0 {
		pause = min(pause, longest)
	}
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.tryAll(ctx, false)
		case <-s.stopping:
			s.drain(ctx)
			return
		}
	}
}

func (s *suspects) drain(ctx context.Context) {
	wait := s.releaser.newBackOff()
	for s.tryAll(ctx, false) > 0 {
		timer := time.NewTimer(wait.NextBackOff())
		select {
		case <-ctx.Done():
			timer.Stop()
			s.tryAll(ctx, true)
			return
		case <-timer.C:
		}
	}
}

// tryAll returns how many are left.
func (s *suspects) tryAll(ctx context.Context, last bool) int {
	s.mu.Lock()
	all := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	var again []*suspect
	for _, v := range all {
		if !s.try(ctx, v, last) {
			again = append(again, v)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(again, s.waiting...)
	return len(s.waiting)
}

// try offers one record and says whether that settled it.
func (s *suspects) try(ctx context.Context, v *suspect, last bool) bool {
	r := s.releaser
	batch := []*released{v.released}
	request, err := s.reader.join(batch)
	if err != nil {
		r.settle(ctx, batch, lostDamaged, err)
		return true
	}
	err = r.deliver(ctx, request, batch)
	if accepted := r.accepted.Load(); err != nil && accepted > v.accepted {
		v.strikes++
		v.accepted = accepted
	}
	switch {
	case err == nil:
		r.accepted.Add(1)
		r.settle(ctx, batch, "", nil)
	case !consumererror.IsPermanent(err) && r.leave(v.released):
	case last:
		r.settle(ctx, batch, lostShutdown, err)
	case consumererror.IsPermanent(err) || v.strikes >= strikes:
		r.settle(ctx, batch, lostRefused, err)
	default:
		r.count.retried(ctx)
		return false
	}
	return true
}
