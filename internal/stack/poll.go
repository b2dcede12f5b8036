package stack

import (
	"context"
	"time"
)

// pollInterval is short beside a broker's start (4 s) and long beside the
// cheapest condition (reading a file in /proc).
const pollInterval = 20 * time.Millisecond

// poll asks ready until it says yes, fails, or the context ends. The context's
// cause is returned as is, for the caller to say what it waited for.
func poll(ctx context.Context, ready func() (bool, error)) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		ok, err := ready()
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
