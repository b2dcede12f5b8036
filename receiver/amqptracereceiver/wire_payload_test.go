package amqptracereceiver

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWirePassesPayloadsUpToTheLimit(t *testing.T) {
	var sent, want []byte
	both := func(frame []byte) { sent, want = append(sent, frame...), append(want, frame...) }
	frame := func(kind byte, channel uint16, payload []byte) []byte {
		return appendFrame(nil, kind, channel, payload)
	}
	properties := []byte{0x80, 0, 4, 't', 'e', 'x', 't'}
	none := []byte{0, 0}

	both(frame(frameHeader, 1, headerPayload(100, properties))) // fits, in two frames
	sent = append(sent, frame(frameHeader, 2, headerPayload(101, properties))...)
	want = append(want, frame(frameHeader, 2, headerPayload(uint64(len(tooLarge)), none))...)
	want = append(want, frame(frameBody, 2, tooLarge)...)
	both(frame(frameBody, 1, make([]byte, 60)))
	sent = append(sent, frame(frameBody, 2, make([]byte, 101))...) // thrown away; channels mix
	both(frame(frameBody, 1, make([]byte, 40)))
	both(frame(frameHeader, 2, headerPayload(0, properties))) // without a body
	sent = append(sent, frame(frameHeader, 1, headerPayload(3, make([]byte, testFrameMax)))...)
	want = append(want, frame(frameHeader, 1, headerPayload(3, none))...) // the header block is too large, the body is not
	both(frame(frameBody, 1, []byte("abc")))
	both(frame(1, 1, []byte("method")))

	w := newWire(scriptedConn{Reader: bytes.NewReader(sent)})
	w.frameMax.Store(testFrameMax)
	w.keepPayloads(100)
	got := make([]byte, 0, len(sent))
	chunk := make([]byte, 7)
	for {
		n, err := w.Read(chunk)
		got = append(got, chunk[:n]...)
		if err != nil {
			break
		}
	}
	assert.Equal(t, want, got)
	assert.EqualValues(t, 1, w.oversized.Load())
	assert.Empty(t, w.payloads.cut)
}

// Whatever a broker sends: the client is never told of a body above the limit, of a header block above
// the frame size, and gets every other frame as it came.
func FuzzPayloadWire(f *testing.F) {
	const limit = 64
	message := func(channel uint16, size int) []byte {
		frames := appendFrame(nil, frameHeader, channel, headerPayload(uint64(size), []byte{0, 0}))
		return appendFrame(frames, frameBody, channel, make([]byte, size))
	}
	f.Add(append(message(1, limit), message(2, limit+1)...), uint8(3))
	f.Add(appendFrame(message(7, 9000), frameHeader, 7, headerPayload(1, make([]byte, testFrameMax))), uint8(255))
	f.Add([]byte{frameHeader, 0, 1, 0, 0, 0, 1, 0, frameEnd}, uint8(1))
	f.Fuzz(func(t *testing.T, sent []byte, chunk uint8) {
		w := newWire(scriptedConn{Reader: bytes.NewReader(sent)})
		w.frameMax.Store(testFrameMax)
		w.keepPayloads(limit)
		var got []byte
		for buf := make([]byte, int(chunk)+1); ; {
			n, err := w.Read(buf)
			got = append(got, buf[:n]...)
			if err != nil {
				break
			}
		}
		if len(got) > len(sent)+len(tooLarge)*len(sent) {
			t.Fatal("more came out than can have gone in")
		}
		for frame, rest := nextFrameOf(got); frame != nil; frame, rest = nextFrameOf(rest) {
			if frame[0] != frameHeader || len(frame) < framePrefixBytes+minHeaderBytes {
				continue
			}
			size := binary.BigEndian.Uint64(frame[framePrefixBytes+4:])
			if size > limit {
				t.Fatalf("a body of %d bytes was let pass", size)
			}
			if len(frame) > testFrameMax {
				t.Fatalf("a header frame of %d bytes was let pass", len(frame))
			}
		}
	})
}

// nextFrameOf is the first whole frame of a stream, nil if there is none.
func nextFrameOf(stream []byte) (frame, rest []byte) {
	if len(stream) < framePrefixBytes {
		return nil, nil
	}
	end := int64(binary.BigEndian.Uint32(stream[3:])) + frameExtraBytes
	if end > int64(len(stream)) {
		return nil, nil
	}
	return stream[:end], stream[end:]
}
