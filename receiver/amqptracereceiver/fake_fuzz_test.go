package amqptracereceiver

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// Whatever bytes a broker sends in the middle of a connection, and then goes silent: the receiver does not
// panic, ends the connection in time, and reads what is in the queue over the next one.
func FuzzBrokersBytes(f *testing.F) {
	for _, d := range disturbances {
		f.Add(d.bytes(2))
	}
	for _, c := range poisonFrames() {
		f.Add(c)
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		spans := &collected{}
		inFakeTime(t, fakeConfig(), spans, nil, func(t *testing.T, b *fakeBroker, _ *running) {
			p := newParent()
			want := distinctMessages(b, p, 30)
			b.toConsumer(func(uint16) []byte { return bytes.Clone(sent) })
			b.with(func() { b.conns[0].mute = true })
			timePasses(5 * time.Minute)
			want += distinctMessages(b, p, 3)
			timePasses(time.Minute)
			assert.GreaterOrEqual(t, b.dialled(), 2)
			got := map[string]bool{}
			for _, s := range spans.of(p.trace, "publish shop") {
				got[s.text("messaging.message.id")] = true
			}
			assert.Len(t, got, want)
			b.faults = nil // an acknowledgement of a delivery that the bytes made up is no fault of ours
		})
	})
}

// poisonFrames are deliveries with a content that is not what it says.
func poisonFrames() [][]byte {
	deliver := encodedMethod(2, basicDeliver, consumerTag, uint64(1000), uint8(0), traceExchange, "publish.x")
	var all [][]byte
	for _, content := range [][]byte{
		encodedContent(2, nil, nil),
		encodedContent(2, nil, make([]byte, 64<<10)),
		encodedFrame(frameHeader, 2, nil),
		encodedFrame(frameHeader, 2, encoded(nil, uint16(60), uint16(0), uint64(1<<63), uint16(0xffff))),
		encodedFrame(frameBody, 2, make([]byte, 10)),
		brokenContent(2),
	} {
		all = append(all, append(bytes.Clone(deliver), content...))
	}
	return all
}
