package recording

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// decodedAhead is how many batches of a file are decoded before they are asked
// for, so that decoding goes on beside the replay.
const decodedAhead = 4

// stream is one file of the recording, decoded by a goroutine of its own.
type stream struct {
	path  string
	first time.Time // of its first batch; zero: unknown

	out  chan Batch
	err  error // why out was closed, if not because of the end; read after that
	head *Batch

	// What the goroutine counts is read after out was closed.
	clock   clock
	others  int  // messages of other signals
	cutOff  bool // the last message is
	stamped int  // batches
}

// newStream looks at the first batch of a file. The clock there is as good as
// it will be: files are put in order by it.
func newStream(path string) (*stream, error) {
	s := &stream{path: path}
	f, messages, err := s.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer messages.close()
	window, err := s.fill(messages, nil)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(window) > 0 {
		s.first = (&clock{}).date(window)
	}
	s.others, s.cutOff, s.stamped = 0, false, 0
	return s, nil
}

func (s *stream) open() (*os.File, *frames, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, nil, fmt.Errorf("read recording: %w", err)
	}
	messages, err := newFrames(f)
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("read recording %s: %w", s.path, err)
	}
	return f, messages, nil
}

// start begins to decode. Next must be called until it returns nil, or ctx be
// ended.
func (s *stream) start(ctx context.Context) {
	s.out = make(chan Batch, decodedAhead)
	go func() {
		defer close(s.out)
		if err := s.run(ctx); !errors.Is(err, io.EOF) {
			s.err = err
		}
	}()
}

func (s *stream) run(ctx context.Context) error {
	f, messages, err := s.open()
	if err != nil {
		return err
	}
	defer f.Close()
	defer messages.close()
	var window []Batch
	for {
		window, err = s.fill(messages, window)
		if len(window) == 0 {
			return err
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		b := window[0]
		b.At = s.clock.date(window)
		window = window[1:]
		select {
		case s.out <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// fill decodes until the window is full or the file at its end, which is
// io.EOF.
func (s *stream) fill(messages *frames, window []Batch) ([]Batch, error) {
	for len(window) < ahead {
		message, err := messages.next()
		if errors.Is(err, errCutOff) {
			s.cutOff = true
			return window, io.EOF
		}
		if errors.Is(err, io.EOF) {
			return window, io.EOF
		}
		if err != nil {
			return window, fmt.Errorf("read recording %s: %w", s.path, err)
		}
		b, err := decode(message)
		if errors.Is(err, errOther) {
			s.others++
			continue
		}
		if err != nil && messages.unterminated {
			s.cutOff = true
			return window, io.EOF
		}
		if err != nil {
			return window, fmt.Errorf("read recording %s: message %d: %w", s.path, messages.count, err)
		}
		if b.stamped {
			s.stamped++
		}
		window = append(window, b)
	}
	return window, nil
}

// peek returns the next batch, which next takes; nil at the end.
func (s *stream) peek() (*Batch, error) {
	if s.head == nil {
		if b, ok := <-s.out; ok {
			s.head = &b
		} else if s.err != nil {
			return nil, s.err
		}
	}
	return s.head, nil
}
