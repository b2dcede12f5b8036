package journeyprocessor

import (
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.uber.org/zap"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/wire"
)

// Reasons of a loss, as the metrics name them.
const (
	lostRefused  = "refused"
	lostShutdown = "shutdown"
)

// released is records of one trace on their way out. It belongs to whoever has
// taken it from the queue.
type released struct {
	id      pcommon.TraceID
	verdict *verdict // nil: goes out as it came
	tag     *tag     // for the root span; nil for what comes late
	pieces  []piece
	count   int
	bytes   int64
	size    int64 // accounted memory
}

// releaser hands what is kept of one signal to the next component, in batches,
// on goroutines of its own, and tries again until it is taken. Its queue has
// no limit of its own: everything in it is accounted in the buffer, which
// refuses new batches when it is full.
type releaser struct {
	maxBatch  int
	consumers int
	retry     configretry.BackOffConfig
	logger    *zap.Logger
	count     *signalCounters
	free      func(*released)
	// deliver builds a batch from an encoded request and hands it on. It is
	// called again for the same request if it fails: what was handed on may
	// have been changed by whoever got it.
	deliver func(ctx context.Context, request []byte, batch []*released) error

	mu      sync.Mutex
	waiting *sync.Cond // on mu: queue or closed has changed
	queue   []*released
	closed  bool

	wg     sync.WaitGroup
	cancel context.CancelFunc // gives up what is on its way
}

func (r *releaser) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	for range r.consumers {
		r.wg.Go(func() { r.run(ctx) })
	}
}

// push puts v in the queue.
func (r *releaser) push(v *released) {
	r.mu.Lock()
	r.queue = append(r.queue, v)
	r.mu.Unlock()
	r.waiting.Signal()
}

// stop sends out what is in the queue and returns when that is done. When ctx
// ends first, the rest is given up and counted as lost.
func (r *releaser) stop(ctx context.Context) {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.waiting.Broadcast()
	if r.cancel == nil {
		return
	}
	defer context.AfterFunc(ctx, r.cancel)()
	r.wg.Wait()
	r.cancel()
}

func (r *releaser) run(ctx context.Context) {
	for {
		batch := r.take()
		if batch == nil {
			return
		}
		r.send(ctx, batch)
	}
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
	n, records := 0, 0
	for n < len(r.queue) && (n == 0 || records+r.queue[n].count <= r.maxBatch) {
		records += r.queue[n].count
		n++
	}
	batch := make([]*released, n)
	copy(batch, r.queue)
	clear(r.queue[:n])
	if r.queue = r.queue[n:]; len(r.queue) == 0 {
		r.queue = nil
	}
	return batch
}

// send hands a batch on and accounts for it, whatever becomes of it.
func (r *releaser) send(ctx context.Context, batch []*released) {
	err := r.offer(ctx, join(batch), batch)
	records := 0
	var bytes int64
	for _, v := range batch {
		records += v.count
		bytes += v.bytes
		r.free(v)
	}
	switch {
	case err == nil:
		r.count.kept(ctx, records, bytes)
	case ctx.Err() != nil:
		r.count.lost(ctx, records, lostShutdown)
		r.logger.Error("Gave up a batch at shutdown; the next component had not taken it",
			zap.String("signal", r.count.signal), zap.Int("records", records), zap.Error(err))
	default:
		r.count.lost(ctx, records, lostRefused)
		r.logger.Error("The next component refused a batch for good",
			zap.String("signal", r.count.signal), zap.Int("records", records), zap.Error(err))
	}
}

// offer delivers the request, again and again while the refusal may pass.
func (r *releaser) offer(ctx context.Context, request []byte, batch []*released) error {
	wait := backoff.ExponentialBackOff{
		InitialInterval: r.retry.InitialInterval, MaxInterval: r.retry.MaxInterval,
		Multiplier: r.retry.Multiplier, RandomizationFactor: r.retry.RandomizationFactor,
	}
	wait.Reset()
	begun := time.Now()
	for {
		err := r.deliver(ctx, request, batch)
		if err == nil || consumererror.IsPermanent(err) || !r.retry.Enabled {
			return err
		}
		pause := wait.NextBackOff()
		if limit := r.retry.MaxElapsedTime; limit > 0 && time.Since(begun)+pause > limit {
			return err
		}
		r.count.retried(ctx)
		r.logger.Debug("The next component refused a batch for now",
			zap.String("signal", r.count.signal), zap.Duration("retry_in", pause), zap.Error(err))
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// join encodes a batch as one request in which every resource and scope stands
// once, whichever traces its records belong to.
func join(batch []*released) []byte {
	byHeader := make(map[*header][][]byte)
	var order []*header
	size := 0
	for _, v := range batch {
		for i := range v.pieces {
			p := &v.pieces[i]
			if _, ok := byHeader[p.header]; !ok {
				order = append(order, p.header)
				size += len(p.header.key) + 32
			}
			byHeader[p.header] = append(byHeader[p.header], p.records)
			size += len(p.records)
		}
	}
	request := make([]byte, 0, size)
	for _, h := range order {
		request = wire.AppendGroup(request, h.resource, h.scope, byHeader[h]...)
	}
	return request
}
