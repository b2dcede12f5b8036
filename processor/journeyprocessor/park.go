package journeyprocessor

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/arena"
)

// parcel is records of one trace and one signal, parked: sorted by header and
// compressed as one. Nothing in it but the headers is on the Go heap.
//
// Uncompressed it is, for each header, the number of records and the number of
// their bytes as varints, and the records.
type parcel struct {
	headers    []*header // one use of each
	block      arena.Block
	dictionary *s2.Dict // nil for none
}

// parcelOverhead is what a parcel takes on the heap beside its headers.
const parcelOverhead = 64

func (p *parcel) size() int64 {
	return p.block.Size() + heapHeadroom*int64(parcelOverhead+8*len(p.headers))
}

// parker parks and unparks. One goroutine at a time: it keeps the memory it
// works in.
type parker struct {
	store   *store
	raw     []byte
	encoded []byte
}

// pack makes a parcel of pieces, which are gone afterwards.
func (k *parker) pack(pieces []piece) parcel {
	slices.SortStableFunc(pieces, func(a, b piece) int { return cmp.Compare(a.header.serial, b.header.serial) })
	p := parcel{headers: make([]*header, 0, distinctHeaders(pieces))}
	k.raw = k.raw[:0]
	for len(pieces) > 0 {
		same := 1
		for same < len(pieces) && pieces[same].header == pieces[0].header {
			same++
		}
		p.headers = append(p.headers, pieces[0].header)
		k.raw = appendRecords(k.raw, pieces[:same])
		for i := range pieces[:same] {
			if i > 0 {
				k.store.headers.release(pieces[i].header)
			}
			k.store.memory().Free(pieces[i].records)
		}
		pieces = pieces[same:]
	}
	p.dictionary = k.store.dictionaries.learn(k.raw)
	if p.dictionary == nil {
		k.encoded = s2.Encode(k.encoded[:cap(k.encoded)], k.raw)
	} else {
		k.encoded = p.dictionary.Encode(k.encoded[:cap(k.encoded)], k.raw)
	}
	p.block = k.store.memory().Alloc(len(k.encoded))
	copy(p.block.Bytes(), k.encoded)
	k.shrink()
	return p
}

// workRoom is how much memory a parker keeps from one parcel to the next.
const workRoom = 1 << 20

func (k *parker) shrink() {
	if cap(k.raw) > workRoom {
		k.raw, k.encoded = nil, nil
	}
}

// distinctHeaders counts the headers of pieces that are sorted by them.
func distinctHeaders(pieces []piece) int {
	n := 0
	for i := range pieces {
		if i == 0 || pieces[i].header != pieces[i-1].header {
			n++
		}
	}
	return n
}

// appendRecords appends the records of pieces that share a header.
func appendRecords(b []byte, pieces []piece) []byte {
	records, bytes := 0, 0
	for i := range pieces {
		records += pieces[i].count
		bytes += pieces[i].records.Len()
	}
	b = binary.AppendUvarint(b, uint64(records))
	b = binary.AppendUvarint(b, uint64(bytes))
	for i := range pieces {
		b = append(b, pieces[i].records.Bytes()...)
	}
	return b
}

var errParcel = errors.New("parked records are damaged")

// unpack turns the parcels of holdings into pieces again. On an error, which
// only a fault of memory or of ours can cause, the rest stays as it was.
func (k *parker) unpack(h *holdings) error {
	for len(h.parcels) > 0 {
		pieces, err := k.open(&h.parcels[0])
		if err != nil {
			return err
		}
		k.store.memory().Free(h.parcels[0].block)
		h.pieces = append(h.pieces, pieces...)
		h.parcels = h.parcels[1:]
	}
	h.parcels = nil
	return nil
}

// open returns a parcel's records as pieces, which take over its headers.
func (k *parker) open(p *parcel) ([]piece, error) {
	var err error
	if p.dictionary == nil {
		k.raw, err = s2.Decode(k.raw[:cap(k.raw)], p.block.Bytes())
	} else {
		k.raw, err = p.dictionary.Decode(k.raw[:cap(k.raw)], p.block.Bytes())
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errParcel, err)
	}
	defer k.shrink()
	pieces := make([]piece, 0, len(p.headers))
	raw := k.raw
	for _, header := range p.headers {
		count, n := binary.Uvarint(raw)
		size, m := binary.Uvarint(raw[max(n, 0):])
		if n <= 0 || m <= 0 || size > uint64(len(raw)-n-m) {
			k.store.freeRecords(pieces)
			return nil, errParcel
		}
		raw = raw[n+m:]
		block := k.store.memory().Alloc(int(size))
		copy(block.Bytes(), raw[:size])
		pieces = append(pieces, piece{header: header, records: block, count: int(count)})
		raw = raw[size:]
	}
	return pieces, nil
}

// freeRecords gives back the bytes of pieces and not their headers.
func (s *store) freeRecords(pieces []piece) {
	for i := range pieces {
		s.memory().Free(pieces[i].records)
	}
}

const (
	// dictionarySize is the most that S2 takes.
	dictionarySize = s2.MaxDictSize
	// dictionarySample is how much of one trace goes into a dictionary: it
	// should have seen many kinds of them.
	dictionarySample = 4 << 10
	// dictionaryAge is when a new one is made, since traffic changes. Parcels
	// keep the one they were packed with, so with a wait of half an hour there
	// are at most four, of some 100 KiB each.
	dictionaryAge = 10 * time.Minute
)

// dictionaries learns from what is parked what the spans of this installation
// have in common, which makes parcels about half as large. Any goroutine may
// use it.
type dictionaries struct {
	current atomic.Pointer[s2.Dict]

	mu     sync.Mutex
	sample []byte
	due    time.Time // when to begin with the next one
}

// learn takes a sample of raw if one is wanted, and returns the dictionary to
// use; nil while there is none.
func (d *dictionaries) learn(raw []byte) *s2.Dict {
	if d.mu.TryLock() {
		defer d.mu.Unlock()
		d.add(raw, time.Now())
	}
	return d.current.Load()
}

func (d *dictionaries) add(raw []byte, now time.Time) {
	if now.Before(d.due) {
		return
	}
	// Another part of each trace: records are in the order of their headers, so
	// the first part would always be of the same services.
	from := len(d.sample) % max(len(raw)-dictionarySample, 1)
	d.sample = append(d.sample, raw[from:min(from+dictionarySample, len(raw))]...)
	if len(d.sample) < dictionarySize {
		return
	}
	d.current.Store(s2.MakeDict(d.sample, nil))
	d.sample, d.due = nil, now.Add(dictionaryAge)
}
