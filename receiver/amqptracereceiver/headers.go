package amqptracereceiver

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// headerReader decodes the header tables that wire.go has kept from the client, into the types that
// the client would have made. It differs in three ways: it makes each table, list and text once and uses them
// for every message; it cuts what is too long or too deep instead of ending the connection; and what
// it returns is only lent.
//
// Nearly all of a firehose message is what the messages before it said, too (node, vhost, user, queues,
// the keys of all headers), so a message costs memory for what is new in it: its ids.
//
// Owned by one goroutine.
type headerReader struct {
	maxText int // bytes; what is longer is cut one byte beyond, so that it can be seen to be too long

	tables []amqp.Table // lent out up to usedTables
	lists  [][]any
	// usedTables and usedLists belong to the message read last.
	usedTables, usedLists int
	texts                 [textSlots]knownText
}

// knownText is a string as a table holds it, so that it need not be made again.
type knownText struct {
	string
	boxed any
}

const (
	// textSlots is how many texts are remembered; each has one place, by its hash.
	textSlots = 1024
	// maxRememberedText is the longest text, in bytes, that is remembered: names are, contents are not.
	maxRememberedText = 128
	// maxLent is the largest table and list that is kept for the next message, and how many are: emptying
	// a map costs by the most it ever held.
	maxLent = 64
	// maxBaggageText is what a header can be at least without being cut: the W3C asks for so much baggage.
	maxBaggageText = 8192
	// maxHeaderDepth is how deep tables and lists may be in each other; what is deeper reads as nil.
	maxHeaderDepth = 16
)

func newHeaderReader(maxText int) *headerReader { return &headerReader{maxText: maxText} }

// read decodes a table's entries. The answer, and all tables, lists and bytes in it, are valid until
// the next call; texts stay. It is nil if the entries are not a table.
func (r *headerReader) read(entries []byte) amqp.Table {
	r.reclaim()
	table, ok := r.table(entries, 0)
	if !ok {
		return nil
	}
	return table
}

// reclaim empties what was lent for the last message, and lets go of what an unusual one has made.
func (r *headerReader) reclaim() {
	r.tables = slices.Delete(r.tables, min(len(r.tables), maxLent), len(r.tables)) // also forgets them
	r.lists = slices.Delete(r.lists, min(len(r.lists), maxLent), len(r.lists))
	for i, t := range r.tables[:min(len(r.tables), r.usedTables)] {
		if len(t) > maxLent {
			r.tables[i] = amqp.Table{}
		}
		clear(t)
	}
	for _, list := range r.lists[:min(len(r.lists), r.usedLists)] {
		clear(list)
	}
	r.usedTables, r.usedLists = 0, 0
}

func (r *headerReader) table(b []byte, depth int) (amqp.Table, bool) {
	if r.usedTables == len(r.tables) {
		r.tables = append(r.tables, amqp.Table{})
	}
	t := r.tables[r.usedTables]
	r.usedTables++
	for len(b) > 0 {
		end := 1 + int(b[0])
		if end > len(b) {
			return nil, false
		}
		key := r.text(b[1:end])
		value, rest, ok := r.value(b[end:], depth)
		if !ok {
			return nil, false
		}
		t[key.string] = value
		b = rest
	}
	return t, true
}

func (r *headerReader) list(b []byte, depth int) ([]any, bool) {
	at := r.usedLists
	if at == len(r.lists) {
		r.lists = append(r.lists, nil)
	}
	r.usedLists++
	list := r.lists[at][:0]
	for len(b) > 0 {
		value, rest, ok := r.value(b, depth)
		if !ok {
			return nil, false
		}
		list = append(list, value)
		b = rest
	}
	if cap(list) <= maxLent {
		r.lists[at] = list
	}
	return list, true
}

// value decodes a field: its type, then what the type says.
func (r *headerReader) value(b []byte, depth int) (value any, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	kind, b := b[0], b[1:]
	switch kind {
	case 'S', 'x', 'F', 'A':
		return r.sized(kind, b, depth)
	case 'V':
		return nil, b, true
	}
	size, known := scalarBytes(kind)
	if !known || len(b) < size {
		return nil, nil, false
	}
	return scalar(kind, b[:size]), b[size:], true
}

// sized decodes what begins with its length. What is too deep is passed over.
func (r *headerReader) sized(kind byte, b []byte, depth int) (value any, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	size := int64(binary.BigEndian.Uint32(b))
	if size > int64(len(b)-4) {
		return nil, nil, false
	}
	content, rest := b[4:4+size], b[4+size:]
	switch {
	case kind == 'S':
		return r.text(content).boxed, rest, true
	case kind == 'x':
		return content[:min(len(content), r.maxText+1)], rest, true
	case depth == maxHeaderDepth:
		return nil, rest, true
	case kind == 'F':
		value, ok = r.table(content, depth+1)
	default:
		value, ok = r.list(content, depth+1)
	}
	return value, rest, ok
}

// text returns b as a string, the same one as the last time if it is still remembered.
func (r *headerReader) text(b []byte) knownText {
	if len(b) > maxRememberedText {
		s := string(b[:min(len(b), r.maxText+1)])
		return knownText{s, s}
	}
	slot := &r.texts[textSlot(b)]
	if slot.boxed == nil || slot.string != string(b) {
		s := string(b)
		*slot = knownText{s, s}
	}
	return *slot
}

// textSlot is FNV-1a. Who floods it on purpose makes this receiver as slow as one that remembers nothing.
func textSlot(b []byte) uint32 {
	hash := uint32(2166136261)
	for _, c := range b {
		hash = (hash ^ uint32(c)) * 16777619
	}
	return (hash ^ hash>>16) % textSlots
}

// scalarBytes is how long each type of fixed length is: those of RabbitMQ, which differ from the
// AMQP 0-9-1 specification's.
func scalarBytes(kind byte) (size int, known bool) {
	switch kind {
	case 't', 'B', 'b':
		return 1, true
	case 's', 'u':
		return 2, true
	case 'I', 'i', 'f':
		return 4, true
	case 'D':
		return 5, true
	case 'l', 'd', 'T':
		return 8, true
	}
	return 0, false
}

func scalar(kind byte, b []byte) any {
	switch kind {
	case 't':
		return b[0] != 0
	case 'B':
		return b[0]
	case 'b':
		return int8(b[0])
	case 's':
		return int16(binary.BigEndian.Uint16(b))
	case 'u':
		return binary.BigEndian.Uint16(b)
	case 'I':
		return int32(binary.BigEndian.Uint32(b))
	case 'i':
		return binary.BigEndian.Uint32(b)
	case 'l':
		return int64(binary.BigEndian.Uint64(b))
	case 'f':
		return math.Float32frombits(binary.BigEndian.Uint32(b))
	case 'd':
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	case 'T':
		return time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
	}
	return amqp.Decimal{Scale: b[0], Value: int32(binary.BigEndian.Uint32(b[1:]))} // 'D'
}
