package amqptracereceiver

import "time"

// generations remembers the latest entries in two maps. When the newer one holds half of the limit, or
// is half of the time to live old, the older one is forgotten as a whole. So an entry stays for at least
// half of both, at a constant cost. Not safe for concurrent use.
type generations[K comparable, V any] struct {
	max          int
	ttl          time.Duration // 0: only the number limits
	newer, older map[K]V
	began        time.Time // when newer was begun
}

func newGenerations[K comparable, V any](limit int, ttl time.Duration) *generations[K, V] {
	return &generations[K, V]{max: limit, ttl: ttl, newer: map[K]V{}}
}

func (g *generations[K, V]) len() int { return len(g.newer) + len(g.older) }

func (g *generations[K, V]) get(key K, now time.Time) (V, bool) {
	g.age(now)
	if v, ok := g.newer[key]; ok {
		return v, true
	}
	v, ok := g.older[key]
	return v, ok
}

func (g *generations[K, V]) put(key K, value V, now time.Time) {
	g.age(now)
	if len(g.newer) >= max(g.max/2, 1) {
		g.turn(now)
	}
	g.newer[key] = value
	delete(g.older, key)
}

// age forgets what is too old. Both may be, after a pause.
func (g *generations[K, V]) age(now time.Time) {
	if g.ttl == 0 || now.Sub(g.began) < g.ttl/2 {
		return
	}
	if now.Sub(g.began) >= g.ttl {
		clear(g.newer)
	}
	g.turn(now)
}

func (g *generations[K, V]) turn(now time.Time) {
	g.older, g.newer, g.began = g.newer, map[K]V{}, now
}
