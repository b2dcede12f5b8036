// Package memory remembers what was decided about traces, in bounded memory.
package memory

// Generations is a map that holds between half its size and its size of the
// latest entries and forgets the oldest half at once, which takes no list and
// no clock per entry. One goroutine at a time.
type Generations[K comparable, V any] struct {
	half          int
	young, oldest map[K]V
}

// New makes a map for at most size entries; a size below 2 remembers nothing.
func New[K comparable, V any](size int) *Generations[K, V] {
	return &Generations[K, V]{half: size / 2, young: make(map[K]V)}
}

// Put remembers v for k, in place of what was remembered for k before.
func (g *Generations[K, V]) Put(k K, v V) {
	if g.half == 0 {
		return
	}
	if len(g.young) >= g.half {
		g.oldest, g.young = g.young, make(map[K]V, g.half)
	}
	g.young[k] = v
}

// Get returns what is remembered for k, and whether anything is.
func (g *Generations[K, V]) Get(k K) (V, bool) {
	if v, ok := g.young[k]; ok {
		return v, true
	}
	v, ok := g.oldest[k]
	return v, ok
}
