package journeyprocessor

import (
	"bytes"
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/wire"
)

// header is what records share: their encoded resource and scope, and the
// client metadata they came with. It does not change.
type header struct {
	resource, scope []byte
	metadata        *clientMetadata
	key             string
	serial          uint64       // in the order of their making
	users           atomic.Int64 // bundles that have it, and who is about to bind some
}

func (h *header) size() int64 { return heapHeadroom * int64(2*len(h.key)+200) }

// headerTable holds each header once while pieces refer to it: a service sends
// the same resource with every batch, and a trace would otherwise hold it
// again for every batch it has spans in. Any goroutine may use it.
type headerTable struct {
	buffer *buffer

	mu sync.Mutex
	// byKey and every change of a header's users from or to zero.
	byKey map[string]*header
	made  uint64
}

func newHeaderTable(b *buffer) *headerTable {
	return &headerTable{buffer: b, byKey: make(map[string]*header)}
}

// take returns the header of a group that came with m. The use must be given
// back with release.
func (t *headerTable) take(g *wire.Group, m *clientMetadata) *header {
	var scratch [512]byte
	key := binary.AppendUvarint(scratch[:0], uint64(len(g.Resource)))
	key = append(append(key, g.Resource...), g.Scope...)
	if m != nil {
		key = append(append(binary.AppendUvarint(key, uint64(len(g.Scope))), 'm'), m.key...)
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	h, ok := t.byKey[string(key)]
	if !ok {
		h = &header{
			key: string(key), resource: bytes.Clone(g.Resource), scope: bytes.Clone(g.Scope),
			metadata: m, serial: t.made,
		}
		t.made++
		t.byKey[h.key] = h
		t.buffer.add(h.size())
	}
	h.users.Add(1)
	return h
}

// release gives one use back.
func (t *headerTable) release(h *header) {
	if h.users.Add(-1) > 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	// Between the count and the lock it may have been taken again, or another
	// release that came to the same point may have removed it.
	if h.users.Load() == 0 && t.byKey[h.key] == h {
		delete(t.byKey, h.key)
		t.buffer.add(-h.size())
	}
}
