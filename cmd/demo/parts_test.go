package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// stub is a part that does not run anywhere.
type stub struct {
	exited  chan struct{}
	onStop  func()
	stopErr error
}

func (s *stub) Exited() <-chan struct{} { return s.exited }
func (s *stub) PID() int                { return 42 }
func (s *stub) Stop(context.Context) error {
	s.onStop()
	return s.stopErr
}

// journal notes what happens, from any goroutine.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) part(name string) *part {
	return &part{name: name, timeout: time.Minute, start: func(context.Context) (running, error) {
		j.add("start " + name)
		return &stub{exited: make(chan struct{}), onStop: func() { j.add("stop " + name) }}, nil
	}}
}

func TestGroupsStartInOrderAndStopInTheOpposite(t *testing.T) {
	var j journal
	a := &assembly{groups: []group{{"first", []*part{j.part("a")}}, {"second", []*part{j.part("b")}}}}
	if err := a.start(t.Context(), &terminal{out: &bytes.Buffer{}}); err != nil {
		t.Fatal(err)
	}
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"start a", "start b", "stop b", "stop a"}; !slices.Equal(j.lines, want) {
		t.Errorf("got %q, want %q", j.lines, want)
	}
}

func TestAPartThatCannotStartEndsTheWaitForTheOthers(t *testing.T) {
	var j journal
	broken := &part{name: "broken", timeout: time.Minute, start: func(context.Context) (running, error) { return nil, errors.New("no such binary") }}
	slow := &part{name: "slow", timeout: time.Minute, start: func(ctx context.Context) (running, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	a := &assembly{groups: []group{{"good", []*part{j.part("a")}}, {"bad", []*part{broken, slow}}, {"never", []*part{j.part("z")}}}}
	err := a.start(t.Context(), &terminal{out: &bytes.Buffer{}})
	if err == nil || err.Error() != "bad: no such binary" {
		t.Errorf("got %v, want the cause alone", err)
	}
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"start a", "stop a"}; !slices.Equal(j.lines, want) {
		t.Errorf("got %q, want %q", j.lines, want)
	}
}

func TestWhoIsWaitedForIsNamed(t *testing.T) {
	var j journal
	g := group{"two", []*part{j.part("a"), j.part("b")}}
	if err := g.parts[0].run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := g.waiting(); got != "waiting for b" {
		t.Errorf("got %q", got)
	}
}

func TestAnEndedPartIsStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := &assembly{groups: []group{{"one", []*part{j.part("a"), j.part("b")}}}}
		out := &terminal{out: &bytes.Buffer{}}
		if err := a.start(t.Context(), out); err != nil {
			t.Fatal(err)
		}
		if name := a.ended(); name != "" {
			t.Errorf("%s has ended?", name)
		}
		close(a.groups[0].parts[1].current.(*stub).exited)
		if name := a.ended(); name != "b" {
			t.Errorf("ended is %q, want b", name)
		}
		ctx, cancel := context.WithCancel(t.Context())
		told := 0
		done := make(chan error, 1)
		go func() { done <- a.tend(ctx, out, func() error { told++; return nil }) }()
		time.Sleep(5 * restartDelay) // fake time
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if starts := strings.Count(strings.Join(j.lines, "\n"), "start b"); starts != 2 || told != 1 {
			t.Errorf("b was started %d times and told of %d times", starts, told)
		}
	})
}

func TestALongStepSaysThatItIsAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		out := &terminal{out: &text}
		err := out.step(t.Context(), "build Jaeger", func() string { return "linking" }, func(context.Context) error {
			time.Sleep(25 * time.Second) // fake time
			return errors.New("disk full")
		})
		if err == nil || err.Error() != "build Jaeger: disk full" {
			t.Errorf("got %v", err)
		}
		for _, want := range []string{"==> build Jaeger\n", "    … 10s: linking\n", "    … 20s: linking\n", "not done after 25s\n"} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("%q is not in\n%s", want, text.String())
			}
		}
	})
}

func TestLockIsHeldOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "demo.lock")
	release, err := lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(path); !errors.Is(err, errLocked) || !locked(path) {
		t.Errorf("got %v, want that it is locked", err)
	}
	release()
	if locked(path) {
		t.Error("still locked after its release")
	}
}

func TestAFailedBuildShowsTheEndOfItsOutput(t *testing.T) {
	root, logs := t.TempDir(), t.TempDir()
	makefile := "good:\n\t@echo fine\nbad:\n\t@echo undefined: x; exit 3\n"
	if err := os.WriteFile(filepath.Join(root, "Makefile"), []byte(makefile), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := runMake(t.Context(), root, "good", logs); err != nil {
		t.Error(err)
	}
	if err := runMake(t.Context(), root, "bad", logs); err == nil || !strings.Contains(err.Error(), "undefined: x") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := runMake(ctx, root, "good", logs); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestOneExampleOfEachKindThatIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "truth.jsonl")
	text := `{"truth":1,"started":"2026-11-21T10:00:00Z"}
{"trace_id":"1","journey":"checkout","class":"ok"}
{"trace_id":"2","journey":"checkout","class":"failed","must_keep":true}
{"trace_id":"3","journey":"checkout","class":"failed","must_keep":true}
{"trace_id":"4","journey":"gift card","class":"ok","must_keep":true}
{"trace_id":"5","journey":"check`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := examples(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].title() != "failed checkout" || got[0].TraceID != "2" || got[1].title() != "gift card" {
		t.Errorf("got %+v", got)
	}
}

func TestUnknownCommandsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"sideways"}, {"up", "now"}, {"-no-such-flag"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%q: want an error", args)
		}
	}
}
