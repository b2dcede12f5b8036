package recording

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Reader reads all files of a recording as one. One goroutine at a time.
type Reader struct {
	ctx    context.Context //nolint:containedctx // of the goroutines that decode; Close ends it
	cancel context.CancelFunc
	later  []*stream // not begun, by their first batch
	now    []*stream // being read
	last   time.Time

	Batches, Spans, LogRecords int
	First                      time.Time // when the first batch came
	stamped, others            int
	disbelieved                int
	cutOff                     []string // files
}

// Open opens the files of a recording, in any order: spans and log records
// together or apart, one file or a rotated series. The caller closes the
// Reader.
func Open(paths []string) (*Reader, error) {
	r := &Reader{}
	for _, path := range paths {
		s, err := newStream(path)
		if err != nil {
			return nil, err
		}
		r.later = append(r.later, s)
	}
	slices.SortStableFunc(r.later, func(a, b *stream) int { return a.first.Compare(b.first) })
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// Close ends the goroutines that decode.
func (r *Reader) Close() {
	r.cancel()
	for _, s := range r.now {
		for range s.out {
		}
	}
}

// Last is when the batch came that was returned last.
func (r *Reader) Last() time.Time { return r.last }

// Next returns the batch that came next; io.EOF after the last.
func (r *Reader) Next() (Batch, error) {
	for {
		next, err := r.earliest()
		if err != nil {
			return Batch{}, err
		}
		if next != nil && (len(r.later) == 0 || next.head.At.Before(r.later[0].first)) {
			return r.take(next), nil
		}
		if len(r.later) == 0 {
			return Batch{}, io.EOF
		}
		begun := r.later[0]
		r.later = r.later[1:]
		begun.start(r.ctx)
		r.now = append(r.now, begun)
	}
}

// earliest is the file being read whose next batch came first; nil if there is
// none. Files at their end are let go.
func (r *Reader) earliest() (*stream, error) {
	var first *stream
	var errs []error
	r.now = slices.DeleteFunc(r.now, func(s *stream) bool {
		head, err := s.peek()
		switch {
		case err != nil:
			errs = append(errs, err)
		case head == nil:
			r.note(s)
			return true
		case first == nil || head.At.Before(first.head.At):
			first = s
		}
		return false
	})
	return first, errors.Join(errs...)
}

func (r *Reader) note(s *stream) {
	r.stamped += s.stamped
	r.others += s.others
	r.disbelieved += s.clock.disbelieved
	if s.cutOff {
		r.cutOff = append(r.cutOff, s.path)
	}
}

// take hands out a file's next batch. Time does not go back between files.
func (r *Reader) take(s *stream) Batch {
	b := *s.head
	s.head = nil
	if b.At.Before(r.last) {
		b.At = r.last
	}
	if r.Batches == 0 {
		r.First = b.At
	}
	r.last = b.At
	r.Batches++
	if b.IsLogs {
		r.LogRecords += b.Records()
	} else {
		r.Spans += b.Records()
	}
	return b
}

// Notes say, after the last batch, what somebody should know who relies on the
// recording.
func (r *Reader) Notes() []string {
	var notes []string
	switch {
	case r.Batches == 0:
		notes = append(notes, "the recording is empty")
	case r.stamped == r.Batches:
		notes = append(notes, "batches came when the recording says ("+RecordedAt+")")
	default:
		notes = append(notes, "when a batch came is taken from the end of its last span: the recording does not say it")
	}
	if r.disbelieved > 0 {
		notes = append(notes, fmt.Sprintf("%d batches are from clocks that are ahead of all others by more than %s, and count as having come with the others", r.disbelieved, stride))
	}
	if r.others > 0 {
		notes = append(notes, fmt.Sprintf("%d messages are neither spans nor log records, and left out", r.others))
	}
	for _, path := range r.cutOff {
		notes = append(notes, fmt.Sprintf("the last message of %s is cut off, and left out", path))
	}
	return notes
}
