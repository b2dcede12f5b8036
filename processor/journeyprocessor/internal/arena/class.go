package arena

import "math/bits"

// Sizes grow in four steps a doubling, from 64 B: 64, 80, 96, 112, 128, 160 and
// so on, so that a block takes at most a fifth more than it asked for.
const (
	smallest = 64
	steps    = 4
	// classCount reaches to maxClass: nine doublings of the smallest.
	classCount = 9*steps + 1
)

func slotSize(class int) int {
	base := smallest << (class / steps)
	return base + base/steps*(class%steps)
}

// classOf is the class with the smallest slots that hold n bytes; n is from 1
// to maxClass.
func classOf(n int) int {
	if n <= smallest {
		return 0
	}
	// The doubling that n-1 lies in, and the quarter of it.
	doubling := bits.Len(uint(n-1)) - bits.Len(uint(smallest))
	base := smallest << doubling
	return doubling*steps + (n-1-base)/(base/steps) + 1
}
