package journeyprocessor

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"go.opentelemetry.io/collector/consumer/consumererror"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/arena"
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

// heapHeadroom is what a byte on the Go heap costs at the default GOGC: the
// heap grows to double of what lives before it is collected. Bytes outside of
// it (internal/arena) cost themselves.
const heapHeadroom = 2

// overload is how short of memory the buffer is, and so what is done about it.
// Each level does what those below it do.
type overload int32

// The levels, in the order in which they are reached. The oldest come first in
// all of them.
const (
	calm     overload = iota
	parking           // traces are parked before buffer::park_after
	deciding          // and decided before their wait is over
	thinning          // and rules that keep less than everything keep less
	refusing          // and batches are refused, for senders to send again
)

// marks are the shares of buffer::memory at which a level is entered, and below
// which it is left. The distance keeps a level from flickering; the room above
// deciding is for batches that arrive meanwhile and for what was decided and
// waits for the next component.
var marks = [...]struct{ enter, leave float64 }{
	parking:  {0.50, 0.45},
	deciding: {0.80, 0.75},
	thinning: {0.90, 0.85},
	refusing: {1.00, 0.95},
}

// buffer is the account of the memory that waiting records take, and where
// their bytes lie. Any goroutine may use it.
type buffer struct {
	memory *arena.Arena
	limit  int64
	used   atomic.Int64
	level  atomic.Int32
}

// reserve takes size bytes for a batch that has had so many already, or nothing
// and an error that says what the sender should do.
func (b *buffer) reserve(size, had int64) (reason string, err error) {
	if had+size > b.limit {
		return refusedOversized, consumererror.NewPermanent(fmt.Errorf(
			"journey: a batch of %s or more can never fit into buffer::memory (%s)", ByteSize(had+size), ByteSize(b.limit)))
	}
	if b.used.Add(size) > b.limit {
		b.used.Add(-size)
		b.level.Store(int32(refusing))
		return refusedFull, errFull
	}
	return "", nil
}

// add changes the account without asking: for what grew or went.
func (b *buffer) add(size int64) { b.used.Add(size) }

// share is the share of the limit that is used.
func (b *buffer) share() float64 { return float64(b.used.Load()) / float64(b.limit) }

// observe moves the level to where it belongs, and returns it. Two that do so
// at once may leave either's answer, both of which were right.
func (b *buffer) observe() overload {
	at, share := overload(b.level.Load()), b.share()
	for at < refusing && share >= marks[at+1].enter {
		at++
	}
	for at > calm && share < marks[at].leave {
		at--
	}
	b.level.Store(int32(at))
	return at
}

// isRefusing says that nothing can be reserved, before work is put into a
// batch.
func (b *buffer) isRefusing() bool {
	return overload(b.level.Load()) == refusing && b.observe() == refusing
}

// excess is how many bytes are used above where the level is left.
func (b *buffer) excess(at overload) int64 {
	return b.used.Load() - int64(marks[at].leave*float64(b.limit))
}

// thinnest is the factor that thinning has reached when the buffer is full.
const thinnest = 1. / 16

// thin is the factor on the probability of every rule that keeps less than
// everything: from 1 where thinning begins down to thinnest. It depends on no
// trace, so weights stay right.
func (b *buffer) thin() float64 {
	if overload(b.level.Load()) < thinning {
		return 1
	}
	from := marks[thinning].leave
	how := min(max((b.share()-from)/(1-from), 0), 1)
	return math.Pow(thinnest, how)
}
