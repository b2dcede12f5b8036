package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell starts a script and waits for the word "ready" in its log.
func shell(t *testing.T, script string, grace time.Duration) *Process {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log", "shell.log")
	p, err := StartProcess(t.Context(), ProcessSpec{
		Name: "shell", Path: "/bin/sh", Args: []string{"-c", script}, LogFile: log, Grace: grace, Env: []string{"WORD=ready"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the script's first word", func() bool {
		text, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(text), "ready")
	})
	return p
}

func runs(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestStopAsksFirst(t *testing.T) {
	p := shell(t, `trap 'exit 7' TERM; echo $WORD; while :; do sleep 0.01; done`, 10*time.Second)
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := p.Wait(t.Context()); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("got %v, want the exit code of its own", err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
}

func TestStopKillsWhoDoesNotListen(t *testing.T) {
	p := shell(t, `trap '' TERM; echo $WORD; while :; do sleep 0.01; done`, 50*time.Millisecond)
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := p.Wait(t.Context()); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("got %v, want a kill", err)
	}
}

func TestStopTakesTheGrandchildrenAlong(t *testing.T) {
	dir := t.TempDir()
	// One in the same group, and on Linux one that leads its own.
	script := fmt.Sprintf(`sleep 1000 & echo $! > %[1]s/same; command -v setsid >/dev/null && { setsid sleep 1000 & echo $! > %[1]s/own; }; echo $WORD; wait`, dir)
	p := shell(t, script, 5*time.Second)
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"same", "own"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue // no setsid here
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the end of the grandchild of its "+name+" group", func() bool { return !alivePID(pid) })
	}
}

// alivePID leaves out a zombie: whoever adopted it may be slow to reap.
func alivePID(pid int) bool {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		_, rest, _ := strings.Cut(string(stat), ") ")
		return !strings.HasPrefix(rest, "Z")
	}
	return runs(pid)
}

func TestAChildThatEndsWhileStartingSaysWhy(t *testing.T) {
	_, err := StartService(t.Context(), ProcessSpec{
		Name: "unhappy", Path: "/bin/sh", Args: []string{"-c", "echo no such option; exit 3"}, LogFile: filepath.Join(t.TempDir(), "log"),
	}, "http://127.0.0.1:1/")
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such option") {
		t.Errorf("got %v", err)
	}
}

func TestAServiceThatIsNeverReadyIsStopped(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	pidFile := filepath.Join(t.TempDir(), "pid")
	_, err := StartService(ctx, ProcessSpec{
		Name: "slow", Path: "/bin/sh", Args: []string{"-c", "echo $$ > " + pidFile + "; sleep 1000"},
	}, "http://127.0.0.1:1/")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "slow") {
		t.Errorf("got %v, want the deadline and the name", err)
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if runs(pid) {
		t.Error("it still runs")
	}
}

func TestAMissingProgramIsNamed(t *testing.T) {
	if _, err := StartProcess(t.Context(), ProcessSpec{Name: "ghost", Path: "/no/such/program"}); err == nil || !strings.Contains(err.Error(), "start ghost") {
		t.Errorf("got %v", err)
	}
}

// parentScript is what TestChildEndsWithAKilledParent runs in another process.
const parentVariable = "STACK_TEST_PARENT"

func TestChildEndsWithAKilledParent(t *testing.T) {
	if os.Getenv(parentVariable) != "" {
		p, err := StartProcess(t.Context(), ProcessSpec{Name: "sleep", Path: "sleep", Args: []string{"1000"}})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("child", p.PID())
		<-t.Context().Done() // never: we are killed
	}
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("only Linux ends a child with its parent")
	}
	parent := exec.Command(os.Args[0], "-test.run=^TestChildEndsWithAKilledParent$")
	parent.Env = append(os.Environ(), parentVariable+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "child %d", &pid)
	}
	if pid == 0 || !alivePID(pid) {
		t.Fatalf("child %d does not run", pid)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // "signal: killed"
	eventually(t, "the child's end", func() bool { return !alivePID(pid) })
}

func TestLogTailHasWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("first line\nsecond\nthird\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int64]string{1000: "first line\nsecond\nthird", 16: "second\nthird", 8: "third"} {
		if got, err := LogTail(path, size); err != nil || got != want {
			t.Errorf("%d bytes: got %q, %v; want %q", size, got, err, want)
		}
	}
}

func TestTakenPortNamesTheSetting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	free := mustFreePort(t)
	err = CheckPorts([]PortUse{{taken, "the page", "PAGE_PORT"}, {free, "one", "ONE_PORT"}, {free, "other", "OTHER_PORT"}})
	if err == nil {
		t.Fatal("want an error")
	}
	for _, want := range []string{strconv.Itoa(taken), "the page", "PAGE_PORT", "ONE_PORT", "OTHER_PORT"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if err := CheckPorts([]PortUse{{free, "one", "ONE_PORT"}}); err != nil {
		t.Errorf("a free port: %v", err)
	}
}
