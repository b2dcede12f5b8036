package amqptracereceiver

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// encodeTable encodes a table's entries as RabbitMQ does.
func encodeTable(t amqp.Table) (encoded []byte) {
	for _, key := range slices.Sorted(maps.Keys(t)) {
		encoded = append(append(encoded, byte(len(key))), key...)
		encoded = appendValue(encoded, t[key])
	}
	return encoded
}

func appendValue(dst []byte, value any) []byte {
	be := binary.BigEndian
	switch v := value.(type) {
	case nil:
		return append(dst, 'V')
	case bool:
		return append(dst, 't', map[bool]byte{true: 1}[v])
	case byte:
		return append(dst, 'B', v)
	case int8:
		return append(dst, 'b', byte(v))
	case int16:
		return be.AppendUint16(append(dst, 's'), uint16(v))
	case uint16:
		return be.AppendUint16(append(dst, 'u'), v)
	case int32:
		return be.AppendUint32(append(dst, 'I'), uint32(v))
	case uint32:
		return be.AppendUint32(append(dst, 'i'), v)
	case int64:
		return be.AppendUint64(append(dst, 'l'), uint64(v))
	case float32:
		return be.AppendUint32(append(dst, 'f'), math.Float32bits(v))
	case float64:
		return be.AppendUint64(append(dst, 'd'), math.Float64bits(v))
	case time.Time:
		return be.AppendUint64(append(dst, 'T'), uint64(v.Unix()))
	case amqp.Decimal:
		return be.AppendUint32(append(dst, 'D', v.Scale), uint32(v.Value))
	case string:
		return append(be.AppendUint32(append(dst, 'S'), uint32(len(v))), v...)
	case []byte:
		return append(be.AppendUint32(append(dst, 'x'), uint32(len(v))), v...)
	case amqp.Table:
		inner := encodeTable(v)
		return append(be.AppendUint32(append(dst, 'F'), uint32(len(inner))), inner...)
	case []any:
		var inner []byte
		for _, element := range v {
			inner = appendValue(inner, element)
		}
		return append(be.AppendUint32(append(dst, 'A'), uint32(len(inner))), inner...)
	}
	panic(fmt.Sprintf("no such field: %T", value))
}

// randomValue returns any value a table can hold.
func randomValue(r *rand.Rand, depth int) any {
	switch kinds := 13 + 2*min(depth, 1); r.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return byte(r.Uint32())
	case 3:
		return int8(r.Uint32())
	case 4:
		return int16(r.Uint32())
	case 5:
		return uint16(r.Uint32())
	case 6:
		return int32(r.Uint32())
	case 7:
		return r.Uint32()
	case 8:
		return r.Int64() - r.Int64()
	case 9:
		return r.Float32()
	case 10:
		return time.Unix(r.Int64N(1<<40), 0)
	case 11:
		return strings.Repeat("é", r.IntN(100))
	case 12:
		return bytes.Repeat([]byte{0xff}, r.IntN(5))
	case 13:
		return randomTable(r, depth-1)
	}
	list := make([]any, r.IntN(4))
	for i := range list {
		list[i] = randomValue(r, depth-1)
	}
	return list
}

func randomTable(r *rand.Rand, depth int) amqp.Table {
	t := amqp.Table{}
	for i := range r.IntN(8) {
		t[fmt.Sprintf("key %d", r.IntN(3)+10*i)] = randomValue(r, depth)
	}
	return t
}

// One reader reads many tables, and each of them is what was sent, whatever it has read before.
func TestHeadersAreReadAsTheyWereSent(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	reader := newHeaderReader(4096)
	for range 3000 {
		sent := randomTable(r, 3)
		got := reader.read(encodeTable(sent))
		if !sameValue(sent, got) {
			t.Fatalf("sent %#v\ngot  %#v", sent, got)
		}
	}
}

// sameValue is reflect.DeepEqual, for which an empty list may also be none.
func sameValue(a, b any) bool {
	switch a := a.(type) {
	case amqp.Table:
		b, ok := b.(amqp.Table)
		return ok && maps.EqualFunc(a, b, sameValue)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, sameValue)
	}
	return reflect.DeepEqual(a, b)
}

// What the client would decode from the same bytes of the same broker is what we decode.
func TestHeadersAreReadAsTheClientReadsThem(t *testing.T) {
	url := broker.Get(t).URL
	cfg := configFor(t, url)
	app := dialApplication(t, url)
	queue := app.queue(unique("q"), "", "")
	s, err := dial(t.Context(), &cfg.Connection, mustEndpoint(t, cfg))
	require.NoError(t, err)
	defer s.close()
	ch, err := s.conn.Channel()
	require.NoError(t, err)

	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	reader := newHeaderReader(4096)
	for range 100 {
		message := newParent().message()
		message.Headers = randomTable(r, 3)
		message.Headers["large"] = strings.Repeat("x", r.IntN(2)*r.IntN(4000))
		message.ContentType, message.CorrelationId = strings.Repeat("c", r.IntN(3)), strings.Repeat("c", r.IntN(3))
		app.publish("", queue, message)
		d, ok, err := ch.Get(queue, false)
		require.NoError(t, err)
		require.True(t, ok)
		require.NoError(t, d.Nack(false, true))
		usual := app.get(queue)
		assert.Nil(t, d.Headers)
		assert.EqualValues(t, len(message.Body), originalBodyBytes(d.Body))
		assert.Equal(t, usual.MessageId+usual.ContentType+usual.CorrelationId, d.MessageId+d.ContentType+d.CorrelationId)
		if got := reader.read(packedHeaders(d.Body)); !sameValue(usual.Headers, got) {
			t.Fatalf("the client %#v\nwe         %#v", usual.Headers, got)
		}
	}
}

func TestHeadersBeyondTheLimitsAreCut(t *testing.T) {
	reader := newHeaderReader(200)
	deep := any("bottom")
	for range maxHeaderDepth + 5 {
		deep = amqp.Table{"deeper": deep}
	}
	sent := amqp.Table{"long": strings.Repeat("x", 1000), "bytes": bytes.Repeat([]byte{1}, 1000), "deep": deep, "after": int32(7)}
	got := reader.read(encodeTable(sent))
	assert.Len(t, got["long"], 201, "one more than the limit: too long still shows")
	assert.Len(t, got["bytes"], 201)
	assert.EqualValues(t, 7, got["after"])
	levels := 0
	for inner, ok := got["deep"].(amqp.Table); ok; inner, ok = inner["deeper"].(amqp.Table) {
		levels++
	}
	assert.Equal(t, maxHeaderDepth, levels)
}

func TestALargeTableIsNotKept(t *testing.T) {
	reader := newHeaderReader(200)
	large, list := amqp.Table{}, make([]any, 2*maxLent)
	for i := range 2 * maxLent {
		large[fmt.Sprint(i)] = nil
	}
	large["list"] = list
	assert.Len(t, reader.read(encodeTable(large)), 2*maxLent+1)
	assert.Empty(t, reader.read(nil))
	assert.Empty(t, reader.tables[0])
	many := make(amqp.Table)
	for i := range 2 * maxLent {
		many[fmt.Sprint(i)] = amqp.Table{"list": []any{}}
	}
	assert.Len(t, reader.read(encodeTable(many)), 2*maxLent)
	reader.read(nil)
	assert.LessOrEqual(t, len(reader.tables), maxLent)
	assert.LessOrEqual(t, len(reader.lists), maxLent)
	for _, kept := range reader.lists {
		assert.LessOrEqual(t, cap(kept), maxLent)
	}
}

// A message with what a firehose message has in it costs memory for its own ids only.
func TestReadingKnownHeadersAllocatesLittle(t *testing.T) {
	d := firehoseDelivery("deliver.stock-queue", traced(nil), nil)
	packed := encodeTable(d.Headers)
	reader := newHeaderReader(4096)
	reader.read(packed)
	allocations := testing.AllocsPerRun(100, func() { reader.read(packed) })
	assert.LessOrEqual(t, allocations, 2.0, "a list each, boxed")
}

// Whatever arrives, the answer is nil or a table that can be written down and read again.
func FuzzHeaderReader(f *testing.F) {
	seeds := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		f.Add(encodeTable(randomTable(seeds, 3)))
	}
	f.Add([]byte{1, 'a', 'F', 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, sent []byte) {
		const maxText = 1 << 20
		got := newHeaderReader(maxText).read(sent)
		if got == nil {
			return
		}
		again := newHeaderReader(maxText).read(encodeTable(got))
		if fmt.Sprint(again) != fmt.Sprint(got) {
			t.Fatalf("%v\nagain: %v", got, again)
		}
	})
}
