package raw

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"google.golang.org/protobuf/encoding/protowire"
)

// Fields on the way to a span (opentelemetry-proto v1, trace.proto):
// TracesData 1: resource_spans, ResourceSpans 2: scope_spans, ScopeSpans 2: spans.
var toSpans = [...]protowire.Number{1, 2, 2}

// Fields of a span.
const (
	traceIDField protowire.Number = 1
	spanIDField  protowire.Number = 2
)

var errIDs = errors.New("span without a valid trace id and span id")

// EachSpan calls f with each encoded span of a request. A body is a part of
// the request itself, up to the same end of the underlying array.
func EachSpan(request []byte, f func(body []byte) error) error {
	return descend(request, toSpans[:], f)
}

func descend(b []byte, path []protowire.Number, f func(body []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("read a tag: %w", protowire.ParseError(n))
		}
		b = b[n:]
		if num != path[0] || typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
				return fmt.Errorf("skip field %d: %w", num, protowire.ParseError(n))
			}
			b = b[n:]
			continue
		}
		body, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return fmt.Errorf("read field %d: %w", num, protowire.ParseError(n))
		}
		b = b[n:]
		var err error
		if len(path) > 1 {
			err = descend(body, path[1:], f)
		} else {
			err = f(body)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// IDs reads a span's two ids, which are among its first fields. The common
// order is read without looking at the rest of the span.
func IDs(span []byte) (trace pcommon.TraceID, id uint64, err error) {
	for len(span) > 0 {
		num, typ, tag := protowire.ConsumeTag(span)
		if tag < 0 {
			break
		}
		n := protowire.ConsumeFieldValue(num, typ, span[tag:])
		if n < 0 {
			break
		}
		value := span[tag : tag+n]
		span = span[tag+n:]
		switch {
		case num == traceIDField && len(value) == 1+len(trace):
			copy(trace[:], value[1:])
		case num == spanIDField && len(value) == 1+8:
			id = binary.BigEndian.Uint64(value[1:])
		}
		if id != 0 && !trace.IsEmpty() {
			return trace, id, nil
		}
	}
	return trace, id, errIDs
}

// TraceIDAt is where the trace id begins in an encoded span.
func TraceIDAt(span []byte) (int, error) {
	for at := 0; at < len(span); {
		num, typ, tag := protowire.ConsumeTag(span[at:])
		if tag < 0 {
			break
		}
		n := protowire.ConsumeFieldValue(num, typ, span[at+tag:])
		if n < 0 {
			break
		}
		if at += tag + n; num == traceIDField && n == 1+len(pcommon.TraceID{}) {
			return at - len(pcommon.TraceID{}), nil
		}
	}
	return 0, errIDs
}
