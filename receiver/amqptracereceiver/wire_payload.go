package amqptracereceiver

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"
)

// payloads is the part of a wire that reads OTLP: bodies pass, up to a limit. A larger one is thrown away
// where it arrives, so that no message can make the client hold more than the limit, and in its place
// stands tooLarge.
type payloads struct {
	// maxBytes is the largest body that passes; 0: this connection reads no bodies. Set before anything is consumed.
	maxBytes atomic.Int64
	// cut holds the channels whose current message is too large: frames of several channels may mix.
	cut map[uint16]struct{}
}

// tooLarge stands in place of a body above the limit. It is neither protobuf nor JSON.
var tooLarge = []byte{0xFF, 't', 'o', 'o', ' ', 'l', 'a', 'r', 'g', 'e'}

func isTooLarge(body []byte) bool { return bytes.Equal(body, tooLarge) }

// payloadFrame is what nextFrame is for messages whose bodies matter.
func (w *wire) payloadFrame(prefix []byte, size int64) error {
	channel := binary.BigEndian.Uint16(prefix[1:])
	switch _, cut := w.payloads.cut[channel]; {
	case prefix[0] == frameBody && cut:
		w.skip = size + frameExtraBytes
		return nil
	case prefix[0] == frameHeader && size >= minHeaderBytes:
		return w.payloadHeader(channel, size)
	}
	w.pass = size + frameExtraBytes
	return nil
}

// payloadHeader passes a header frame on, or, if the message's body or the frame itself is too large, one
// without properties.
func (w *wire) payloadHeader(channel uint16, size int64) error {
	start, err := w.in.Peek(flagsAtByte)
	if err != nil {
		return err
	}
	limit := w.frameMax.Load()
	oversized := limit > 0 && size > limit-frameExtraBytes
	cut := binary.BigEndian.Uint64(start[bodySizeAt:]) > uint64(w.payloads.maxBytes.Load())
	delete(w.payloads.cut, channel)
	if !oversized && !cut {
		w.pass = size + frameExtraBytes
		return nil
	}
	w.skip = size + frameExtraBytes
	head := bytes.Clone(start)
	binary.BigEndian.PutUint32(head[3:], minHeaderBytes)
	head = append(head, 0, 0, frameEnd)
	if oversized {
		w.oversized.Add(1)
	}
	if cut {
		w.payloads.cut[channel] = struct{}{}
		binary.BigEndian.PutUint64(head[bodySizeAt:], uint64(len(tooLarge)))
		head = append(head, frameBody, head[1], head[2])
		head = binary.BigEndian.AppendUint32(head, uint32(len(tooLarge)))
		head = append(append(head, tooLarge...), frameEnd)
	}
	w.edited = head
	return nil
}

// keepPayloads has bodies up to so many bytes pass.
func (w *wire) keepPayloads(maxBytes int64) {
	w.payloads.maxBytes.Store(maxBytes)
}
