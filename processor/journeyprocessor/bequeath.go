package journeyprocessor

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/memory"
)

// bequest keeps what engines leave that were stopped for a reload, in the same
// process, until the next one of the same id takes it.
type bequest struct {
	mu   sync.Mutex
	left map[component.ID]*handover
}

// bequests are the process's. A reload makes new factories, so that nothing
// shorter-lived can hold them.
var bequests = bequest{left: make(map[component.ID]*handover)}

// claimTime is how long what was left waits for an engine to take it. A reload
// takes seconds; an id that is no longer in the configuration never claims.
const claimTime = 5 * time.Minute

func (b *bequest) leave(id component.ID, h *handover, logger *zap.Logger) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left[id] = h
	time.AfterFunc(claimTime, func() {
		if b.forget(id, h) && h.traces+h.spans+h.records > 0 {
			logger.Error("Nobody took over what waited in this processor before the reload: its id is not in use any more",
				zap.Int("traces", h.traces), zap.Int("spans", h.spans), zap.Int("log_records", h.records))
		}
	})
}

// take returns what was left for id; nil if nothing was.
func (b *bequest) take(id component.ID) *handover {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.left[id]
	delete(b.left, id)
	return h
}

func (b *bequest) forget(id component.ID, h *handover) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left[id] != h {
		return false
	}
	delete(b.left, id)
	return true
}

// reloadFunction is the Collector's function that stops all components and
// starts those of the new configuration (otelcol v0.158.0, collector.go).
const reloadFunction = "otelcol.(*Collector).reloadConfiguration"

// isReload says whether the Collector stops us to start us anew, in the same
// process, with another configuration. Nothing that a component is told says
// so, and a stop for good must send out what a reload should not: hence the
// look at who is calling. Were the function ever renamed, a reload would decide
// early, as it does everywhere else; an end-to-end test would fail.
func isReload() bool {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, reloadFunction) {
			return true
		}
		if !more {
			return false
		}
	}
}

// bequeathWaiting puts all that waits undecided into h, and what is remembered
// of decisions. The shards must have returned.
func (e *engine) bequeathWaiting(h *handover, now time.Time) error {
	parker := parker{store: &e.store}
	var errs []error
	decisions := make([]*memory.Decisions, len(e.shards))
	for i, s := range e.shards {
		decisions[i] = s.memory
	}
	for _, d := range memory.ToSave(decisions) {
		h.add(&estate{decisions: d})
	}
	for _, s := range e.shards {
		for s.oldest != nil {
			t := s.oldest
			s.closeTrace(t)
			if err := e.bequeath(h, &parker, t, now); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// bequeath puts a trace that waits into h, and frees it.
func (e *engine) bequeath(h *handover, parker *parker, t *trace, now time.Time) error {
	if err := errors.Join(parker.unpack(&t.spans), parker.unpack(&t.logs)); err != nil {
		e.telemetry.spans.lost(context.Background(), t.spans.count, lostDamaged)
		e.telemetry.logs.lost(context.Background(), t.logs.count, lostDamaged)
		e.store.release(&released{holdings: t.spans, size: t.size})
		e.store.free(&t.logs)
		return fmt.Errorf("trace %s: %w", t.id, err)
	}
	h.add(&estate{id: t.id, age: now.Sub(t.first), spans: requestsOf(&t.spans), logs: requestsOf(&t.logs)})
	h.traces++
	h.spans += t.spans.count
	h.records += t.logs.count
	e.telemetry.spans.handedOver(t.spans.count)
	e.telemetry.logs.handedOver(t.logs.count)
	e.store.free(&t.spans)
	e.store.free(&t.logs)
	// Unpacking has changed what records take, and not the account.
	e.store.buffer.add(-t.size)
	return nil
}

// requestsOf encodes holdings of which nothing is parked, one request for each
// sender's metadata.
func requestsOf(h *holdings) []requestOf {
	if h.count == 0 {
		return nil
	}
	v := &released{holdings: *h}
	var requests []requestOf
	for _, part := range v.divideByMetadata() {
		requests = append(requests, requestOf{request: join([]*released{part}), metadata: part.metadata()})
	}
	return requests
}

// bequeathKept puts what was to be kept and has not left into h, with all that
// is to be written on it, and frees it.
func (e *engine) bequeathKept(h *handover, spans, logs []*released) error {
	return errors.Join(
		e.bequeathReleased(spans, &e.telemetry.spans, tagSpans, func(r []requestOf, n int) {
			h.add(&estate{spans: r})
			h.spans += n
		}),
		e.bequeathReleased(logs, &e.telemetry.logs, tagLogs, func(r []requestOf, n int) {
			h.add(&estate{logs: r})
			h.records += n
		}),
	)
}

func (e *engine) bequeathReleased(
	all []*released, count *signalCounters, encode func(*released) ([]byte, error), add func([]requestOf, int),
) error {
	var errs []error
	parker := parker{store: &e.store}
	for _, v := range all {
		accounted := v.size
		if err := parker.unpack(&v.holdings); err != nil {
			errs = append(errs, err)
			count.lost(context.Background(), v.count, lostDamaged)
			e.store.release(v)
			continue
		}
		v.size = v.holdings.size() // for dividing; the account still has what it had
		for _, part := range v.divideByMetadata() {
			if request, err := encode(part); err != nil {
				errs = append(errs, err)
				count.lost(context.Background(), part.count, lostDamaged)
			} else {
				add([]requestOf{{request, part.metadata()}}, part.count)
				count.handedOver(part.count)
			}
			e.store.free(&part.holdings)
		}
		e.store.buffer.add(-accounted)
	}
	return errors.Join(errs...)
}

func tagSpans(v *released) ([]byte, error) {
	batch := []*released{v}
	td, _, err := taggedSpans(join(batch), batch)
	if err != nil {
		return nil, err
	}
	var codec ptrace.ProtoMarshaler
	return codec.MarshalTraces(td)
}

func tagLogs(v *released) ([]byte, error) {
	batch := []*released{v}
	ld, err := taggedLogs(join(batch), batch)
	if err != nil {
		return nil, err
	}
	var codec plog.ProtoMarshaler
	return codec.MarshalLogs(ld)
}
