package amqptracereceiver

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync/atomic"
)

// wire stands between the socket and the AMQP client, and edits what the broker sends:
//
//   - The bodies of messages are thrown away where they arrive. Nothing above ever sees, copies or
//     pays for them.
//   - The header table is taken out of the properties, still encoded, and put where the body was,
//     behind the body's length as 8 bytes (see originalBodyBytes, packedHeaders). The client's own
//     decoding of tables allocates for every byte it looks at, which is most of what an ordinary
//     consumer of the firehose costs; and a table that the client refuses would end the connection.
//     headers.go decodes it instead.
//   - A header block above the negotiated frame size, which RabbitMQ does send (rabbitmq-server #921)
//     and which makes the client end the connection, becomes an empty one. The message then counts
//     as one without context instead of coming back for ever.
//
// An AMQP frame is type (1 byte), channel (2), size (4), payload, end octet. A message is a method
// frame, one header frame (class 2, weight 2, body size 8, flags 2, properties) and body frames.
//
// Read has one caller at a time, the client's reader; the other methods are the connection's.
type wire struct {
	net.Conn
	in *bufio.Reader

	edited []byte // made here, to be read before anything else; a part of out
	pass   int64  // bytes of the current frame still to be passed on
	skip   int64  // bytes of the current frame still to be thrown away

	// frameMax is the negotiated frame size in bytes, 0 while it is not known.
	frameMax  atomic.Int64
	oversized atomic.Int64 // header blocks emptied
	// ended is set once the socket has given an error instead of bytes.
	ended    atomic.Bool
	payloads payloads

	out   []byte // behind edited; bounded by the frame size, and kept
	large []byte // a header frame that does not fit into in's buffer; bounded likewise
}

const (
	frameHeader      = 2
	frameBody        = 3
	frameEnd         = 0xCE
	framePrefixBytes = 7
	frameExtraBytes  = framePrefixBytes + 1 // with the end octet
	bodySizeAt       = framePrefixBytes + 4
	flagsAtByte      = bodySizeAt + 8
	propertiesAt     = flagsAtByte + 2
	minHeaderBytes   = propertiesAt - framePrefixBytes // without any property
	lengthBytes      = 8                               // the body's length, in its place
)

// The first properties, in the order in which they come; those behind the header table are not looked at.
const (
	hasContentType     = 1 << 15
	hasContentEncoding = 1 << 14
	hasHeaders         = 1 << 13
	hasMoreFlags       = 1 << 0
)

func newWire(conn net.Conn) *wire {
	return &wire{Conn: conn, in: bufio.NewReaderSize(conn, 32<<10), payloads: payloads{cut: map[uint16]struct{}{}}}
}

// originalBodyBytes is the length of the body that a message had on the wire.
func originalBodyBytes(body []byte) uint64 {
	if len(body) < lengthBytes {
		return 0
	}
	return binary.BigEndian.Uint64(body)
}

// packedHeaders is the encoded header table, without its length, that stands behind the body's length.
func packedHeaders(body []byte) []byte {
	if len(body) < lengthBytes {
		return nil
	}
	return body[lengthBytes:]
}

// Read hands on the edited stream. It blocks only while it has nothing at all to return.
func (w *wire) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(w.edited) > 0 {
			c := copy(p[n:], w.edited)
			w.edited = w.edited[c:]
			n += c
			continue
		}
		if n > 0 && !w.ready() {
			return n, nil
		}
		c, err := w.step(p[n:])
		n += c
		if err != nil {
			w.ended.Store(true)
			return n, err
		}
	}
	return n, nil
}

// ready is true if the next step can be done with what is buffered, and so does not wait.
func (w *wire) ready() bool {
	buffered := w.in.Buffered()
	if w.pass > 0 || w.skip > 0 {
		return buffered > 0
	}
	if buffered < framePrefixBytes {
		return false
	}
	prefix, _ := w.in.Peek(framePrefixBytes) // is buffered, so no error
	if prefix[0] != frameHeader {
		return true
	}
	return int64(buffered) >= int64(binary.BigEndian.Uint32(prefix[3:]))+frameExtraBytes
}

// step passes on, throws away, or looks at the beginning of the next frame.
func (w *wire) step(p []byte) (int, error) {
	switch {
	case w.pass > 0:
		n, err := w.in.Read(p[:min(int64(len(p)), w.pass)])
		w.pass -= int64(n)
		return n, err
	case w.skip > 0:
		// At least one byte is taken even if none is buffered yet.
		n, err := w.in.Discard(int(min(w.skip, int64(max(w.in.Buffered(), 1)))))
		w.skip -= int64(n)
		return 0, err
	}
	return 0, w.nextFrame()
}

func (w *wire) nextFrame() error {
	prefix, err := w.in.Peek(framePrefixBytes)
	if err != nil {
		return err
	}
	size := int64(binary.BigEndian.Uint32(prefix[3:]))
	if w.payloads.maxBytes.Load() > 0 {
		return w.payloadFrame(prefix, size)
	}
	switch prefix[0] {
	case frameBody:
		w.skip = size + frameExtraBytes
		return nil
	case frameHeader:
		if size >= minHeaderBytes {
			return w.headerFrame(size)
		}
	}
	w.pass = size + frameExtraBytes
	return nil
}

// headerFrame edits a header frame with so many bytes of payload, and puts what stands in place of the body behind it.
func (w *wire) headerFrame(size int64) error {
	limit := w.frameMax.Load()
	if limit == 0 {
		limit = maxFrameBytes
	}
	if size > limit-frameExtraBytes {
		return w.emptyHeaderFrame(size)
	}
	frame, err := w.whole(int(size + frameExtraBytes))
	if err != nil {
		return err
	}
	w.edited = editHeaderFrame(w.out[:0], frame)
	w.out = w.edited
	return nil
}

// whole takes the next so many bytes. They are valid until the next call and must not be kept.
func (w *wire) whole(n int) ([]byte, error) {
	if n <= w.in.Size() {
		frame, err := w.in.Peek(n)
		if err == nil {
			_, err = w.in.Discard(n) // leaves the bytes where they are
		}
		return frame, err
	}
	w.large = slices.Grow(w.large[:0], n)[:n]
	_, err := io.ReadFull(w.in, w.large)
	return w.large, err
}

// emptyHeaderFrame has the message come without any property.
func (w *wire) emptyHeaderFrame(size int64) error {
	start, err := w.in.Peek(propertiesAt)
	if err != nil {
		return err
	}
	w.oversized.Add(1)
	w.out = append(w.out[:0], start[:flagsAtByte]...)
	w.out = append(w.out, 0, 0, frameEnd)
	binary.BigEndian.PutUint32(w.out[3:], minHeaderBytes)
	w.out = appendStandIn(w.out, nil)
	w.edited = w.out
	w.skip = size + frameExtraBytes
	return nil
}

// editHeaderFrame appends the frame without its header table to dst, which is empty, and then what
// stands in place of the body.
func editHeaderFrame(dst, frame []byte) []byte {
	at, table := headerTable(frame)
	if table == nil {
		return appendStandIn(append(dst, frame...), nil)
	}
	dst = append(append(dst, frame[:at]...), frame[at+tableLengthBytes+len(table):]...)
	binary.BigEndian.PutUint32(dst[3:], uint32(len(dst)-frameExtraBytes))
	flags := binary.BigEndian.Uint16(dst[flagsAtByte:])
	binary.BigEndian.PutUint16(dst[flagsAtByte:], flags&^hasHeaders)
	return appendStandIn(dst, table)
}

const tableLengthBytes = 4

// headerTable finds the header table in a header frame: where its length begins, and its entries. The table
// is nil if there is none, or if the frame is not as it should be, which is for the client to say.
func headerTable(frame []byte) (at int, table []byte) {
	flags := binary.BigEndian.Uint16(frame[flagsAtByte:])
	if flags&hasHeaders == 0 || flags&hasMoreFlags != 0 {
		return 0, nil
	}
	at = propertiesAt
	for _, text := range [...]uint16{hasContentType, hasContentEncoding} {
		if flags&text != 0 {
			at += 1 + int(frame[at]) // at most 256 bytes further; checked below
			if at >= len(frame) {
				return 0, nil
			}
		}
	}
	end := len(frame) - 1
	if at+tableLengthBytes > end {
		return 0, nil
	}
	begin := at + tableLengthBytes
	length := int64(binary.BigEndian.Uint32(frame[at:]))
	if length > int64(end-begin) {
		return 0, nil
	}
	return at, frame[begin : begin+int(length)]
}

// appendStandIn appends, to a header frame, what stands in place of the body: its length and the header
// table. A message with neither stays without a body. Both fit into one frame, because they did with more around them.
func appendStandIn(dst, table []byte) []byte {
	original := binary.BigEndian.Uint64(dst[bodySizeAt:])
	if original == 0 && len(table) == 0 {
		return dst
	}
	size := lengthBytes + len(table)
	binary.BigEndian.PutUint64(dst[bodySizeAt:], uint64(size))
	channel := [...]byte{dst[1], dst[2]}
	dst = append(dst, frameBody, channel[0], channel[1])
	dst = binary.BigEndian.AppendUint32(dst, uint32(size))
	dst = binary.BigEndian.AppendUint64(dst, original)
	return append(append(dst, table...), frameEnd)
}
