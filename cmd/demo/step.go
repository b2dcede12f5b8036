package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// reportEvery is how often a long step says that it is still at work.
const reportEvery = 10 * time.Second

// terminal prints the demo's progress. It may be used from any goroutine.
type terminal struct {
	mu  sync.Mutex // guards out
	out io.Writer
}

func (t *terminal) line(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, format+"\n", args...)
}

// step names a piece of work, says when it goes on for long, and what it took.
// progress may be nil; otherwise it adds to the line printed meanwhile.
func (t *terminal) step(ctx context.Context, name string, progress func() string, work func(context.Context) error) error {
	began := time.Now()
	t.line("==> %s", name)
	stop := t.report(began, progress)
	err := work(ctx)
	stop()
	took := time.Since(began).Round(100 * time.Millisecond)
	if err != nil {
		t.line("    not done after %s", took)
		return fmt.Errorf("%s: %w", name, err)
	}
	t.line("    done in %s", took)
	return nil
}

// report prints a line every reportEvery until it is stopped.
func (t *terminal) report(began time.Time, progress func() string) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(reportEvery)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				more := ""
				if progress != nil {
					more = ": " + progress()
				}
				t.line("    … %s%s", time.Since(began).Round(time.Second), more)
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

// Write lets the terminal be a log for others; what they write is indented.
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := fmt.Fprintf(t.out, "    %s", p); err != nil {
		return 0, err
	}
	return len(p), nil
}
