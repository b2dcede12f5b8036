package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// familyGrace is how long the descendants of an ended child may take to notice.
// Erlang's port programs end when their pipe closes: milliseconds.
const familyGrace = 2 * time.Second

// childAttributes puts the child into its own process group and lets the kernel
// kill it when the thread that started it ends, which is when the caller does.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// relative is one process, told apart from a later one with the same id by its
// start time (in clock ticks since boot).
type relative struct {
	pid, parent int
	state       byte
	started     string
}

// descendants lists the children of pid, theirs, and so on. Port programs of
// Erlang lead their own process groups, so a signal to the group misses them.
func descendants(pid int) []relative {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	children := map[int][]relative{}
	for _, path := range paths {
		if r, ok := readStat(path); ok {
			children[r.parent] = append(children[r.parent], r)
		}
	}
	var all []relative
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		for _, child := range children[queue[0]] {
			all = append(all, child)
			queue = append(queue, child.pid)
		}
	}
	return all
}

// readStat reads one /proc/PID/stat: proc_pid_stat(5), fields 1, 3, 4 and 22.
// The name in field 2 may hold blanks and brackets, so fields count from its
// last closing one.
func readStat(path string) (relative, bool) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return relative{}, false // it has just ended
	}
	open, end := bytes.IndexByte(raw, '('), bytes.LastIndexByte(raw, ')')
	if open < 0 || end < open {
		return relative{}, false
	}
	fields := bytes.Fields(raw[end+1:])
	if len(fields) < 20 {
		return relative{}, false
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(raw[:open])))
	if err != nil {
		return relative{}, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return relative{}, false
	}
	return relative{pid: pid, parent: parent, state: fields[0][0], started: string(fields[19])}, true
}

func (r relative) alive() bool {
	now, ok := readStat(fmt.Sprintf("/proc/%d/stat", r.pid))
	return ok && now.started == r.started && now.state != 'Z'
}

// endFamily waits until the former descendants of an ended child are gone and
// kills those that stay.
func endFamily(name string, family []relative) error {
	gone := func() (bool, error) {
		for _, r := range family {
			if r.alive() {
				return false, nil
			}
		}
		return true, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), familyGrace)
	defer cancel()
	if err := poll(ctx, gone); err == nil {
		return nil
	}
	var errs []error
	for _, r := range family {
		if !r.alive() {
			continue
		}
		if err := syscall.Kill(r.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("kill descendant %d of %s: %w", r.pid, name, err))
		}
	}
	return errors.Join(errs...)
}
