//go:build !unix

package arena

// Without mmap the memory comes from the Go heap, in runs that hold no
// pointers: correct, and as dear as any heap.

func mapMemory(n int) []byte { return make([]byte, n) }

func unmapMemory([]byte) {}

func giveBack([]byte) {}
