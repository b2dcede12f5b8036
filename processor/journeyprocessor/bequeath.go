package journeyprocessor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"

	"github.com/otelcol-journey/otelcol-journey/internal/reload"
)

// bequests are what engines leave that were stopped for a reload. A reload
// makes new factories, so that nothing shorter-lived can hold them.
var bequests reload.Estates[handover]

// bequeathToNext leaves h to the next engine of this id.
func (e *engine) bequeathToNext(h *handover) {
	bequests.Leave(e.id, h, func() {
		if h.traces+h.spans+h.records > 0 {
			e.logger.Error("Nobody took over what waited in this processor before the reload: its id is not in use any more",
				zap.Int("traces", h.traces), zap.Int("spans", h.spans), zap.Int("log_records", h.records))
		}
	})
}

// bequeathWaiting puts all that waits undecided into h, and what is remembered
// of decisions. The shards must have returned; they are worked on all at once.
func (e *engine) bequeathWaiting(h *handover, now time.Time) error {
	parts, errs := make([]handover, len(e.shards)), make([]error, len(e.shards))
	var wg sync.WaitGroup
	for i, s := range e.shards {
		wg.Go(func() {
			parts[i].add(&estate{decisions: s.memory, shard: i, shards: len(e.shards)})
			errs[i] = s.bequeath(&parts[i], estate{shard: i, shards: len(e.shards)}, now)
			parts[i].close()
		})
	}
	wg.Wait()
	for i := range parts {
		h.join(&parts[i])
	}
	return errors.Join(errs...)
}

// estateBytes is how many bytes of records are bequeathed together: enough
// that resources, which many traces share, are there once for many of them.
const estateBytes = chunkSize / 2

// bequeath puts all traces of a shard into h, in estates like the one given.
func (s *shard) bequeath(h *handover, like estate, now time.Time) error {
	var errs []error
	r := s.engine.store.newReader()
	for s.oldest != nil {
		x := like
		x.ages = make(map[pcommon.TraceID]time.Duration)
		var spans, logs []*released
		for bytes := int64(0); s.oldest != nil && bytes < estateBytes; {
			t := s.oldest
			s.closeTrace(t)
			s.engine.store.buffer.add(-t.size)
			bytes += t.spans.bytes + t.logs.bytes
			x.ages[t.id] = now.Sub(s.engine.time(t.first))
			spans, logs = append(spans, &released{id: t.id, holdings: t.spans}), append(logs, &released{id: t.id, holdings: t.logs})
		}
		h.traces += len(x.ages)
		var broken, brokenLogs error
		x.spans, broken = s.engine.requestsOf(&r, spans, &h.spans, &s.engine.telemetry.spans)
		x.logs, brokenLogs = s.engine.requestsOf(&r, logs, &h.records, &s.engine.telemetry.logs)
		errs = append(errs, broken, brokenLogs)
		h.add(&x)
	}
	return errors.Join(errs...)
}

// requestsOf encodes records, one request for each sender's metadata, counts
// them, and frees them. What is damaged is lost, and an error.
func (e *engine) requestsOf(r *reader, all []*released, n *int, count *signalCounters) ([]requestOf, error) {
	all = slices.DeleteFunc(all, func(v *released) bool { return v.count == 0 })
	var requests []requestOf
	var errs []error
	for _, batch := range e.store.bundles.byMetadata(all) {
		request, sound, damaged, err := r.joinSound(batch)
		errs = append(errs, err)
		e.loseDamaged(damaged, count)
		if len(sound) > 0 {
			requests = append(requests, requestOf{request: request, metadata: e.store.bundles.metadata(sound[0])})
		}
		for _, v := range sound {
			*n += v.count
			count.handedOver(v.count)
			e.store.free(&v.holdings)
		}
	}
	return requests, errors.Join(errs...)
}

// loseDamaged counts and frees what cannot be read and is not in the account.
func (e *engine) loseDamaged(damaged []*released, count *signalCounters) {
	for _, v := range damaged {
		count.lost(context.Background(), v.count, lostDamaged)
		e.store.free(&v.holdings)
	}
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
	all []*released, count *signalCounters, encode func(*reader, *released) ([]byte, error), add func([]requestOf, int),
) error {
	var errs []error
	r := e.store.newReader()
	for _, v := range all {
		e.store.buffer.add(-v.size)
		for _, part := range e.store.bundles.divideByMetadata(v) {
			request, err := encode(&r, part)
			if err != nil {
				errs = append(errs, err)
				e.loseDamaged([]*released{part}, count)
				continue
			}
			add([]requestOf{{request, e.store.bundles.metadata(part)}}, part.count)
			count.handedOver(part.count)
			e.store.free(&part.holdings)
		}
	}
	return errors.Join(errs...)
}

func tagSpans(r *reader, v *released) ([]byte, error) {
	batch := []*released{v}
	request, err := r.join(batch)
	if err != nil {
		return nil, err
	}
	td, _, err := taggedSpans(request, batch)
	if err != nil {
		return nil, err
	}
	var codec ptrace.ProtoMarshaler
	return codec.MarshalTraces(td)
}

func tagLogs(r *reader, v *released) ([]byte, error) {
	batch := []*released{v}
	request, err := r.join(batch)
	if err != nil {
		return nil, err
	}
	ld, err := taggedLogs(request, batch)
	if err != nil {
		return nil, err
	}
	var codec plog.ProtoMarshaler
	return codec.MarshalLogs(ld)
}
