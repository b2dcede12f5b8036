package amqptracereceiver

import (
	"context"
	"errors"
	"sync"

	"go.uber.org/zap"
)

// handOver offers the events of all unsettled deliveries, in as many calls at once as the setting allows
// and the events fill, and returns when all have a final answer. The error, if there is one, is that of a call
// after which the deliveries have to go back to the queue; those of other calls that were accepted then
// come again, with the same ids.
//
// Events are decoded and stamped in the order in which they came, by one goroutine, whatever the setting:
// a delivery finds its publish. Only what follows is done at once.
func (in *intake) handOver(ctx context.Context) (end error) {
	shares := in.shares()
	answers := make([]error, len(shares))
	var calls sync.WaitGroup
	for i := 1; i < len(shares); i++ {
		calls.Go(func() { answers[i] = in.offer(ctx, shares[i], in.builders[i]) })
	}
	if len(shares) > 0 {
		answers[0] = in.offer(ctx, shares[0], in.builders[0])
	}
	calls.Wait()
	for i, err := range answers {
		switch {
		case errors.Is(err, errRefused):
			spans := in.shared.builder.count(shares[i])
			in.shared.telemetry.rejected += int64(spans)
			in.shared.logger.Warn("spans are lost", zap.Error(err), zap.Int("spans", spans))
		case err != nil:
			end = err
		default:
			in.shared.telemetry.built(shares[i], in.shared.builder)
		}
	}
	return end
}

// shares divides the events evenly among no more calls than are needed to keep each within the size of a batch.
func (in *intake) shares() (shares [][]event) {
	if len(in.events) == 0 {
		return nil
	}
	calls := (len(in.events)*in.calls + in.ackEvery - 1) / in.ackEvery
	for len(in.builders) < calls {
		in.builders = append(in.builders, in.shared.builder.another())
	}
	for i := range calls {
		begin, end := i*len(in.events)/calls, (i+1)*len(in.events)/calls
		shares = append(shares, in.events[begin:end])
	}
	return shares
}
