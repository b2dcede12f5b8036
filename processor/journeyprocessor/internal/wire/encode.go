package wire

import (
	"encoding/binary"
	"math"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"
)

// A whole batch could be encoded by pdata and taken apart again by Split. To
// append each record where it is wanted costs about half of that, and no memory
// (BenchmarkEncode); TestEveryFieldIsEncoded fails when pdata has a field that
// is not here.

// AppendSpan appends a span as a record: with its tag and length.
func AppendSpan(b []byte, s ptrace.Span) []byte {
	b, at := openLong(b, records)
	b = appendTraceID(b, 1, s.TraceID())
	b = appendSpanID(b, 2, s.SpanID())
	b = appendText(b, 3, s.TraceState().AsRaw())
	b = appendSpanID(b, 4, s.ParentSpanID())
	b = appendText(b, 5, s.Name())
	b = appendNumber(b, 6, uint64(s.Kind()))
	b = appendFixed64(b, 7, uint64(s.StartTimestamp()))
	b = appendFixed64(b, 8, uint64(s.EndTimestamp()))
	b = appendAttributes(b, 9, s.Attributes())
	b = appendNumber(b, 10, uint64(s.DroppedAttributesCount()))
	for _, event := range s.Events().All() {
		b = appendEvent(b, event)
	}
	b = appendNumber(b, 12, uint64(s.DroppedEventsCount()))
	for _, link := range s.Links().All() {
		b = appendLink(b, link)
	}
	b = appendNumber(b, 14, uint64(s.DroppedLinksCount()))
	if status := s.Status(); status.Code() != 0 || status.Message() != "" {
		var in int
		b, in = open(b, 15)
		b = appendText(b, 2, status.Message())
		b = appendNumber(b, 3, uint64(status.Code()))
		b = closeAt(b, in)
	}
	b = appendFixed32(b, 16, s.Flags())
	return closeLong(b, at)
}

func appendEvent(b []byte, e ptrace.SpanEvent) []byte {
	b, at := open(b, 11)
	b = appendFixed64(b, 1, uint64(e.Timestamp()))
	b = appendText(b, 2, e.Name())
	b = appendAttributes(b, 3, e.Attributes())
	b = appendNumber(b, 4, uint64(e.DroppedAttributesCount()))
	return closeAt(b, at)
}

func appendLink(b []byte, l ptrace.SpanLink) []byte {
	b, at := open(b, 13)
	b = appendTraceID(b, 1, l.TraceID())
	b = appendSpanID(b, 2, l.SpanID())
	b = appendText(b, 3, l.TraceState().AsRaw())
	b = appendAttributes(b, 4, l.Attributes())
	b = appendNumber(b, 5, uint64(l.DroppedAttributesCount()))
	b = appendFixed32(b, 6, l.Flags())
	return closeAt(b, at)
}

// AppendLogRecord appends a log record as a record: with its tag and length.
func AppendLogRecord(b []byte, r plog.LogRecord) []byte {
	b, at := openLong(b, records)
	b = appendFixed64(b, 1, uint64(r.Timestamp()))
	b = appendNumber(b, 2, uint64(r.SeverityNumber()))
	b = appendText(b, 3, r.SeverityText())
	if r.Body().Type() != pcommon.ValueTypeEmpty {
		var in int
		b, in = open(b, 5)
		b = closeAt(appendValue(b, r.Body()), in)
	}
	b = appendAttributes(b, 6, r.Attributes())
	b = appendNumber(b, 7, uint64(r.DroppedAttributesCount()))
	b = appendFixed32(b, 8, uint32(r.Flags()))
	b = appendTraceID(b, 9, r.TraceID())
	b = appendSpanID(b, 10, r.SpanID())
	b = appendFixed64(b, 11, uint64(r.ObservedTimestamp()))
	b = appendText(b, 12, r.EventName())
	return closeLong(b, at)
}

func appendAttributes(b []byte, num protowire.Number, m pcommon.Map) []byte {
	for key, v := range m.All() {
		if text, ok := shortText(key, v); ok {
			b = appendShort(b, num, key, text)
			continue
		}
		var at, in int
		b, at = open(b, num)
		b = appendText(b, 1, key)
		b, in = open(b, 2)
		b = closeAt(appendValue(b, v), in)
		b = closeAt(b, at)
	}
	return b
}

// shortText returns the text of an attribute all of whose lengths take one byte,
// as those of most do.
func shortText(key string, v pcommon.Value) (text string, ok bool) {
	if v.Type() != pcommon.ValueTypeStr || key == "" {
		return "", false
	}
	text = v.Str()
	return text, len(key)+len(text)+shortOverhead < 0x80
}

// shortOverhead is the tags and lengths within a short attribute.
const shortOverhead = 6

// appendShort appends such an attribute, knowing all lengths beforehand.
func appendShort(b []byte, num protowire.Number, key, text string) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	b = append(b, byte(len(key)+len(text)+shortOverhead), 1<<3|2, byte(len(key)))
	b = append(b, key...)
	b = append(b, 2<<3|2, byte(len(text)+2), 1<<3|2, byte(len(text)))
	return append(b, text...)
}

// appendValue appends the fields of an AnyValue; an empty one has none.
func appendValue(b []byte, v pcommon.Value) []byte {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), v.Str())
	case pcommon.ValueTypeBool:
		return protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), protowire.EncodeBool(v.Bool()))
	case pcommon.ValueTypeInt:
		return protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), uint64(v.Int()))
	case pcommon.ValueTypeDouble:
		return protowire.AppendFixed64(protowire.AppendTag(b, 4, protowire.Fixed64Type), math.Float64bits(v.Double()))
	case pcommon.ValueTypeSlice:
		b, at := open(b, 5)
		for _, element := range v.Slice().All() {
			var in int
			b, in = open(b, 1)
			b = closeAt(appendValue(b, element), in)
		}
		return closeAt(b, at)
	case pcommon.ValueTypeMap:
		b, at := open(b, 6)
		return closeAt(appendAttributes(b, 1, v.Map()), at)
	case pcommon.ValueTypeBytes:
		return protowire.AppendBytes(protowire.AppendTag(b, 7, protowire.BytesType), v.Bytes().AsRaw())
	}
	return b
}

// open begins a message of one byte of length; closeAt makes room for more.
// Most are shorter than 128 bytes.
func open(b []byte, num protowire.Number) (out []byte, at int) {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return append(b, 0), len(b)
}

// closeAt writes the length of the message whose length is at at.
func closeAt(b []byte, at int) []byte {
	n := len(b) - at - 1
	if n < 0x80 {
		b[at] = byte(n)
		return b
	}
	more := protowire.SizeVarint(uint64(n)) - 1
	for range more {
		b = append(b, 0)
	}
	copy(b[at+1+more:], b[at+1:at+1+n])
	binary.PutUvarint(b[at:], uint64(n))
	return b
}

// openLong is open for a message that mostly takes two bytes of length;
// closeLong moves it if it does not.
func openLong(b []byte, num protowire.Number) (out []byte, at int) {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return append(b, 0, 0), len(b)
}

func closeLong(b []byte, at int) []byte {
	n := len(b) - at - 2
	if n >= 0x80 && n < 0x4000 {
		b[at], b[at+1] = byte(n)|0x80, byte(n>>7)
		return b
	}
	copy(b[at+1:], b[at+2:])
	return closeAt(b[:len(b)-1], at)
}

// What is zero is left out, as everywhere in OTLP.

func appendTraceID(b []byte, num protowire.Number, id pcommon.TraceID) []byte {
	if id.IsEmpty() {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), id[:])
}

func appendSpanID(b []byte, num protowire.Number, id pcommon.SpanID) []byte {
	if id.IsEmpty() {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), id[:])
}

func appendText(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}

func appendNumber(b []byte, num protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), n)
}

func appendFixed64(b []byte, num protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), n)
}

func appendFixed32(b []byte, num protowire.Number, n uint32) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendFixed32(protowire.AppendTag(b, num, protowire.Fixed32Type), n)
}
