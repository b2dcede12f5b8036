// Package process reads what a running process has used, from Linux's /proc.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// clockTick is the unit of CPU times in /proc/PID/stat: USER_HZ, which is 100
// on every platform that Go runs on.
const clockTick = time.Second / 100

// CPU is processor time.
type CPU struct{ User, System time.Duration }

// Total is both.
func (c CPU) Total() time.Duration { return c.User + c.System }

// Sub is what was used since earlier.
func (c CPU) Sub(earlier CPU) CPU {
	return CPU{User: c.User - earlier.User, System: c.System - earlier.System}
}

// CPUOf is what all threads of a process have used so far.
func CPUOf(pid int) (CPU, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return CPU{}, fmt.Errorf("read CPU time: %w", err)
	}
	return parseStat(stat)
}

// parseStat reads fields 14 (utime) and 15 (stime) of proc_pid_stat(5). The
// second field is the program's name in parentheses and may hold anything.
func parseStat(stat []byte) (CPU, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const utime, stime = 14 - 3, 15 - 3
	if len(fields) <= stime {
		return CPU{}, fmt.Errorf("read CPU time: %d fields after the name in %q", len(fields), stat)
	}
	user, errUser := strconv.ParseInt(string(fields[utime]), 10, 64)
	system, errSystem := strconv.ParseInt(string(fields[stime]), 10, 64)
	if err := errors.Join(errUser, errSystem); err != nil {
		return CPU{}, fmt.Errorf("read CPU time: %w", err)
	}
	return CPU{User: time.Duration(user) * clockTick, System: time.Duration(system) * clockTick}, nil
}

// Memory is resident memory in bytes.
type Memory struct{ Now, Peak int64 }

// MemoryOf is what a process has resident, and the most it ever had.
func MemoryOf(pid int) (Memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, fmt.Errorf("read resident memory: %w", err)
	}
	now, errNow := kilobytes(string(status), "VmRSS:")
	peak, errPeak := kilobytes(string(status), "VmHWM:")
	return Memory{Now: now, Peak: peak}, errors.Join(errNow, errPeak)
}

// kilobytes reads a line such as "VmRSS:   1234 kB" as bytes.
func kilobytes(status, name string) (int64, error) {
	for line := range strings.Lines(status) {
		value, ok := strings.CutPrefix(line, name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", name, err)
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("read resident memory: no %s", name)
}

// SampleEvery is how often a Sampler looks.
const SampleEvery = 200 * time.Millisecond

// Sampler records a process's resident memory over time.
type Sampler struct {
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	samples []float64 // bytes; owned by the goroutine until Stop has joined it
	peak    atomic.Int64
}

// Sample starts to record; Stop ends it.
func Sample(pid int) *Sampler {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Sampler{cancel: cancel}
	s.wg.Go(func() { s.run(ctx, pid) })
	return s
}

func (s *Sampler) run(ctx context.Context, pid int) {
	ticker := time.NewTicker(SampleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		m, err := MemoryOf(pid)
		if err != nil {
			return // the process has ended; whoever stops it says so
		}
		s.samples = append(s.samples, float64(m.Now))
		s.peak.Store(m.Peak)
	}
}

// Peak is the most the process ever had, as of the last sample. It may be
// called at any time.
func (s *Sampler) Peak() int64 { return s.peak.Load() }

// Stop ends the recording and returns it in bytes, oldest first. It may be
// called again.
func (s *Sampler) Stop() []float64 {
	s.cancel()
	s.wg.Wait()
	return s.samples
}
