package journeyprocessor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"
)

// savedState is what an engine saves when it stops, for the next one, in a
// storage extension. One goroutine at a time.
//
// Keys: "head" has the generation and the number of chunks of what is saved and
// not yet taken; "generation" the last generation used; "GENERATION/N" is chunk
// N. The head is written last and deleted first, so a save or a start that is
// cut short leaves chunks that nobody reads, and nothing that is read twice.
type savedState struct {
	client     storage.Client
	generation uint64 // of what this one saves; 0: nothing yet
	chunks     uint64 // saved
}

const (
	headKey       = "head"
	generationKey = "generation"
)

func chunkKey(generation, n uint64) string { return fmt.Sprintf("%d/%d", generation, n) }

func openSavedState(ctx context.Context, host component.Host, id, processor component.ID) (*savedState, error) {
	extension, ok := host.GetExtensions()[id]
	if !ok {
		return nil, fmt.Errorf("storage: extension %q is not among service::extensions", id)
	}
	of, ok := extension.(storage.Extension)
	if !ok {
		return nil, fmt.Errorf("storage: extension %q is not a storage extension, such as file_storage", id)
	}
	client, err := of.GetClient(ctx, component.KindProcessor, processor, "")
	if err != nil {
		return nil, fmt.Errorf("open storage %q: %w", id, err)
	}
	return &savedState{client: client}, nil
}

func (s *savedState) close(ctx context.Context) error {
	if s == nil {
		return nil
	}
	return s.client.Close(context.WithoutCancel(ctx))
}

// number reads a key that holds numbers; nil if there is none.
func (s *savedState) numbers(ctx context.Context, key string, n int) ([]uint64, error) {
	value, err := s.client.Get(ctx, key)
	if err != nil || value == nil {
		return nil, err
	}
	if len(value) != 8*n {
		return nil, fmt.Errorf("saved state: %q has %d bytes, not %d", key, len(value), 8*n)
	}
	numbers := make([]uint64, n)
	for i := range numbers {
		numbers[i] = binary.LittleEndian.Uint64(value[8*i:])
	}
	return numbers, nil
}

func encodeNumbers(numbers ...uint64) []byte {
	var b []byte
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

// save adds chunks to what this one saves. When it returns nil they are what
// the next start takes.
func (s *savedState) save(ctx context.Context, chunks [][]byte) error {
	if s.generation == 0 {
		last, err := s.numbers(ctx, generationKey, 1)
		if err != nil {
			return err
		}
		next := uint64(1)
		if last != nil {
			next = last[0] + 1
		}
		if err := s.setAside(ctx); err != nil {
			return err
		}
		if err := s.client.Set(ctx, generationKey, encodeNumbers(next)); err != nil {
			return fmt.Errorf("save state: %w", err)
		}
		s.generation = next
	}
	for _, chunk := range chunks {
		if err := s.client.Set(ctx, chunkKey(s.generation, s.chunks), chunk); err != nil {
			return fmt.Errorf("save state, chunk %d: %w", s.chunks, err)
		}
		s.chunks++
	}
	if err := s.client.Set(ctx, headKey, encodeNumbers(s.generation, s.chunks)); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}

// setAside keeps the head of what was saved and could not be taken, which the
// next one takes the place of.
func (s *savedState) setAside(ctx context.Context) error {
	head, err := s.client.Get(ctx, headKey)
	if err != nil || head == nil {
		return err
	}
	old, err := s.numbers(ctx, headKey, 2)
	if err != nil {
		return err
	}
	if err := s.client.Set(ctx, fmt.Sprint(headKey, "/", old[0]), head); err != nil {
		return fmt.Errorf("set aside what was saved before: %w", err)
	}
	return nil
}

// take returns what was saved; none if nothing was. From then on it is no
// longer read: done deletes it, but for the chunks that are set aside.
func (s *savedState) take(ctx context.Context) (chunks [][]byte, done func(aside []int) error, err error) {
	head, err := s.numbers(ctx, headKey, 2)
	if err != nil || head == nil {
		return nil, func([]int) error { return nil }, err
	}
	generation := head[0]
	for n := range head[1] {
		chunk, err := s.client.Get(ctx, chunkKey(generation, n))
		if err != nil {
			return nil, nil, fmt.Errorf("read saved state, chunk %d of %d: %w", n, head[1], err)
		}
		chunks = append(chunks, chunk)
	}
	if err := s.client.Delete(ctx, headKey); err != nil {
		return nil, nil, fmt.Errorf("take saved state: %w", err)
	}
	return chunks, func(aside []int) error {
		keep := make(map[uint64]bool, len(aside))
		for _, i := range aside {
			keep[uint64(i)] = true
		}
		var errs []error
		for n := range head[1] {
			if !keep[n] {
				errs = append(errs, s.client.Delete(ctx, chunkKey(generation, n)))
			}
		}
		return errors.Join(errs...)
	}, nil
}

// takeOver takes over what the engine before this one left in the process or
// in storage. What cannot be read is set aside, not deleted, and the start goes
// on.
func (e *engine) takeOver(ctx context.Context, host component.Host) error {
	if id := e.config.Storage; id != nil {
		var err error
		if e.saved, err = openSavedState(ctx, host, *id, e.id); err != nil {
			return err
		}
	}
	left := e.takeLeft()
	if e.saved == nil {
		return nil
	}
	chunks, done, err := e.saved.take(ctx)
	if err != nil {
		e.logger.Error("Could not read what was saved before the stop; it is left as it is", zap.Error(err))
		return nil // the start goes on
	}
	if left != nil && left.stored != nil && *left.stored == *e.config.Storage {
		return done(nil) // the same, in case that the reload had not come as far as this
	}
	aside, err := e.inherit(chunks)
	if err != nil {
		e.logger.Error("Could not read all of what was saved before the stop; the chunks that are damaged or foreign are set aside in storage",
			zap.Ints("chunks", aside), zap.Error(err))
	}
	if err := done(aside); err != nil {
		e.logger.Warn("Could not delete what was taken over from storage; it will not be read again", zap.Error(err))
	}
	if len(chunks) > 0 {
		e.sayInherited("the stop")
	}
	return nil
}

// takeLeft takes over what was left in the process, and returns it; nil for
// nothing.
func (e *engine) takeLeft() *handover {
	h := bequests.Take(e.id)
	if h == nil {
		return nil
	}
	e.learned.Adopt(h.learned)
	e.ledger.adopt(h.ledger)
	if _, err := e.inherit(h.chunks); err != nil {
		e.logger.Error("Could not take over all that waited before the reload", zap.Error(err))
	}
	if h.traces+h.spans+h.records > 0 {
		e.sayInherited("the reload")
	}
	if h.stored != nil && (e.config.Storage == nil || *e.config.Storage != *h.stored) {
		e.logger.Warn("The storage of before the reload still has what was taken over from it; do not use it again as it is",
			zap.Stringer("storage", h.stored))
	}
	return h
}

func (e *engine) sayInherited(before string) {
	e.logger.Info("Took over what waited before "+before,
		zap.Int64("traces", e.telemetry.tracesPending.Load()),
		zap.Int64("spans", e.telemetry.spans.pending.Load()),
		zap.Int64("log_records", e.telemetry.logs.pending.Load()))
}

// bequeathAll encodes all that waits for a decision, and saves it if there is
// storage. If that fails, all of it is decided now instead, and nil returned.
func (e *engine) bequeathAll(ctx context.Context) *handover {
	h := &handover{learned: e.learned, ledger: e.ledger}
	if err := e.bequeathWaiting(h, time.Now()); err != nil {
		e.logger.Error("Lost what could not be handed over", zap.Error(err))
	}
	h.close()
	if e.saved == nil {
		return h
	}
	err := e.saved.save(ctx, h.chunks)
	if err == nil {
		return h
	}
	e.logger.Error("Could not save what waits; deciding it now", zap.Error(err))
	e.reporting.detach() // nobody may ask the shards any more
	for i := range e.shards {
		e.shards[i] = newShard(e, i)
	}
	if _, err := e.inherit(h.chunks); err != nil {
		e.logger.Error("Could not decide all of it", zap.Error(err))
	}
	e.thinner.drain()
	for _, s := range e.shards {
		s.decideAll()
		s.counts.flush()
	}
	return nil
}

// leave parts with what was handed over, and with what was to be kept and could
// not leave in time.
func (e *engine) leave(ctx context.Context, h *handover, spans, logs []*released, reload bool) {
	waiting, waitingSpans, waitingRecords := len(h.chunks), h.spans, h.records
	if err := e.bequeathKept(h, spans, logs); err != nil {
		e.logger.Error("Lost what could not be handed over", zap.Error(err))
	}
	h.close()
	if h.stored = e.config.Storage; reload {
		e.bequeathToNext(h)
	}
	if e.saved != nil && len(h.chunks) > waiting {
		if err := e.saved.save(ctx, h.chunks[waiting:]); err != nil {
			e.logger.Error("Lost what was to be kept: it has not left, and could not be saved", zap.Error(err),
				zap.Int("spans", h.spans-waitingSpans), zap.Int("log_records", h.records-waitingRecords))
			e.telemetry.spans.lostAfterAll(h.spans - waitingSpans)
			e.telemetry.logs.lostAfterAll(h.records - waitingRecords)
		}
	}
	to := "the next start"
	if reload {
		to = "the reloaded configuration"
	}
	e.logger.Info("Left what waits to "+to,
		zap.Int("traces", h.traces), zap.Int("spans", h.spans), zap.Int("log_records", h.records))
}
