package memory

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
)

// A saved memory is, in little-endian numbers, whatever machine wrote it:
//
//	"journey decisions", a byte of version
//	table of kept, table of dropped
//	CRC-32C of all that, 4 bytes
//
// A table is the number of its rows, youngest first, and each row the number
// of its generations and those. A generation is its seed, how many slots it
// has and how many are used, their fingerprints (low parts, then high parts),
// and, of kept traces, their weights, the places of their names, and the
// number of names and those, each with its length.
const (
	magic   = "journey decisions"
	version = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendTo appends what d remembers, also what it has adopted, to b.
func (d *Decisions) AppendTo(b []byte) []byte {
	from := len(b)
	b = append(append(b, magic...), version)
	b = d.dropped.appendTo(d.kept.appendTo(b))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[from:], castagnoli))
}

// ToSave is what each of several memories that have adopted the same has to
// save so that all of it is saved once: its own, and what was adopted with one
// that has forgotten least of it. If each saved that too, and each successor
// adopted from all, there would be more of it from stop to stop, without an end;
// and so there would if a memory that nothing is added to kept all it adopts.
func ToSave(all []*Decisions) []*Decisions {
	save := make([]*Decisions, len(all))
	var kept, dropped int // whose adopted rows are the most
	for i, d := range all {
		own := *d
		own.kept.adopted, own.dropped.adopted = nil, nil
		save[i] = &own
		if len(d.kept.adopted) > len(all[kept].kept.adopted) {
			kept = i
		}
		if len(d.dropped.adopted) > len(all[dropped].dropped.adopted) {
			dropped = i
		}
	}
	if len(all) > 0 {
		save[kept].kept.adopted = all[kept].kept.latest()
		save[dropped].dropped.adopted = all[dropped].dropped.latest()
	}
	return save
}

// latest is what was adopted, as far as there is place for it beside t's own.
func (t *table) latest() [][]*generation {
	return t.adopted[:min(len(t.adopted), generations-len(t.own))]
}

func (t *table) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(t.own)+len(t.adopted)))
	for _, g := range t.own {
		b = g.appendTo(binary.AppendUvarint(b, 1))
	}
	for _, row := range t.adopted {
		b = binary.AppendUvarint(b, uint64(len(row)))
		for _, g := range row {
			b = g.appendTo(b)
		}
	}
	return b
}

func (g *generation) appendTo(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, g.seed[0])
	b = binary.LittleEndian.AppendUint64(b, g.seed[1])
	b = binary.AppendUvarint(b, uint64(len(g.low)))
	b = binary.AppendUvarint(b, uint64(g.used))
	b = slices.Grow(b, 15*len(g.low))
	for _, low := range g.low {
		b = binary.LittleEndian.AppendUint32(b, low)
	}
	b = append(b, g.high...)
	if g.weights == nil {
		return b
	}
	for _, w := range g.weights {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	for _, n := range g.names {
		b = binary.LittleEndian.AppendUint16(b, n)
	}
	b = binary.AppendUvarint(b, uint64(len(g.journeys.list)))
	for _, name := range g.journeys.list {
		b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
	}
	return b
}

var (
	errForeign = errors.New("not a memory of decisions")
	errDamaged = errors.New("memory of decisions is truncated or damaged")
)

// Load reads what AppendTo wrote, for a new memory to adopt: it remembers
// nothing more itself. Bytes that are anything else are refused with an error
// that says so, and take no more memory than they are long.
func Load(b []byte) (*Decisions, error) {
	if len(b) < len(magic)+1+4 || string(b[:len(magic)]) != magic {
		return nil, errForeign
	}
	if v := b[len(magic)]; v != version {
		return nil, fmt.Errorf("memory of decisions has version %d; this program reads %d", v, version)
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, fmt.Errorf("%w: wrong checksum", errDamaged)
	}
	r := reader{left: body[len(magic)+1:]}
	d := &Decisions{kept: r.table(true), dropped: r.table(false)}
	if r.err == nil && len(r.left) > 0 {
		r.err = fmt.Errorf("%w: %d bytes too many", errDamaged, len(r.left))
	}
	if r.err != nil {
		return nil, r.err
	}
	return d, nil
}

// reader takes values from the front of what is left. After the first error
// all it takes is zero.
type reader struct {
	left []byte
	err  error
}

func (r *reader) table(verdicts bool) table {
	t := table{verdicts: verdicts}
	for range r.count(1) {
		var row []*generation
		for range r.count(minGeneration) {
			row = append(row, r.generation(verdicts))
		}
		t.adopted = append(t.adopted, row)
		if r.err != nil {
			return table{}
		}
	}
	return t
}

// minGeneration is the length of the shortest generation: seed, two numbers
// and a slot.
const minGeneration = 16 + 1 + 1 + 5

func (r *reader) generation(verdicts bool) *generation {
	g := &generation{seed: Seed{r.uint64(), r.uint64()}}
	slots := r.count(5)
	g.used = r.count(0)
	g.low = make([]uint32, slots)
	for i := range g.low {
		g.low[i] = uint32(r.number(4))
	}
	g.high = slices.Clone(r.take(slots))
	if verdicts {
		r.verdicts(g, slots)
	}
	if r.err == nil {
		r.err = g.check()
	}
	return g
}

func (r *reader) verdicts(g *generation, slots int) {
	if slots*10 > len(r.left) {
		r.fail()
		return
	}
	g.weights, g.names = make([]uint64, slots), make([]uint16, slots)
	for i := range g.weights {
		g.weights[i] = r.uint64()
	}
	for i := range g.names {
		g.names[i] = uint16(r.number(2))
	}
	for range r.count(1) {
		g.journeys.list = append(g.journeys.list, string(r.take(r.count(1))))
	}
}

// check says whether g could have been made here. What is not checked could
// make a search endless or a name's place wrong.
func (g *generation) check() error {
	used := 0
	for i := range g.low {
		if g.low[i] == 0 {
			continue
		}
		used++
		if i < len(g.names) && int(g.names[i]) > len(g.journeys.list) {
			return fmt.Errorf("%w: a journey has no name", errDamaged)
		}
	}
	if used != g.used || used >= len(g.low) {
		return fmt.Errorf("%w: %d of %d slots are used, not %d", errDamaged, used, len(g.low), g.used)
	}
	return nil
}

// count reads how many things of at least so many bytes each follow.
func (r *reader) count(each int) int {
	n, length := binary.Uvarint(r.left)
	if length <= 0 || n > uint64(len(r.left)) || int(n)*each > len(r.left)-length {
		r.fail()
		return 0
	}
	r.left = r.left[length:]
	return int(n)
}

func (r *reader) take(n int) []byte {
	if n > len(r.left) {
		r.fail()
		return nil
	}
	b := r.left[:n]
	r.left = r.left[n:]
	return b
}

func (r *reader) uint64() uint64 { return r.number(8) }

func (r *reader) number(bytes int) uint64 {
	var full [8]byte
	copy(full[:], r.take(bytes))
	return binary.LittleEndian.Uint64(full[:])
}

func (r *reader) fail() {
	if r.err == nil {
		r.err = errDamaged
	}
	r.left = nil
}
