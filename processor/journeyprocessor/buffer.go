package journeyprocessor

import (
	"errors"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/collector/consumer/consumererror"
)

// Reasons of a refusal, as the metrics name them.
const (
	refusedFull      = "full"
	refusedOversized = "oversized"
	refusedStopping  = "stopping"
	refusedCancelled = "cancelled"
	refusedMalformed = "malformed"
)

var (
	errFull     = errors.New("journey: buffer::memory is used up; send again later")
	errStopping = errors.New("journey: stopping; send again later")
)

// earlyShare of the limit is where the oldest traces are decided early. The
// rest is room for batches that arrive meanwhile and for what was decided and
// waits for the next component.
const earlyShare = 0.85

// buffer is the account of the memory that waiting records take. Any goroutine
// may use it.
type buffer struct {
	limit int64
	used  atomic.Int64
}

// reserve takes size bytes, or nothing and an error that says what the sender
// should do.
func (b *buffer) reserve(size int64) (reason string, err error) {
	if size > b.limit {
		return refusedOversized, consumererror.NewPermanent(fmt.Errorf(
			"journey: a batch of %s can never fit into buffer::memory (%s)", ByteSize(size), ByteSize(b.limit)))
	}
	if b.used.Add(size) > b.limit {
		b.used.Add(-size)
		return refusedFull, errFull
	}
	return "", nil
}

// isFull says that nothing can be reserved, before work is put into a batch.
func (b *buffer) isFull() bool { return b.used.Load() >= b.limit }

// add changes the account without asking: for what grew or went.
func (b *buffer) add(size int64) { b.used.Add(size) }
