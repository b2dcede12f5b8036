package journeyprocessor

import (
	"encoding/binary"
	"slices"
	"sync"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/wire"
)

// fragment is what one batch holds of one trace: spans or log records.
type fragment struct {
	id     pcommon.TraceID
	facts  *facts.Part // nil for log records
	pieces []piece
	count  int      // records
	bytes  int64    // of records, as encoded
	one    [1]piece // room for the piece that most fragments have only one of
}

// size is the memory the fragment's pieces take. What its bundles take is in the
// account already, and what its facts take is accounted with its trace.
func (f *fragment) size() int64 { return piecesSize(f.pieces) }

func piecesSize(pieces []piece) int64 { return int64(len(pieces)) * pieceOverhead }

// splitter sorts the records of one batch by trace. It is used for one batch
// at a time and then goes back to the pool.
type splitter struct {
	binder
	byTrace   map[pcommon.TraceID]int32 // index into fragments
	fragments []*fragment
	metadata  *clientMetadata // of the batch
	texts     facts.Texts     // of this batch and earlier ones
	reserved  int64           // bytes, in the account
	inherits  bool            // takes what is there already, whether it fits or not
	// For the scope at hand: its records, encoded; where each ends; each
	// record's fragment (-1 for none); for each fragment touched how many
	// records it gets; and the records by fragment.
	records []byte
	ends    []int
	owner   []int32
	touched []int32
	counts  []int32
	order   []int32
	// What a setting drops before it waits.
	skipped      int
	skippedBytes int64
}

var splitters = sync.Pool{New: func() any {
	return &splitter{byTrace: make(map[pcommon.TraceID]int32), texts: make(facts.Texts)}
}}

// encodedRoom is how much memory for encoding is kept from one batch to the
// next: for the largest request that gRPC servers accept by default.
const encodedRoom = 4 << 20

func (s *splitter) reset() {
	clear(s.byTrace)
	clear(s.fragments)
	s.fragments, s.metadata, s.store = s.fragments[:0], nil, nil
	s.reserved, s.inherits = 0, false
	s.counts = s.counts[:0]
	s.discard()
	s.clearScope()
	s.skipped, s.skippedBytes = 0, 0
	if cap(s.records) > encodedRoom {
		s.records = nil
	}
}

func (s *splitter) clearScope() {
	s.records, s.ends = s.records[:0], s.ends[:0]
	s.owner, s.touched = s.owner[:0], s.touched[:0]
}

// total is the memory that the fragments take and the bytes of all records.
func (s *splitter) total() (size, bytes int64) {
	bytes = s.skippedBytes
	for _, f := range s.fragments {
		size += f.size()
		bytes += f.bytes
	}
	return size, bytes
}

// end says that the next record of the scope at hand ends where records does,
// and returns its length.
func (s *splitter) end() int {
	from := 0
	if n := len(s.ends); n > 0 {
		from = s.ends[n-1]
	}
	s.ends = append(s.ends, len(s.records))
	return len(s.records) - from
}

// skip says that the record that was appended to records is dropped.
func (s *splitter) skip() {
	s.owner = append(s.owner, -1)
	s.skipped++
	s.skippedBytes += int64(s.end())
}

// assign says that the record that was appended to records belongs to trace
// id, and returns that trace's fragment.
func (s *splitter) assign(id pcommon.TraceID) *fragment {
	i, ok := s.byTrace[id]
	if !ok {
		i = int32(len(s.fragments))
		s.byTrace[id] = i
		s.fragments = append(s.fragments, newFragment(id))
		s.counts = append(s.counts, 0)
	}
	if s.counts[i] == 0 {
		s.touched = append(s.touched, i)
	}
	s.owner = append(s.owner, i)
	s.end()
	s.counts[i]++
	return s.fragments[i]
}

// Fragments and their facts are used again: they are short-lived and many.
var (
	fragments = sync.Pool{New: func() any { return new(fragment) }}
	factParts = sync.Pool{New: func() any { return facts.NewPart() }}
)

func newFragment(id pcommon.TraceID) *fragment {
	f := fragments.Get().(*fragment)
	f.id, f.pieces = id, f.one[:0]
	return f
}

// recycle parts with a fragment whose content others have taken over.
func (f *fragment) recycle() {
	if f.facts != nil {
		f.facts.Reset()
		factParts.Put(f.facts)
	}
	*f = fragment{}
	fragments.Put(f)
}

// cut gives the records of the scope at hand to the fragments they were
// assigned to, if there is memory for them. On an error nothing of the scope
// has been given to anybody. Nothing can be read before seal.
func (s *splitter) cut(g *wire.Group) (reason string, err error) {
	defer s.clearScope()
	if len(s.touched) == 0 {
		return "", nil
	}
	size := int64(len(s.records))
	if s.inherits {
		s.store.buffer.add(size)
	} else if reason, err := s.store.buffer.reserve(size, s.reserved); err != nil {
		return reason, err
	}
	s.reserved += size
	h := s.store.headers.take(g, s.metadata)
	defer s.store.headers.release(h)
	for _, r := range s.byFragment() {
		from := 0
		if r > 0 {
			from = s.ends[r-1]
		}
		record := s.records[from:s.ends[r]]
		f := s.fragments[s.owner[r]]
		f.pieces = s.bind(f.pieces, h, record, 1)
		f.count++
		f.bytes += int64(len(record))
		if s.isFull(bundleSize) {
			s.seal(false)
		}
	}
	return "", nil
}

// byFragment returns the records of the scope at hand, one fragment's after the
// other's: what is of one trace lies together, to be read together.
func (s *splitter) byFragment() []int32 {
	n := int32(0)
	for _, i := range s.touched {
		s.counts[i], n = n, n+s.counts[i] // from here on where its next one goes
	}
	s.order = slices.Grow(s.order[:0], int(n))[:n]
	for r, i := range s.owner {
		if i >= 0 {
			s.order[s.counts[i]] = int32(r)
			s.counts[i]++
		}
	}
	for _, i := range s.touched {
		s.counts[i] = 0
	}
	return s.order
}

// shardOf spreads trace ids over n shards. Both halves count, and are mixed:
// some tracers fill one half with a constant or with the time.
func shardOf(id pcommon.TraceID, n int) int {
	x := binary.BigEndian.Uint64(id[:8]) ^ binary.BigEndian.Uint64(id[8:])
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd // the finalizer of MurmurHash3
	x ^= x >> 33
	return int(x % uint64(n))
}
