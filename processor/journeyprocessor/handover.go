package journeyprocessor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"github.com/klauspost/compress/s2"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/memory"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

// handover is what an engine that stops leaves to the next one of its id:
// records that wait, as OTLP, because the next one may match them by other
// rules, and the memory of decisions. It is in chunks, each of which can be
// read without the others.
type handover struct {
	chunks [][]byte
	open   []byte // entries of the next chunk

	traces, spans, records int // that wait or are kept and have not left
	// stored is the storage extension that has all of it as well, if any.
	stored *component.ID

	// learned and ledger are handed over within the process only: the one is
	// learned again soon, the other is for those who look on.
	learned *policy.Learned
	ledger  *ledger
}

// A chunk is its mark with a byte of version, the CRC-32C of what follows (4
// bytes, little-endian), and a block of S2 with entries, each with its length
// as a varint. An entry is a message of protobuf's wire format:
//
//	1 traces           repeated: id (16 bytes) and age (8, little-endian), ns since its first part came;
//	                   none: records that are kept and only have to leave
//	3 spans, 4 logs    each a message: 1 request (OTLP), 2 metadata (repeated: 1 key, 2 values (repeated))
//	5 decisions        as internal/memory saves them
//	6 shard, 7 shards  varints: whose it was, of how many
const (
	chunkMark    = "otelcol-journey handover"
	chunkVersion = 1
	// chunkSize is where a chunk is closed: small enough that a damaged one
	// costs little, large enough to compress well.
	chunkSize = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errChunk is the error of bytes that are not a chunk of ours, or no longer.
var errChunk = errors.New("not a hand-over of this processor, or damaged")

// estate is one entry: traces that wait, or kept records, or decisions.
type estate struct {
	ages        map[pcommon.TraceID]time.Duration // of the traces that wait
	spans, logs []requestOf
	decisions   *memory.Decisions
	// shard owned it, one of shards; 0 of 0 for kept records.
	shard, shards int
}

// requestOf is an OTLP request and the metadata of the senders it came from.
type requestOf struct {
	request  []byte
	metadata *clientMetadata
}

func (h *handover) add(e *estate) {
	entry := e.append(nil)
	h.open = append(binary.AppendUvarint(h.open, uint64(len(entry))), entry...)
	if len(h.open) >= chunkSize {
		h.close()
	}
}

// join adds what another has, which is closed.
func (h *handover) join(other *handover) {
	h.chunks = append(h.chunks, other.chunks...)
	h.traces += other.traces
	h.spans += other.spans
	h.records += other.records
}

// close finishes the chunk that is being written.
func (h *handover) close() {
	if len(h.open) == 0 {
		return
	}
	block := s2.Encode(nil, h.open)
	chunk := make([]byte, 0, len(chunkMark)+5+len(block))
	chunk = append(append(chunk, chunkMark...), chunkVersion)
	chunk = binary.LittleEndian.AppendUint32(chunk, crc32.Checksum(block, castagnoli))
	h.chunks = append(h.chunks, append(chunk, block...))
	h.open = nil
}

func (e *estate) append(b []byte) []byte {
	for id, age := range e.ages {
		b = appendField(b, 1, binary.LittleEndian.AppendUint64(id[:], uint64(max(age, 0))))
	}
	for _, r := range e.spans {
		b = appendField(b, 3, r.append(nil))
	}
	for _, r := range e.logs {
		b = appendField(b, 4, r.append(nil))
	}
	if e.decisions != nil {
		b = appendField(b, 5, e.decisions.AppendTo(nil))
	}
	return appendNumber(appendNumber(b, 6, e.shard), 7, e.shards)
}

func (r *requestOf) append(b []byte) []byte {
	b = appendField(b, 1, r.request)
	if r.metadata == nil {
		return b
	}
	for _, key := range slices.Sorted(maps.Keys(r.metadata.values)) {
		m := appendField(nil, 1, []byte(key))
		for _, v := range r.metadata.values[key] {
			m = appendField(m, 2, []byte(v))
		}
		b = appendField(b, 2, m)
	}
	return b
}

func appendField(b []byte, num protowire.Number, value []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendBytes(b, value)
}

func appendNumber(b []byte, num protowire.Number, n int) []byte {
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(n))
}

// readChunk calls f with each entry of a chunk. The error is errChunk, or one
// that wraps it, or f's.
func readChunk(chunk []byte, f func(*estate) error) error {
	head := len(chunkMark)
	if len(chunk) < head+5 || string(chunk[:head]) != chunkMark {
		return errChunk
	}
	if version := chunk[head]; version != chunkVersion {
		return fmt.Errorf("%w: version %d, this collector reads %d", errChunk, version, chunkVersion)
	}
	sum, block := binary.LittleEndian.Uint32(chunk[head+1:]), chunk[head+5:]
	if crc32.Checksum(block, castagnoli) != sum {
		return fmt.Errorf("%w: its checksum is wrong", errChunk)
	}
	entries, err := s2.Decode(nil, block)
	if err != nil {
		return fmt.Errorf("%w: %w", errChunk, err)
	}
	for len(entries) > 0 {
		size, n := binary.Uvarint(entries)
		if n <= 0 || size > uint64(len(entries)-n) {
			return errChunk
		}
		var e estate
		if err := e.read(entries[n : n+int(size)]); err != nil {
			return err
		}
		if err := f(&e); err != nil {
			return err
		}
		entries = entries[n+int(size):]
	}
	return nil
}

func (e *estate) read(b []byte) error {
	return fields(b, func(num protowire.Number, number uint64, value []byte) error {
		var err error
		switch num {
		case 1:
			err = e.readAge(value)
		case 3, 4:
			var r requestOf
			if err = r.read(value); num == 3 {
				e.spans = append(e.spans, r)
			} else {
				e.logs = append(e.logs, r)
			}
		case 5:
			e.decisions, err = memory.Load(value)
		case 6:
			e.shard = int(min(number, 1<<30))
		case 7:
			e.shards = int(min(number, 1<<30))
		}
		return err
	})
}

func (e *estate) readAge(b []byte) error {
	if len(b) != 24 {
		return errChunk
	}
	if e.ages == nil {
		e.ages = make(map[pcommon.TraceID]time.Duration)
	}
	e.ages[pcommon.TraceID(b[:16])] = time.Duration(min(binary.LittleEndian.Uint64(b[16:]), 1<<62))
	return nil
}

func (r *requestOf) read(b []byte) error {
	values := map[string][]string{}
	err := fields(b, func(num protowire.Number, _ uint64, value []byte) error {
		if num == 1 {
			r.request = value
			return nil
		}
		var key string
		return fields(value, func(num protowire.Number, _ uint64, value []byte) error {
			if num == 1 {
				key = string(value)
			} else {
				values[key] = append(values[key], string(value))
			}
			return nil
		})
	})
	if len(values) > 0 {
		r.metadata = newClientMetadata(values)
	}
	return err
}

// fields calls f for each field of a message: with its number if it is a
// varint, else with its bytes.
func fields(b []byte, f func(num protowire.Number, number uint64, value []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%w: %w", errChunk, protowire.ParseError(n))
		}
		var number uint64
		var value []byte
		size := -1
		switch typ {
		case protowire.VarintType:
			number, size = protowire.ConsumeVarint(b[n:])
		case protowire.BytesType:
			value, size = protowire.ConsumeBytes(b[n:])
		}
		if size < 0 {
			return errChunk
		}
		if err := f(num, number, value); err != nil {
			return err
		}
		b = b[n+size:]
	}
	return nil
}
