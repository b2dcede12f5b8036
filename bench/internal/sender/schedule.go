package sender

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// item is a request of a lap.
type item struct{ lap, request int }

// place is where in a lap a request is due. A lap is as long as the shop took
// for the load; what is due after that is sent in a later one, between the
// requests that belong there.
type place struct {
	request int
	at      time.Duration // since that lap begins, in the shop's time
	later   int           // by how many laps
}

// plan puts all that is to be sent into items, at a pace each when it is due,
// and says how many laps it began. It returns early if ctx ends.
func (s *sending) plan(ctx context.Context, items chan<- item) (laps int) {
	if s.Laps == nil {
		for i := range s.load.Requests {
			if !s.offer(ctx, items, item{request: i}, s.load.Requests[i].At) {
				break
			}
		}
		return 1
	}
	length := s.load.Length()
	sent := make([]int, len(s.load.Requests)) // how many laps of each request
	for lap := 0; ; lap++ {
		begins := time.Duration(lap) * length
		if s.begins(begins) < s.For {
			laps = lap + 1
		}
		left := false
		for _, p := range s.places(length) {
			i := item{lap: lap - p.later, request: p.request}
			left = left || i.lap < laps
			if i.lap < 0 || i.lap >= laps || i.lap < sent[p.request] {
				continue // not yet, no more, or done before the lag grew
			}
			sent[p.request]++
			if !s.offer(ctx, items, i, begins+p.at) {
				return laps
			}
		}
		if !left {
			return laps
		}
	}
}

// places is the order in which a lap sends, by the lag at this time.
func (s *sending) places(length time.Duration) []place {
	lag := time.Duration(0)
	if s.EntryLag != nil {
		lag = time.Duration(float64(s.EntryLag(time.Since(s.begun))) * s.Speed)
	}
	all := make([]place, len(s.load.Requests))
	for i := range s.load.Requests {
		at := s.load.Requests[i].At
		if s.load.Requests[i].Entry {
			at += lag
		}
		all[i] = place{request: i, at: at % length, later: int(at / length)}
	}
	slices.SortStableFunc(all, func(a, b place) int { return cmp.Compare(a.at, b.at) })
	return all
}

// due is a time of the shop as a time of this run.
func (s *sending) due(at time.Duration) time.Duration {
	return time.Duration(float64(at) / s.Speed)
}

// begins is when in this run a lap begins: when it is due at a pace, otherwise now.
func (s *sending) begins(at time.Duration) time.Duration {
	if s.AtPace {
		return s.due(at)
	}
	return time.Since(s.begun)
}

// offer hands an item to a caller once it is due, and says whether to go on.
// Without a backlog it waits for one; with one, what does not fit is given up.
func (s *sending) offer(ctx context.Context, items chan<- item, i item, at time.Duration) bool {
	if s.AtPace && s.wait(ctx, s.due(at)) != nil {
		return false
	}
	if s.AtPace && s.Backlog > 0 {
		select {
		case items <- i:
		default:
			s.outcome.settle(i, s.load.Requests[i.request].Spans, time.Now(), false)
		}
		return ctx.Err() == nil
	}
	select {
	case items <- i:
	case <-ctx.Done():
		return false
	}
	if s.AtPace {
		behind := time.Since(s.begun) - s.due(at)
		s.outcome.behind.Store(max(s.outcome.behind.Load(), int64(behind)))
	}
	return true
}

// wait returns when the time is there.
func (s *sending) wait(ctx context.Context, at time.Duration) error {
	if left := time.Until(s.begun.Add(at)); left > 0 {
		return pause(ctx, left)
	}
	return nil
}
