//go:build unix && !linux

package stack

import "syscall"

// childAttributes puts the child into its own process group. Only Linux can
// also tie its life to ours; elsewhere Stop is what ends it.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

type relative struct{}

// descendants needs /proc; without it only the process group is ended.
func descendants(int) []relative { return nil }

func endFamily(string, []relative) error { return nil }
