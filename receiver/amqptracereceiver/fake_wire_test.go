package amqptracereceiver

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"
)

// What the fake broker needs of AMQP 0-9-1's encoding.

// method is a class and a method id.
type method [2]uint16

var (
	connectionStart   = method{10, 10}
	connectionStartOK = method{10, 11}
	connectionSecure  = method{10, 20}
	connectionTune    = method{10, 30}
	connectionTuneOK  = method{10, 31}
	connectionOpen    = method{10, 40}
	connectionOpenOK  = method{10, 41}
	connectionClose   = method{10, 50}
	connectionCloseOK = method{10, 51}
	channelOpen       = method{20, 10}
	channelOpenOK     = method{20, 11}
	channelClose      = method{20, 40}
	channelCloseOK    = method{20, 41}
	queueDeclare      = method{50, 10}
	queueDeclareOK    = method{50, 11}
	queueBind         = method{50, 20}
	queueBindOK       = method{50, 21}
	basicQoS          = method{60, 10}
	basicQoSOK        = method{60, 11}
	basicConsume      = method{60, 20}
	basicConsumeOK    = method{60, 21}
	basicCancel       = method{60, 30}
	basicCancelOK     = method{60, 31}
	basicDeliver      = method{60, 60}
	basicGet          = method{60, 70}
	basicGetOK        = method{60, 71}
	basicGetEmpty     = method{60, 72}
	basicAck          = method{60, 80}
)

const (
	frameMethod    = 1
	frameHeartbeat = 8
)

// fakeFrame is one frame as it came from the client.
type fakeFrame struct {
	kind    byte
	channel uint16
	method  method
	args    fields
}

// maxFakeFrame is more than any client sends that speaks AMQP. What does not,
// as one that speaks TLS, would have gigabytes read.
const maxFakeFrame = 1 << 20

// readFrame returns io.EOF, or another error of the connection, at its end.
func readFrame(r *bufio.Reader) (f fakeFrame, err error) {
	var prefix [framePrefixBytes]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return f, err
	}
	size := binary.BigEndian.Uint32(prefix[3:])
	if size > maxFakeFrame {
		return f, fmt.Errorf("frame of %d bytes", size)
	}
	payload := make([]byte, size+1)
	if _, err := io.ReadFull(r, payload); err != nil {
		return f, err
	}
	f.kind, f.channel = prefix[0], binary.BigEndian.Uint16(prefix[1:])
	if end := payload[len(payload)-1]; end != frameEnd {
		return f, fmt.Errorf("frame ends with %#x", end)
	}
	if f.kind == frameMethod {
		f.method = method{binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:])}
		f.args = fields(payload[4 : len(payload)-1])
	}
	return f, nil
}

// fields are arguments still to be read.
type fields []byte

func (f *fields) take(n int) []byte {
	taken := (*f)[:n]
	*f = (*f)[n:]
	return taken
}

func (f *fields) octet() byte   { return f.take(1)[0] }
func (f *fields) short() uint16 { return binary.BigEndian.Uint16(f.take(2)) }
func (f *fields) long() uint32  { return binary.BigEndian.Uint32(f.take(4)) }
func (f *fields) tag() uint64   { return binary.BigEndian.Uint64(f.take(8)) }
func (f *fields) text() string  { return string(f.take(int(f.octet()))) }

// names returns the keys of a table as far as they come before the first value that is not a string
// or an integer of 64 bits, which is all our queue arguments have.
func (f *fields) table() map[string]any {
	found := map[string]any{}
	table := fields(f.take(int(f.long())))
	for len(table) > 0 {
		key := table.text()
		switch kind := table.octet(); kind {
		case 'S':
			found[key] = string(table.take(int(table.long())))
		case 'l':
			found[key] = int64(table.tag())
		case 'I':
			found[key] = int64(table.long())
		default:
			panic(fmt.Sprintf("the fake broker cannot read a %c", kind))
		}
	}
	return found
}

// encoded appends values: uint8 (octet), uint16 (short), uint32 (long), uint64 (long long), string (short
// string), longText (long string), amqp.Table (table).
func encoded(dst []byte, values ...any) []byte {
	for _, value := range values {
		switch v := value.(type) {
		case uint8:
			dst = append(dst, v)
		case uint16:
			dst = binary.BigEndian.AppendUint16(dst, v)
		case uint32:
			dst = binary.BigEndian.AppendUint32(dst, v)
		case uint64:
			dst = binary.BigEndian.AppendUint64(dst, v)
		case string:
			dst = append(append(dst, byte(len(v))), v...)
		case longText:
			dst = append(binary.BigEndian.AppendUint32(dst, uint32(len(v))), v...)
		case amqp.Table:
			var inner []byte
			for _, key := range slices.Sorted(maps.Keys(v)) {
				inner = encodedField(encoded(inner, key), v[key])
			}
			dst = encoded(dst, longText(inner))
		default:
			panic(fmt.Sprintf("the fake broker cannot write a %T", value))
		}
	}
	return dst
}

type longText string

// encodedField appends a table's or list's value with its type in front.
func encodedField(dst []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(dst, 'V')
	case string:
		return encoded(append(dst, 'S'), longText(v))
	case int32:
		return encoded(append(dst, 'I'), uint32(v))
	case int64:
		return encoded(append(dst, 'l'), uint64(v))
	case amqp.Table:
		return encoded(append(dst, 'F'), v)
	case []any:
		var inner []byte
		for _, item := range v {
			inner = encodedField(inner, item)
		}
		return encoded(append(dst, 'A'), longText(inner))
	}
	panic(fmt.Sprintf("the fake broker cannot write a field of %T", value))
}

func encodedFrame(kind byte, channel uint16, payload []byte) []byte {
	frame := encoded(nil, kind, channel, longText(payload))
	return append(frame, frameEnd)
}

func encodedMethod(channel uint16, m method, args ...any) []byte {
	return encodedFrame(frameMethod, channel, encoded(encoded(nil, m[0], m[1]), args...))
}

// encodedContent is a content header with headers as the only property, and the body.
func encodedContent(channel uint16, headers amqp.Table, body []byte) []byte {
	const hasHeaders = uint16(1 << 13)
	header := encoded(nil, uint16(60), uint16(0), uint64(len(body)), hasHeaders, headers)
	frames := encodedFrame(frameHeader, channel, header)
	if len(body) > 0 {
		frames = append(frames, encodedFrame(frameBody, channel, body)...)
	}
	return frames
}
