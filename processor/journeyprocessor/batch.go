package journeyprocessor

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/wire"
)

// fitting is how many of the queue, at least one, fit into a batch of that
// many records and bytes.
func fitting(queue []*released, maxRecords int, maxBytes int64) int {
	headers := make(map[*header]struct{})
	records, bytes := 0, int64(0)
	for n, v := range queue {
		records += v.count
		bytes += v.bytes + v.written()
		for h := range v.headers {
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
// once, whichever traces its records belong to.
func join(batch []*released) []byte {
	byHeader := make(map[*header][][]byte)
	var order []*header
	size := 0
	for _, v := range batch {
		for i := range v.pieces {
			p := &v.pieces[i]
			if _, ok := byHeader[p.header]; !ok {
				order = append(order, p.header)
				size += len(p.header.key) + 32
			}
			byHeader[p.header] = append(byHeader[p.header], p.records.Bytes())
			size += p.records.Len()
		}
	}
	request := make([]byte, 0, size)
	for _, h := range order {
		request = wire.AppendGroup(request, h.resource, h.scope, byHeader[h]...)
	}
	return request
}

// divisible says whether the batch has more than one record.
func divisible(batch []*released) bool { return len(batch) > 1 || batch[0].count > 1 }

// halves divides a divisible batch: between traces, and if it has only one,
// between its records. The batch must not be used after that.
func (r *releaser) halves(batch []*released) (first, second []*released) {
	if n := len(batch) / 2; n > 0 {
		return batch[:n], batch[n:]
	}
	a, b := r.cutAt(batch[0], batch[0].count/2)
	return []*released{a}, []*released{b}
}

// cutToSize cuts v, of which nothing is parked, into parts of at most maxBytes,
// but for single records that are larger.
func (r *releaser) cutToSize(v *released, maxBytes int64) []*released {
	if v.bytes <= maxBytes || v.count < 2 {
		return []*released{v}
	}
	a, b := r.cutAt(v, v.count/2)
	return append(r.cutToSize(a, maxBytes), r.cutToSize(b, maxBytes)...)
}

// cutAt divides v before its nth record. The parts have v's place: v must not
// be used after that.
func (r *releaser) cutAt(v *released, n int) (*released, *released) {
	first := &released{id: v.id, verdict: v.verdict, tag: v.tag}
	second := &released{id: v.id, verdict: v.verdict, tag: v.tag}
	total := v.count
	for _, p := range v.pieces {
		room := n - first.count
		switch {
		case room >= p.count:
			first.addPiece(p)
		case room <= 0:
			second.addPiece(p)
		default:
			a, b := r.store.cut(p, room)
			grown := a.size() + b.size() - p.size()
			r.store.buffer.add(grown)
			v.size += grown
			first.addPiece(a)
			second.addPiece(b)
		}
	}
	first.size = v.size * int64(first.count) / int64(total)
	second.size = v.size - first.size
	return first, second
}

// cut divides a piece before its nth record. The second part is a copy, so that
// each has an owner of its own.
func (s *store) cut(p piece, n int) (piece, piece) {
	records, at := p.records.Bytes(), 0
	for range n {
		_, _, length := protowire.ConsumeField(records[at:])
		if length < 0 {
			break // not what wire.Split gives; what follows stays together
		}
		at += length
	}
	p.header.users.Add(1)
	rest := s.memory().Alloc(len(records) - at)
	copy(rest.Bytes(), records[at:])
	return piece{header: p.header, records: p.records.Prefix(at), count: n},
		piece{header: p.header, records: rest, count: p.count - n}
}

// byMetadata sorts records, of which nothing is parked, by what their senders
// said beside them. What is of one trace and of several senders is divided
// between them.
func byMetadata(batch []*released) [][]*released {
	var sorted [][]*released
	for _, v := range batch {
		for _, part := range v.divideByMetadata() {
			i := slices.IndexFunc(sorted, func(b []*released) bool { return b[0].metadata().equals(part.metadata()) })
			if i < 0 {
				i, sorted = len(sorted), append(sorted, nil)
			}
			sorted[i] = append(sorted[i], part)
		}
	}
	return sorted
}

// metadata is that of records of one sender, of which nothing is parked.
func (v *released) metadata() *clientMetadata { return v.pieces[0].header.metadata }

// divideByMetadata divides v, of which nothing is parked, between senders. V
// must not be used after that.
func (v *released) divideByMetadata() []*released {
	first := v.metadata()
	if !slices.ContainsFunc(v.pieces, func(p piece) bool { return !p.header.metadata.equals(first) }) {
		return []*released{v}
	}
	var parts []*released
	for _, p := range v.pieces {
		i := slices.IndexFunc(parts, func(part *released) bool { return part.metadata().equals(p.header.metadata) })
		if i < 0 {
			i, parts = len(parts), append(parts, &released{id: v.id, verdict: v.verdict, tag: v.tag})
		}
		parts[i].addPiece(p)
		parts[i].size += p.size()
	}
	// What is not of pieces goes with the first.
	parts[0].size += v.size - piecesSize(v.pieces)
	return parts
}
