package journeyprocessor

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.uber.org/zap"
)

// Reasons of a loss, as the metrics name them.
const (
	lostRefused  = "refused"
	lostShutdown = "shutdown"
	lostDamaged  = "damaged"
)

const (
	// splitAfter is how often a batch may be refused before it is tried in
	// halves: one record that the next component cannot take must not hold up
	// the thousands it happened to leave with. Twice more than a connection
	// that has to be made anew.
	splitAfter = 3
	// suspectAfter is how often a single record may be refused before it is
	// put aside, so that it does not hold up what comes after it.
	suspectAfter = 3
)

// released is records of one trace on their way out. It belongs to whoever has
// taken it from the queue.
type released struct {
	id      pcommon.TraceID
	verdict *verdict // nil: goes out as it came
	tag     *tag     // for the root span; nil for what comes late
	holdings
	size int64 // accounted memory
}

// newReleased is what a fragment holds, without a verdict.
func newReleased(f *fragment) *released {
	r := &released{size: f.size()}
	r.add(f)
	return r
}

// release gives back the memory of what has left, and its account.
func (s *store) release(v *released) {
	s.free(&v.holdings)
	s.buffer.add(-v.size)
}

// releaser hands what is kept of one signal to the next component, in batches,
// on goroutines of its own, and tries again until it is taken. Its queue has
// no limit of its own: everything in it is accounted in the buffer, which
// refuses new batches when it is full.
type releaser struct {
	config ReleaseConfig
	logger *zap.Logger
	count  *signalCounters
	store  *store
	// deliver builds a batch from an encoded request and hands it on. It is
	// called again for the same request if it fails: what was handed on may
	// have been changed by whoever got it.
	deliver func(ctx context.Context, request []byte, batch []*released) error

	mu      sync.Mutex
	waiting *sync.Cond // on mu: queue or closed has changed
	queue   []*released
	queued  int // records in it
	closed  bool
	// leaves says that what the next component refuses from now on is left to
	// the next engine.
	leaves bool
	left   []*released

	accepted atomic.Int64 // batches that the next component has taken
	away     atomic.Bool  // it has refused the last one for now
	refusals refusals
	suspects suspects
	losses   losses

	stopping chan struct{} // closed by stop: pauses end
	wg       sync.WaitGroup
	cancel   context.CancelFunc // gives up what is on its way
}

func (r *releaser) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.suspects.start(ctx, r)
	for range r.config.Consumers {
		r.wg.Go(func() { r.run(ctx) })
	}
}

// push puts v in the queue.
func (r *releaser) push(v *released) {
	r.mu.Lock()
	r.queue = append(r.queue, v)
	r.queued += v.count
	r.mu.Unlock()
	r.waiting.Signal()
}

// patience is how many full batches may be queued before what joins them is
// parked.
const patience = 4

// isBehind says that what is pushed now will not leave soon.
func (r *releaser) isBehind() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.away.Load() || r.queued > patience*r.config.MaxBatch
}

// stop sends out what is in the queue and returns when that is done. When ctx
// or the configured time ends first, the rest is given up and counted as lost;
// or, with leaves, returned, as is whatever the next component refuses.
func (r *releaser) stop(ctx context.Context, leaves bool) (left []*released) {
	r.mu.Lock()
	r.closed, r.leaves = true, leaves
	r.mu.Unlock()
	r.waiting.Broadcast()
	close(r.stopping)
	if r.cancel == nil {
		left, r.queue = r.queue, nil
		return left
	}
	ctx, done := context.WithTimeout(ctx, r.config.ShutdownTimeout.d)
	defer done()
	defer context.AfterFunc(ctx, r.cancel)()
	r.wg.Wait()
	r.suspects.stop()
	r.cancel()
	r.losses.flush()
	r.mu.Lock()
	defer r.mu.Unlock()
	left, r.left = r.left, nil
	return left
}

// leave keeps a batch for the next engine, if that is what is to be done, and
// says whether it did.
func (r *releaser) leave(batch ...*released) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leaves {
		r.left = append(r.left, batch...)
	}
	return r.leaves
}

// courier is one goroutine of a releaser.
type courier struct {
	*releaser
	reader
	// One clock of patience for all that it offers: while the next component is
	// away, every batch waits as long as the last one did.
	wait *backoff.ExponentialBackOff
}

func (r *releaser) run(ctx context.Context) {
	c := courier{releaser: r, reader: r.store.newReader(), wait: r.newBackOff()}
	for {
		batch := r.take()
		if batch == nil {
			return
		}
		for _, part := range c.prepare(batch) {
			c.offer(ctx, part, time.Now())
		}
	}
}

// prepare divides the batch where it has to be: between senders whose metadata
// differ, and a single trace that is larger than a batch.
func (c *courier) prepare(batch []*released) [][]*released {
	sorted := [][]*released{batch}
	if len(c.config.MetadataKeys) > 0 {
		sorted = c.bundles.byMetadata(batch)
	}
	var parts [][]*released
	for _, same := range sorted {
		if len(same) > 1 || same[0].bytes <= int64(c.config.MaxBatchBytes) {
			parts = append(parts, same)
			continue
		}
		for _, part := range c.cutToSize(same[0], int64(c.config.MaxBatchBytes)) {
			parts = append(parts, []*released{part})
		}
	}
	return parts
}

// take waits for work and takes as much as fits into a batch; nil when there
// is none and none will come.
func (r *releaser) take() []*released {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue) == 0 {
		if r.closed {
			return nil
		}
		r.waiting.Wait()
	}
	n := r.store.bundles.fitting(r.queue, r.config.MaxBatch, int64(r.config.MaxBatchBytes))
	batch := make([]*released, n)
	copy(batch, r.queue)
	for _, v := range batch {
		r.queued -= v.count
	}
	clear(r.queue[:n])
	if r.queue = r.queue[n:]; len(r.queue) == 0 {
		r.queue = nil
	}
	return batch
}

// offer delivers the batch, again and again while the refusal may pass, and
// accounts for it. A batch that goes on being refused is tried in halves, down
// to the record that is at fault.
func (c *courier) offer(ctx context.Context, batch []*released, begun time.Time) {
	request, batch, damaged, err := c.joinSound(batch)
	if len(damaged) > 0 {
		c.settle(ctx, damaged, lostDamaged, err)
	}
	if len(batch) == 0 {
		return
	}
	ctx = c.bundles.metadata(batch[0]).context(ctx)
	for refusals := 1; ; refusals++ {
		err := c.deliver(ctx, request, batch)
		if err == nil {
			c.wait.Reset()
			c.accepted.Add(1)
			c.away.Store(false)
			c.refusals.end()
			c.settle(ctx, batch, "", nil)
			return
		}
		final := consumererror.IsPermanent(err) || !c.config.Retry.Enabled
		c.away.Store(!final)
		pause := c.wait.NextBackOff()
		if limit := c.config.Retry.MaxElapsedTime; limit > 0 && time.Since(begun)+pause > limit {
			final = true
		}
		switch {
		case !final && c.leave(batch...):
			return
		case ctx.Err() != nil:
			c.settle(ctx, batch, lostShutdown, err)
			return
		case divisible(batch) && (final || refusals >= splitAfter):
			first, second := c.halves(batch)
			c.offer(ctx, first, begun)
			c.offer(ctx, second, begun)
			return
		case final:
			c.settle(ctx, batch, lostRefused, err)
			return
		case !divisible(batch) && refusals >= suspectAfter:
			c.suspects.add(batch[0])
			return
		}
		c.retry(ctx, pause, err)
	}
}

// lastPause is the longest pause between retries once the releaser is stopping.
// The next component may be back, and there is little time left to see it.
const lastPause = 500 * time.Millisecond

// retry counts and waits; not longer than ctx, and once, if the releaser begins
// to stop meanwhile, not longer than until then.
func (r *releaser) retry(ctx context.Context, pause time.Duration, err error) {
	r.count.retried(ctx)
	defer r.refusals.add(err, time.Now())()
	r.logger.Debug("The next component refused a batch for now",
		zap.String("signal", r.count.signal), zap.Duration("retry_in", pause), zap.Error(err))
	stopping := r.stopping
	select {
	case <-stopping:
		stopping, pause = nil, min(pause, lastPause)
	default:
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-stopping:
	case <-timer.C:
	}
}

// settle accounts for a batch that has left, or with a reason been lost, and
// gives its memory back.
func (r *releaser) settle(ctx context.Context, batch []*released, lost string, err error) {
	records := 0
	var bytes int64
	for _, v := range batch {
		records += v.count
		bytes += v.bytes
		r.store.release(v)
	}
	if lost == "" {
		r.count.kept(ctx, records, bytes)
		return
	}
	r.count.lost(ctx, records, lost)
	r.losses.say(records, zap.String("reason", lost), zap.Stringer("trace_id", batch[0].id), zap.Error(err))
}

func (r *releaser) newBackOff() *backoff.ExponentialBackOff {
	wait := &backoff.ExponentialBackOff{
		InitialInterval: r.config.Retry.InitialInterval, MaxInterval: r.config.Retry.MaxInterval,
		Multiplier: r.config.Retry.Multiplier, RandomizationFactor: r.config.Retry.RandomizationFactor,
	}
	wait.Reset()
	return wait
}
