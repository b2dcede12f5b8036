package shopper

import (
	"context"
	"iter"
	"math"
	"sync"
	"time"
)

// mostInFlight bounds the visits that wait for an answer. When it is reached,
// sending waits, and the ledger shows that the stated rate was not held.
const mostInFlight = 256

// load sends visits at a steady rate, whether or not earlier ones have been
// answered: a slow shop must not slow the shoppers down.
type load struct {
	perSecond float64
	send      func(context.Context, Visit) Answer
	answers   chan<- Answer // unbuffered; the ledger always takes
}

// run sends the plan and returns how much was sent once all is answered. The
// end of ctx stops the sending only: a visit begun is a visit to be told of.
func (l load) run(ctx context.Context, plan iter.Seq[Visit]) int {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, mostInFlight)
	start, sent := time.Now(), 0
	for v := range plan {
		due := start.Add(time.Duration(float64(sent) / l.perSecond * float64(time.Second)))
		if !sleepUntil(ctx, due) {
			break
		}
		sent++
		slots <- struct{}{}
		wg.Go(func() {
			l.answers <- l.send(context.WithoutCancel(ctx), v)
			<-slots
		})
	}
	return sent
}

func sleepUntil(ctx context.Context, due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// visits is how many are due in a time.
func visits(perSecond float64, d time.Duration) int {
	return int(math.Round(perSecond * d.Seconds()))
}
