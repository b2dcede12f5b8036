package amqptracereceiver

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// identity computes ids that depend on nothing but the event: the same event read again after a
// redelivery or a restart, or by another replica, gets the same span id.
//
// A message is known by its span context and its message id; without one by what the broker or the
// publisher left on it. Messages of one trace that agree in all of that get the same ids.
//
// Not safe for concurrent use: the buffer is kept.
type identity struct{ buf []byte }

// identityVersion changes if the inputs below change, so that old and new spans never collide.
const identityVersion = 1

// messageKey identifies a message among those a receiver sees.
type messageKey [16]byte

// message is the key of the event's message. It is the same for the publish and for every delivery.
func (id *identity) message(e *event) messageKey {
	id.begin(e)
	sum := sha256.Sum256(id.buf)
	return messageKey(sum[:16])
}

// span is the id of the event's span; it is never zero.
func (id *identity) span(e *event) pcommon.SpanID {
	id.begin(e)
	id.text(e.kind)
	id.text(e.vhost)
	if e.kind == eventDeliver {
		id.text(e.queue)
	} else {
		id.text(e.exchange)
	}
	id.number(uint64(e.attempt))
	return id.spanID()
}

// deadLetter is the id of the span of one death: of the message, in a queue, for a reason, for the
// count-th time. Every later delivery tells of it again and gives the same id.
func (id *identity) deadLetter(e *event, d *death) pcommon.SpanID {
	id.begin(e)
	id.text(operationDeadLetter)
	id.text(e.vhost)
	id.text(d.queue)
	id.text(d.reason)
	id.number(uint64(d.count))
	return id.spanID()
}

// messageTrace is the id of a trace of the broker's own for the message: the publish and all
// deliveries share it.
func (id *identity) messageTrace(e *event) pcommon.TraceID {
	id.begin(e)
	id.text("trace of a message")
	id.text(e.vhost)
	return id.traceID()
}

// correlationTrace is the id of the trace of all messages with e's correlation id.
func (id *identity) correlationTrace(e *event) pcommon.TraceID {
	id.buf = append(id.buf[:0], identityVersion)
	id.text("trace of a correlation id")
	id.text(e.vhost)
	id.text(e.correlationID)
	return id.traceID()
}

func (id *identity) spanID() pcommon.SpanID {
	sum := sha256.Sum256(id.buf)
	for i := 0; i < len(sum); i += 8 {
		if s := pcommon.SpanID(sum[i : i+8]); !s.IsEmpty() {
			return s
		}
	}
	return pcommon.SpanID{identityVersion} // 2^-256
}

func (id *identity) traceID() pcommon.TraceID {
	sum := sha256.Sum256(id.buf)
	for i := 0; i < len(sum); i += 16 {
		if t := pcommon.TraceID(sum[i : i+16]); !t.IsEmpty() {
			return t
		}
	}
	return pcommon.TraceID{identityVersion} // 2^-256
}

func (id *identity) begin(e *event) {
	id.buf = append(id.buf[:0], identityVersion)
	id.buf = append(id.buf, e.context.traceID[:]...)
	id.buf = append(id.buf, e.context.spanID[:]...)
	if e.messageID != "" {
		id.text("message_id")
		id.text(e.messageID)
		return
	}
	id.text("properties")
	if !e.brokerTime.IsZero() {
		id.number(uint64(e.brokerTime.UnixMilli()))
	}
	id.text(e.routingKey)
	id.text(e.correlationID)
	id.number(e.bodyBytes)
}

// text is preceded by its length, so that no two lists of texts give the same bytes.
func (id *identity) text(s string) {
	id.number(uint64(len(s)))
	id.buf = append(id.buf, s...)
}

func (id *identity) number(n uint64) {
	id.buf = binary.BigEndian.AppendUint64(slices.Grow(id.buf, 8), n)
}
