package amqptracereceiver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scriptedConn reads from a script, in pieces as a network might.
type scriptedConn struct {
	net.Conn
	io.Reader
}

func (c scriptedConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func appendFrame(dst []byte, kind byte, channel uint16, payload []byte) []byte {
	dst = append(dst, kind)
	dst = binary.BigEndian.AppendUint16(dst, channel)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	return append(append(dst, payload...), frameEnd)
}

func headerPayload(bodySize uint64, properties []byte) []byte {
	payload := binary.BigEndian.AppendUint64([]byte{0, 60, 0, 0}, bodySize)
	return append(payload, properties...)
}

const testFrameMax = 4096

// randomProperties returns properties as they come, what is left of them without the header table, and the table.
func randomProperties(r *rand.Rand, tableBytes int) (sent, rest, table []byte) {
	flags := uint16(r.IntN(4)) << 14 // content type and encoding, or not
	var before []byte
	for _, bit := range []uint16{hasContentType, hasContentEncoding} {
		if flags&bit != 0 {
			before = append(append(before, 3), "abc"...)
		}
	}
	after := make([]byte, r.IntN(50))
	if tableBytes >= 0 {
		table = bytes.Repeat([]byte{'t'}, tableBytes)
	}
	rest = append(append(binary.BigEndian.AppendUint16(nil, flags), before...), after...)
	if table == nil {
		return rest, rest, nil
	}
	sent = append(binary.BigEndian.AppendUint16(nil, flags|hasHeaders), before...)
	sent = binary.BigEndian.AppendUint32(sent, uint32(len(table)))
	return append(append(sent, table...), after...), rest, table
}

// conversation makes what a broker might send, and what the client should see of it.
func conversation(r *rand.Rand, messages int) (sent, want []byte, oversized int64) {
	for range messages {
		channel := uint16(r.IntN(3))
		method := make([]byte, r.IntN(40))
		sent, want = appendFrame(sent, 1, channel, method), appendFrame(want, 1, channel, method)
		if r.IntN(4) == 0 { // a heartbeat or a method without content
			sent, want = appendFrame(sent, 8, 0, nil), appendFrame(want, 8, 0, nil)
			continue
		}
		tableBytes := r.IntN(300) - 20
		if r.IntN(5) == 0 {
			tableBytes = testFrameMax - 100 + r.IntN(5000)
		}
		properties, rest, table := randomProperties(r, tableBytes)
		body := make([]byte, r.IntN(3)*r.IntN(9000))
		sent = appendFrame(sent, frameHeader, channel, headerPayload(uint64(len(body)), properties))
		for rest := body; len(rest) > 0; rest = rest[min(len(rest), testFrameMax-frameExtraBytes):] {
			sent = appendFrame(sent, frameBody, channel, rest[:min(len(rest), testFrameMax-frameExtraBytes)])
		}
		if 12+len(properties)+frameExtraBytes > testFrameMax {
			rest, table = []byte{0, 0}, nil
			oversized++
		}
		var standIn []byte
		if len(body)+len(table) > 0 {
			standIn = append(binary.BigEndian.AppendUint64(nil, uint64(len(body))), table...)
		}
		want = appendFrame(want, frameHeader, channel, headerPayload(uint64(len(standIn)), rest))
		if standIn != nil {
			want = appendFrame(want, frameBody, channel, standIn)
		}
	}
	return sent, want, oversized
}

func TestWireDropsBodiesAndPacksHeaders(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	sent, want, oversized := conversation(r, 300)
	for name, reader := range map[string]io.Reader{
		"as a whole":   bytes.NewReader(sent),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(sent)),
		"in halves":    iotest.HalfReader(bytes.NewReader(sent)),
		"data and end": iotest.DataErrReader(bytes.NewReader(sent)),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(scriptedConn{Reader: reader})
			w.frameMax.Store(testFrameMax)
			got, err := io.ReadAll(iotest.OneByteReader(w))
			if name != "byte by byte" {
				w = newWire(scriptedConn{Reader: bytes.NewReader(sent)})
				w.frameMax.Store(testFrameMax)
				got, err = io.ReadAll(w)
			}
			require.NoError(t, err)
			assert.True(t, bytes.Equal(want, got))
			assert.Equal(t, oversized, w.oversized.Load())
		})
	}
}

// A whole frame must reach the client although nothing follows it.
func TestWireDoesNotWaitForTheNextFrame(t *testing.T) {
	ours, brokers := net.Pipe()
	defer ours.Close()
	defer brokers.Close()
	w := newWire(ours)
	sent := appendFrame(nil, frameHeader, 1, headerPayload(3, []byte{0, 0}))
	sent = appendFrame(sent, frameBody, 1, []byte("abc"))
	go func() { _, _ = brokers.Write(sent) }()
	want := appendFrame(nil, frameHeader, 1, headerPayload(lengthBytes, []byte{0, 0}))
	want = appendFrame(want, frameBody, 1, []byte{0, 0, 0, 0, 0, 0, 0, 3})
	got := make([]byte, len(want))
	_, err := io.ReadFull(w, got)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.EqualValues(t, 3, originalBodyBytes(got[len(got)-1-lengthBytes:len(got)-1]))
}

// Whatever arrives, the client sees complete frames that are no larger than those it came in, or an end.
func FuzzWire(f *testing.F) {
	small := appendFrame(nil, frameHeader, 1, headerPayload(3, []byte{0, 0}))
	small = appendFrame(small, frameBody, 1, []byte("abc"))
	f.Add(appendFrame(small, frameHeader, 1, headerPayload(0, make([]byte, 50))), 2)
	f.Add([]byte{frameHeader, 0, 1, 0, 0, 0, 1, 7, frameEnd}, 3)
	f.Add(appendFrame(nil, frameHeader, 1, headerPayload(9, []byte{0xa0, 0, 1, 'a', 0, 0, 0, 3, 'x', 'y', 'z', 1})), 9)
	f.Fuzz(func(t *testing.T, sent []byte, chunk int) {
		w := newWire(scriptedConn{Reader: bytes.NewReader(sent)})
		w.frameMax.Store(testFrameMax)
		var got []byte
		p := make([]byte, max(1, min(chunk, 5000)))
		for {
			n, err := w.Read(p)
			got = append(got, p[:n]...)
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatal(err)
				}
				break
			}
		}
		for len(got) >= framePrefixBytes {
			size := int64(binary.BigEndian.Uint32(got[3:]))
			if got[0] == frameBody && (size < lengthBytes || size+frameExtraBytes > testFrameMax) {
				t.Fatalf("a body of %d bytes came through", size)
			}
			if int64(len(got)) < size+frameExtraBytes {
				return // cut off, as the input was
			}
			got = got[size+frameExtraBytes:]
		}
	})
}
