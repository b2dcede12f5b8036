package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// defaultGrace is how long Stop waits after SIGTERM before it kills. Our
// services flush within five seconds; a collector may decide and send what it
// still buffers.
const defaultGrace = 20 * time.Second

// logTailBytes is how much of a child's log an error quotes: enough for the
// last line that says why, not a screen full.
const logTailBytes = 2000

// ProcessSpec says what to start.
type ProcessSpec struct {
	Name string // for messages
	Path string
	Args []string
	// Env is added to the caller's environment; a later value of a name wins.
	Env []string
	Dir string // working directory; empty means the caller's
	// LogFile receives the child's output, appended. Empty discards it.
	LogFile string
	// Grace is how long Stop waits after SIGTERM; zero means 20 s.
	Grace time.Duration
}

// Process is a running or ended child in its own process group. Its methods
// may be called from any goroutine.
type Process struct {
	spec   ProcessSpec
	pid    int
	exited chan struct{} // closed once the child is reaped
	err    error         // what Wait returns; written before exited is closed
}

// StartProcess starts a child and returns as soon as it runs. The context ends
// only the start: the child lives until Stop, Kill, its own end or the caller's.
func StartProcess(ctx context.Context, spec ProcessSpec) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	output, err := openLog(spec.LogFile)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	defer output.Close() // the child has its own descriptor
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Env = append(os.Environ(), spec.Env...)
	cmd.Dir = spec.Dir
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = childAttributes()

	p := &Process{spec: spec, exited: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(cmd, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return p, nil
}

// run starts the child and waits for it on one locked thread: Linux sends the
// parent-death signal when the starting thread ends, not when the process does
// (golang.org/issue/27505), so that thread must outlive the child.
func (p *Process) run(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	p.pid = cmd.Process.Pid
	started <- nil
	p.err = cmd.Wait()
	close(p.exited)
}

func openLog(path string) (*os.File, error) {
	if path == "" {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

// Name is the name given in the spec.
func (p *Process) Name() string { return p.spec.Name }

// PID is the child's process id, which is also its process group's.
func (p *Process) PID() int { return p.pid }

// Spec is what the process was started with, to start it again.
func (p *Process) Spec() ProcessSpec { return p.spec }

// Exited is closed once the child has ended and is reaped.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Wait blocks until the child ends and returns nil for exit code 0, an
// *exec.ExitError for another, or the context's error.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.exited:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("wait for %s: %w", p.spec.Name, ctx.Err())
	}
}

// Signal sends sig to the child's whole process group. An ended child is no error.
func (p *Process) Signal(sig syscall.Signal) error {
	err := syscall.Kill(-p.pid, sig)
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal %s to %s: %w", sig, p.spec.Name, err)
	}
	return nil
}

// Kill ends the child and its descendants at once (SIGKILL) and waits until
// they are gone.
func (p *Process) Kill() error {
	family := descendants(p.pid)
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.exited
	return endFamily(p.spec.Name, family)
}

// Stop asks the child to end (SIGTERM), kills it when the grace or the context
// is over, and returns when it and its descendants are gone. Stopping a child
// that has ended clears what it left behind. The child's own exit code is not
// Stop's business: see Wait.
func (p *Process) Stop(ctx context.Context) error {
	family := descendants(p.pid)
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	grace := p.spec.Grace
	if grace == 0 {
		grace = defaultGrace
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
	case <-ctx.Done():
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.exited
	return endFamily(p.spec.Name, family)
}

// earlyEnd is the error of a child that ended while it was waited for.
func (p *Process) earlyEnd() error {
	reason := "exit status 0"
	if p.err != nil {
		reason = p.err.Error()
	}
	return fmt.Errorf("%s ended while starting: %s%s", p.spec.Name, reason, p.logTail())
}

// logTail is the end of the child's log, ready to follow an error message.
func (p *Process) logTail() string {
	tail, err := LogTail(p.spec.LogFile, logTailBytes)
	if err != nil || tail == "" {
		return ""
	}
	return fmt.Sprintf("; the end of %s:\n%s", p.spec.LogFile, tail)
}

// LogTail returns at most maxBytes of the end of a log file, whole lines only.
func LogTail(path string, maxBytes int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return "", err
	}
	offset := max(0, stat.Size()-maxBytes)
	tail := make([]byte, stat.Size()-offset)
	n, err := f.ReadAt(tail, offset)
	if n == 0 && err != nil && stat.Size() > 0 {
		return "", err
	}
	text := string(tail[:n])
	if offset > 0 {
		if _, rest, cut := strings.Cut(text, "\n"); cut {
			text = rest
		}
	}
	return strings.TrimRight(text, "\n"), nil
}
