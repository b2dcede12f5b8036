package journeyprocessor

import (
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
		for i := range v.pieces {
			if _, ok := headers[v.pieces[i].header]; !ok {
				headers[v.pieces[i].header] = struct{}{}
				bytes += int64(len(v.pieces[i].header.key))
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
			n += len(service.Name) + 8
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
			byHeader[p.header] = append(byHeader[p.header], p.records)
			size += len(p.records)
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
func halves(batch []*released) (first, second []*released) {
	if n := len(batch) / 2; n > 0 {
		return batch[:n], batch[n:]
	}
	a, b := cutAt(batch[0], batch[0].count/2)
	return []*released{a}, []*released{b}
}

// cutToSize cuts v into parts of at most maxBytes, but for single records that
// are larger.
func cutToSize(v *released, maxBytes int64) []*released {
	if v.bytes <= maxBytes || v.count < 2 {
		return []*released{v}
	}
	a, b := cutAt(v, v.count/2)
	return append(cutToSize(a, maxBytes), cutToSize(b, maxBytes)...)
}

// cutAt divides v before its nth record. The parts have v's place: v must not
// be used after that. A piece that is cut in two stays one user of its header
// in each part.
func cutAt(v *released, n int) (*released, *released) {
	first := &released{id: v.id, verdict: v.verdict, tag: v.tag}
	second := &released{id: v.id, verdict: v.verdict, tag: v.tag}
	for _, p := range v.pieces {
		room := n - first.count
		switch {
		case room >= p.count:
			first.addPiece(p)
		case room <= 0:
			second.addPiece(p)
		default:
			a, b := p.cut(room)
			first.addPiece(a)
			second.addPiece(b)
		}
	}
	first.size = v.size * int64(first.count) / int64(v.count)
	second.size = v.size - first.size
	return first, second
}

func (v *released) addPiece(p piece) {
	v.pieces = append(v.pieces, p)
	v.count += p.count
	v.bytes += int64(len(p.records))
}

// cut divides a piece before its nth record.
func (p piece) cut(n int) (piece, piece) {
	at := 0
	for range n {
		_, _, length := protowire.ConsumeField(p.records[at:])
		if length < 0 {
			break // not what wire.Split gives; what follows stays together
		}
		at += length
	}
	p.header.users.Add(1)
	return piece{header: p.header, records: p.records[:at:at], count: n},
		piece{header: p.header, records: p.records[at:], count: p.count - n}
}
