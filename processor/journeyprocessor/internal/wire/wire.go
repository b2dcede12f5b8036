// Package wire takes an encoded OTLP request apart into its records (spans or
// log records) and puts records together again to a request, without decoding
// any of them.
//
// OTLP gives traces and logs the same layout, so one codec serves both
// (opentelemetry-proto v1, trace.proto and logs.proto):
//
//	TracesData/LogsData        1: resource_spans | resource_logs
//	ResourceSpans/ResourceLogs 1: resource  2: scope_spans | scope_logs  3: schema_url
//	ScopeSpans/ScopeLogs       1: scope     2: spans | log_records       3: schema_url
package wire

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// groups is field 1 of a request, scopes field 2 of a group, and records
// field 2 of a scope.
const (
	groups  protowire.Number = 1
	scopes  protowire.Number = 2
	records protowire.Number = 2
)

// ErrMalformed says that bytes are not an encoded OTLP request.
var ErrMalformed = errors.New("malformed OTLP request")

// Group is what the records of one scope share, and those records. All slices
// alias the request they were taken from.
type Group struct {
	// Resource holds the encoded fields of the resource level but for its
	// scopes; Scope holds those of the scope level but for its records.
	Resource, Scope []byte
	// Records are the encoded records, each with its tag and length, so that
	// they can be concatenated.
	Records [][]byte
}

// Split appends to dst one Group for each scope of the request, in order. A
// scope without records gives a group without records. On an error dst is
// returned as far as it got.
func Split(request []byte, dst []Group) ([]Group, error) {
	err := eachField(request, func(num protowire.Number, field, body []byte) error {
		if num != groups || body == nil {
			return nil
		}
		var err error
		dst, err = splitResource(body, dst)
		return err
	})
	return dst, err
}

func splitResource(b []byte, dst []Group) ([]Group, error) {
	var resource []byte
	first := len(dst)
	err := eachField(b, func(num protowire.Number, field, body []byte) error {
		if num != scopes || body == nil {
			resource = join(resource, field)
			return nil
		}
		dst = append(dst, Group{})
		return splitScope(body, &dst[len(dst)-1])
	})
	for i := first; i < len(dst); i++ {
		dst[i].Resource = resource
	}
	return dst, err
}

func splitScope(b []byte, g *Group) error {
	return eachField(b, func(num protowire.Number, field, body []byte) error {
		if num != records || body == nil {
			g.Scope = join(g.Scope, field)
			return nil
		}
		g.Records = append(g.Records, field)
		return nil
	})
}

// join appends field to prefix; the common case of a single field takes no
// memory.
func join(prefix, field []byte) []byte {
	if prefix == nil {
		return field[:len(field):len(field)]
	}
	return append(prefix, field...)
}

// eachField calls f for each field of b: field is the whole field with its
// tag, body the content of a length-delimited one and nil for any other.
func eachField(b []byte, f func(num protowire.Number, field, body []byte) error) error {
	for len(b) > 0 {
		num, typ, tagLen := protowire.ConsumeTag(b)
		if tagLen < 0 {
			return fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(tagLen))
		}
		valueLen := protowire.ConsumeFieldValue(num, typ, b[tagLen:])
		if valueLen < 0 {
			return fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(valueLen))
		}
		field := b[:tagLen+valueLen]
		var body []byte
		if typ == protowire.BytesType {
			body, _ = protowire.ConsumeBytes(b[tagLen:])
		}
		if err := f(num, field, body); err != nil {
			return err
		}
		b = b[len(field):]
	}
	return nil
}

// AppendGroup appends one group to an encoded request: the shared fields and
// the records, each a concatenation of records as Split gives them.
func AppendGroup(request, resource, scope []byte, records ...[]byte) []byte {
	size := 0
	for _, r := range records {
		size += len(r)
	}
	request = AppendGroupStart(request, resource, scope, size)
	for _, r := range records {
		request = append(request, r...)
	}
	return request
}

// AppendGroupStart appends one group to an encoded request, but for its
// records, which have that many bytes and must follow.
func AppendGroupStart(request, resource, scope []byte, size int) []byte {
	scopeLen := len(scope) + size
	groupLen := len(resource) + protowire.SizeTag(scopes) + protowire.SizeBytes(scopeLen)
	request = protowire.AppendTag(request, groups, protowire.BytesType)
	request = protowire.AppendVarint(request, uint64(groupLen))
	request = append(request, resource...)
	request = protowire.AppendTag(request, scopes, protowire.BytesType)
	request = protowire.AppendVarint(request, uint64(scopeLen))
	return append(request, scope...)
}
