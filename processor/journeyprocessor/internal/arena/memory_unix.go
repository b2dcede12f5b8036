//go:build unix

package arena

import "golang.org/x/sys/unix"

func mapMemory(n int) []byte {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		panic(mapError(n, err))
	}
	return b
}

func unmapMemory(b []byte) { _ = unix.Munmap(b) }

// giveBack keeps the addresses and lets the physical memory go. Where the
// system will not, the memory stays ours, which costs nothing but memory.
func giveBack(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }
