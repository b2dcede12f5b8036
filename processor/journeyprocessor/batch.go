package journeyprocessor

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/wire"
)

// fitting is how many of the queue, at least one, fit into a batch of that
// many records and bytes.
func (t *bundles) fitting(queue []*released, maxRecords int, maxBytes int64) int {
	headers := make(map[*header]struct{})
	records, bytes := 0, int64(0)
	for n, v := range queue {
		records += v.count
		bytes += v.bytes + v.written()
		for i := range v.pieces {
			h := t.header(&v.pieces[i])
			if _, ok := headers[h]; !ok {
				headers[h] = struct{}{}
				bytes += int64(len(h.key))
			}
		}
		if n > 0 && (records > maxRecords || bytes > maxBytes) {
			return n
		}
	}
	return len(queue)
}

// What is written on records before they leave, in bytes of OTLP: name and
// weight on each, and the rest, without its texts, on one.
const (
	writtenOnEach = 64
	writtenOnOne  = 500
	writtenOnPath = 8 // for each service of the path
)

// written estimates what the records grow by when they leave.
func (v *released) written() int64 {
	if v.verdict == nil {
		return 0
	}
	n := v.count * (writtenOnEach + len(v.verdict.journey))
	if v.tag != nil {
		n += writtenOnOne + len(v.tag.decision.Reason)
		for _, service := range v.tag.path {
			n += len(service.Name) + writtenOnPath
		}
	}
	return int64(n)
}

// join encodes a batch as one request in which every resource and scope stands
// once, whichever traces its records belong to. It fails if what one of them
// holds cannot be read; see joinSound.
func (r *reader) join(batch []*released) ([]byte, error) {
	l := layout{bundles: r.bundles}
	for _, v := range batch {
		for i := range v.pieces {
			l.count(&v.pieces[i])
		}
	}
	request := l.begin()
	for _, v := range batch {
		for i := range v.pieces {
			l.place(&v.pieces[i])
		}
	}
	for _, first := range l.firsts {
		raw, err := r.read(l.places[first].piece.bundle)
		if err != nil {
			return nil, err
		}
		for n := first; n >= 0; n = l.places[n].next {
			p := l.places[n].piece
			copy(request[l.places[n].at:], raw[p.at:p.at+p.n])
		}
	}
	return request, nil
}

// joinSound joins what of a batch can be read. Damaged is what cannot, and err
// says why.
func (r *reader) joinSound(batch []*released) (request []byte, sound, damaged []*released, err error) {
	if request, err = r.join(batch); err == nil {
		return request, batch, nil, nil
	}
	for _, v := range batch {
		if _, broken := r.join([]*released{v}); broken != nil {
			damaged, err = append(damaged, v), broken
			continue
		}
		sound = append(sound, v)
	}
	request, broken := r.join(sound)
	if broken != nil { // each of them could be read a moment ago
		return nil, nil, batch, broken
	}
	return request, sound, damaged, err
}

// layout is where in a request each piece goes. It is known before anything is
// read, so that each bundle is read once, whatever it has to give.
type layout struct {
	bundles  *bundles
	groups   []group // in the order of their first piece
	byHeader map[*header]int
	places   []place
	firsts   []int // the first place of each bundle
	latest   map[bundleID]int
}

type group struct {
	header *header
	bytes  int // of records
	next   int // where in the request its next piece goes
}

type place struct {
	piece *piece
	at    int
	next  int // of the same bundle; -1: none
}

// count counts a piece.
func (l *layout) count(p *piece) {
	if l.byHeader == nil {
		l.byHeader, l.latest = make(map[*header]int), make(map[bundleID]int)
	}
	h := l.bundles.header(p)
	i, ok := l.byHeader[h]
	if !ok {
		i = len(l.groups)
		l.byHeader[h] = i
		l.groups = append(l.groups, group{header: h})
	}
	l.groups[i].bytes += int(p.n)
}

// begin returns the request with room for what was counted.
func (l *layout) begin() []byte {
	size := 0
	for _, g := range l.groups {
		size += len(g.header.key) + 32 + g.bytes
	}
	request := make([]byte, 0, size)
	for i := range l.groups {
		g := &l.groups[i]
		request = wire.AppendGroupStart(request, g.header.resource, g.header.scope, g.bytes)
		g.next = len(request)
		request = request[:g.next+g.bytes]
	}
	return request
}

// place gives a piece, all of which have been counted, its place.
func (l *layout) place(p *piece) {
	g := &l.groups[l.byHeader[l.bundles.header(p)]]
	n := len(l.places)
	l.places = append(l.places, place{piece: p, at: g.next, next: -1})
	g.next += int(p.n)
	if before, ok := l.latest[p.bundle]; ok {
		l.places[before].next = n
	} else {
		l.firsts = append(l.firsts, n)
	}
	l.latest[p.bundle] = n
}

// divisible says whether the batch has more than one record.
func divisible(batch []*released) bool { return len(batch) > 1 || batch[0].count > 1 }

// halves divides a divisible batch: between traces, and if it has only one,
// between its records. The batch must not be used after that.
func (c *courier) halves(batch []*released) (first, second []*released) {
	if n := len(batch) / 2; n > 0 {
		return batch[:n], batch[n:]
	}
	a, b := c.cutAt(batch[0], batch[0].count/2)
	return []*released{a}, []*released{b}
}

// cutToSize cuts v into parts of at most maxBytes, but for single records that
// are larger.
func (c *courier) cutToSize(v *released, maxBytes int64) []*released {
	if v.bytes <= maxBytes || v.count < 2 {
		return []*released{v}
	}
	a, b := c.cutAt(v, v.count/2)
	return append(c.cutToSize(a, maxBytes), c.cutToSize(b, maxBytes)...)
}

// cutAt divides v before its nth record. The parts have v's place: v must not
// be used after that.
func (c *courier) cutAt(v *released, n int) (*released, *released) {
	first := &released{id: v.id, verdict: v.verdict, tag: v.tag}
	second := &released{id: v.id, verdict: v.verdict, tag: v.tag}
	total := v.count
	for _, p := range v.pieces {
		room := n - first.count
		switch {
		case room >= int(p.count):
			first.addPiece(p)
		case room <= 0:
			second.addPiece(p)
		default:
			a, b := c.cut(p, room)
			c.store.buffer.add(pieceOverhead)
			v.size += pieceOverhead
			first.addPiece(a)
			second.addPiece(b)
		}
	}
	first.size = v.size * int64(first.count) / int64(total)
	second.size = v.size - first.size
	return first, second
}

// cut divides a piece before its nth record, which is not its first.
func (c *courier) cut(p piece, n int) (piece, piece) {
	records, err := c.records(&p)
	at := 0
	for i := 0; i < n && err == nil; i++ {
		_, _, length := protowire.ConsumeField(records[at:])
		at += max(length, 0)
	}
	// Cut anywhere, what is damaged is found to be so when it is to leave.
	at = min(max(at, 1), int(p.n)-1)
	first, second := p, p
	first.n, first.count = uint32(at), uint16(n)
	second.at, second.n, second.count = p.at+uint32(at), p.n-uint32(at), p.count-uint16(n)
	return first, second
}

// byMetadata sorts records by what their senders
// said beside them. What is of one trace and of several senders is divided
// between them.
func (t *bundles) byMetadata(batch []*released) [][]*released {
	var sorted [][]*released
	for _, v := range batch {
		for _, part := range t.divideByMetadata(v) {
			i := slices.IndexFunc(sorted, func(b []*released) bool { return t.metadata(b[0]).equals(t.metadata(part)) })
			if i < 0 {
				i, sorted = len(sorted), append(sorted, nil)
			}
			sorted[i] = append(sorted[i], part)
		}
	}
	return sorted
}

// metadata is that of records of one sender.
func (t *bundles) metadata(v *released) *clientMetadata { return t.header(&v.pieces[0]).metadata }

// divideByMetadata divides v between senders. V must not be used after that.
func (t *bundles) divideByMetadata(v *released) []*released {
	first := t.metadata(v)
	if !slices.ContainsFunc(v.pieces, func(p piece) bool { return !t.header(&p).metadata.equals(first) }) {
		return []*released{v}
	}
	var parts []*released
	for _, p := range v.pieces {
		i := slices.IndexFunc(parts, func(part *released) bool { return t.metadata(part).equals(t.header(&p).metadata) })
		if i < 0 {
			i, parts = len(parts), append(parts, &released{id: v.id, verdict: v.verdict, tag: v.tag})
		}
		parts[i].addPiece(p)
		parts[i].size += pieceOverhead
	}
	// What is not of pieces goes with the first.
	parts[0].size += v.size - piecesSize(v.pieces)
	return parts
}
