package amqptracereceiver

import (
	"bufio"
	"encoding/binary"
	"net"
	"sync/atomic"
)

// wire stands between the socket and the AMQP client, and edits what the broker sends:
//
//   - The bodies of messages are thrown away where they arrive. Nothing above ever sees, copies or
//     pays for them; in place of a body stands its length as 8 bytes (see originalBodyBytes).
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

	edited []byte // made here, to be read before anything else
	body   []byte // to be read after the frame that is being passed on
	pass   int64  // bytes of the current frame still to be passed on
	skip   int64  // bytes of the current frame still to be thrown away

	// frameMax is the negotiated frame size in bytes, 0 for no limit. Set once the connection is open.
	frameMax  atomic.Int64
	oversized atomic.Int64 // header blocks emptied
	// ended is set once the socket has given an error instead of bytes.
	ended   atomic.Bool
	scratch [96]byte // behind edited and body
}

const (
	frameHeader      = 2
	frameBody        = 3
	frameEnd         = 0xCE
	framePrefixBytes = 7
	frameExtraBytes  = framePrefixBytes + 1 // with the end octet
	bodySizeEnd      = framePrefixBytes + 12
	minHeaderBytes   = 12 + 2 // without any property
	lengthBytes      = 8      // what stands in place of a body
)

func newWire(conn net.Conn) *wire {
	return &wire{Conn: conn, in: bufio.NewReaderSize(conn, 32<<10)}
}

// originalBodyBytes is the length of the body that a message had on the wire.
func originalBodyBytes(body []byte) uint64 {
	if len(body) != lengthBytes {
		return 0
	}
	return binary.BigEndian.Uint64(body)
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
		if n > 0 && w.in.Buffered() < w.needed() {
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

// needed is how many buffered bytes the next step takes without having to wait.
func (w *wire) needed() int {
	if w.pass > 0 || w.skip > 0 {
		return 1
	}
	return bodySizeEnd
}

// step passes on, throws away, or looks at the beginning of the next frame.
func (w *wire) step(p []byte) (int, error) {
	switch {
	case w.pass > 0:
		n, err := w.in.Read(p[:min(int64(len(p)), w.pass)])
		w.pass -= int64(n)
		if w.pass == 0 {
			w.edited, w.body = w.body, nil
		}
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

// headerFrame replaces the body size, and the properties if they are too large.
func (w *wire) headerFrame(size int64) error {
	start, err := w.in.Peek(bodySizeEnd)
	if err != nil {
		return err
	}
	head := append(w.scratch[:0], start...)
	bodySize := head[bodySizeEnd-8:]
	var body []byte
	if original := binary.BigEndian.Uint64(bodySize); original > 0 {
		body = lengthFrame(w.scratch[64:64], head[1:3], original)
		binary.BigEndian.PutUint64(bodySize, lengthBytes)
	}
	if limit := w.frameMax.Load(); limit > 0 && size > limit-frameExtraBytes {
		w.oversized.Add(1)
		binary.BigEndian.PutUint32(head[3:], minHeaderBytes)
		w.edited = append(append(head, 0, 0, frameEnd), body...)
		w.skip = size + frameExtraBytes
		return nil
	}
	if _, err := w.in.Discard(bodySizeEnd); err != nil {
		return err
	}
	w.edited, w.body = head, body
	w.pass = size + frameExtraBytes - bodySizeEnd
	return nil
}

// lengthFrame is a body frame that holds the length of the body it stands for.
func lengthFrame(dst, channel []byte, length uint64) []byte {
	dst = append(dst, frameBody)
	dst = append(dst, channel...)
	dst = binary.BigEndian.AppendUint32(dst, lengthBytes)
	dst = binary.BigEndian.AppendUint64(dst, length)
	return append(dst, frameEnd)
}
