package journeyprocessor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/wire"
)

// inherit takes over what an engine before this one left. Nothing runs yet. An
// error says which chunks could not be read, by their place; the others are
// taken over all the same.
func (e *engine) inherit(chunks [][]byte) (damaged []int, err error) {
	i := inheritance{engine: e, now: time.Now(), errs: make(map[int]error)}
	// As many shards as before: each takes its own, all at once. What belongs
	// to nobody, or to another number of shards, is taken one by one.
	i.start()
	for n, chunk := range chunks {
		i.failed(n, readChunk(chunk, func(x *estate) error { i.give(n, x); return nil }))
	}
	i.wait()
	for _, n := range i.others {
		i.failed(n, readChunk(chunks[n], func(x *estate) error {
			if i.isForOneShard(x) {
				return nil
			}
			return e.inheritEstate(x, i.now)
		}))
	}
	var errs []error
	for _, n := range slices.Sorted(maps.Keys(i.errs)) {
		damaged = append(damaged, n)
		errs = append(errs, fmt.Errorf("chunk %d: %w", n, i.errs[n]))
	}
	return damaged, errors.Join(errs...)
}

// inheritance is chunks on their way to the shards.
type inheritance struct {
	engine *engine
	now    time.Time
	heirs  []chan heirloom // one for each shard
	wg     sync.WaitGroup
	others []int // chunks with estates that are not one shard's, in order

	mu   sync.Mutex
	errs map[int]error // by chunk
}

type heirloom struct {
	chunk  int
	estate *estate
}

func (i *inheritance) start() {
	for range i.engine.shards {
		heir := make(chan heirloom, 2)
		i.heirs = append(i.heirs, heir)
		i.wg.Go(func() {
			for h := range heir {
				i.failed(h.chunk, i.engine.inheritEstate(h.estate, i.now))
			}
		})
	}
}

func (i *inheritance) wait() {
	for _, heir := range i.heirs {
		close(heir)
	}
	i.wg.Wait()
}

func (i *inheritance) isForOneShard(x *estate) bool {
	return x.shards == len(i.engine.shards) && x.shard < x.shards
}

func (i *inheritance) give(chunk int, x *estate) {
	switch {
	case i.isForOneShard(x):
		i.heirs[x.shard] <- heirloom{chunk, x}
	case len(i.others) == 0 || i.others[len(i.others)-1] != chunk:
		i.others = append(i.others, chunk)
	}
}

func (i *inheritance) failed(chunk int, err error) {
	if err == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.errs[chunk] = errors.Join(i.errs[chunk], err)
}

func (e *engine) inheritEstate(x *estate, now time.Time) error {
	if x.decisions != nil {
		e.inheritDecisions(x)
	}
	var errs []error
	for _, r := range x.spans {
		errs = append(errs, e.inheritRequest(x, r, &e.telemetry.spans, e.spansOut, now))
	}
	for _, r := range x.logs {
		errs = append(errs, e.inheritRequest(x, r, &e.telemetry.logs, e.logsOut, now))
	}
	return errors.Join(errs...)
}

// inheritDecisions gives each shard what it has to remember. With as many
// shards as before each goes on where it was; otherwise nobody knows which of
// them a trace belongs to, and all are told of all.
func (e *engine) inheritDecisions(x *estate) {
	if x.shards == len(e.shards) && x.shard < x.shards {
		s := e.shards[x.shard]
		if !s.memory.Resume(x.decisions) {
			s.memory.Adopt(x.decisions)
		}
		return
	}
	for _, s := range e.shards {
		s.memory.Adopt(x.decisions)
	}
}

// inheritRequest takes over records that wait, or that are kept and have to
// leave. Those that wait are looked at as if they had just come, by the
// configuration of now.
func (e *engine) inheritRequest(
	x *estate, r requestOf, count *signalCounters, out *releaser, now time.Time,
) error {
	s := e.newSplitter()
	defer s.done()
	if s.inherits = true; len(e.config.Release.MetadataKeys) > 0 {
		s.metadata = r.metadata // else batches are no longer told apart by it
	}
	var err error
	if len(x.ages) == 0 {
		err = s.splitKept(r.request)
	} else {
		err = e.splitInherited(s, r.request, count)
	}
	if err != nil {
		e.discard(s.fragments)
		e.store.buffer.add(-s.reserved)
		return err
	}
	size, _ := s.total()
	s.seal(false)
	e.store.buffer.add(size - s.reserved)
	for _, f := range s.fragments {
		count.inherited(f.count)
		if f.id.IsEmpty() {
			out.push(newReleased(f))
			continue
		}
		e.shards[shardOf(f.id, len(e.shards))].inherit(f, count == &e.telemetry.logs, x.ages[f.id], now)
	}
	count.inherited(s.skipped)
	count.dropped(context.Background(), s.skipped)
	return nil
}

// splitKept takes a request of kept records apart, which only have to leave.
func (s *splitter) splitKept(request []byte) error {
	groups, err := wire.Split(request, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", errChunk, err)
	}
	for i := range groups {
		for _, record := range groups[i].Records {
			s.records = append(s.records, record...)
			s.assign(pcommon.TraceID{})
		}
		if _, err := s.cut(&groups[i]); err != nil {
			return err
		}
	}
	return nil
}

func (e *engine) splitInherited(s *splitter, request []byte, count *signalCounters) error {
	if count == &e.telemetry.logs {
		ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(request)
		if err != nil {
			return fmt.Errorf("%w: %w", errChunk, err)
		}
		_, err = e.splitLogs(s, ld)
		return err
	}
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(request)
	if err != nil {
		return fmt.Errorf("%w: %w", errChunk, err)
	}
	_, err = e.splitTraces(s, td)
	return err
}

// inherit adds a fragment that had waited before. Its trace has waited since
// its first part came, and is given the time it takes to be quiet anew: what
// senders held back while nobody took it has yet to come.
func (s *shard) inherit(f *fragment, logs bool, age time.Duration, now time.Time) {
	t := s.traces[f.id]
	if t == nil {
		t = s.open(f.id, now.Add(-age))
	}
	s.add(t, f, logs, s.engine.instant(now))
	s.schedule(t)
}
