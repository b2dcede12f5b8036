package journeyprocessor

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/client"
)

// clientMetadata is what a sender said of a batch beside its spans, such as a
// tenant header, of the keys that release::metadata_keys names. It does not
// change.
type clientMetadata struct {
	key    string // the same for equal values
	values map[string][]string
}

// metadataOf takes the named keys out of the context; nil if it has none of
// them, or none are named.
func metadataOf(ctx context.Context, keys []string) *clientMetadata {
	if len(keys) == 0 {
		return nil
	}
	from := client.FromContext(ctx).Metadata
	values := make(map[string][]string, len(keys))
	for _, k := range keys {
		if v := from.Get(k); len(v) > 0 {
			values[strings.ToLower(k)] = v
		}
	}
	if len(values) == 0 {
		return nil
	}
	return newClientMetadata(values)
}

func newClientMetadata(values map[string][]string) *clientMetadata {
	var key []byte
	for _, k := range slices.Sorted(maps.Keys(values)) {
		key = appendText(key, k)
		key = binary.AppendUvarint(key, uint64(len(values[k])))
		for _, v := range values[k] {
			key = appendText(key, v)
		}
	}
	return &clientMetadata{key: string(key), values: values}
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// context is that of a batch which leaves with m.
func (m *clientMetadata) context(ctx context.Context) context.Context {
	if m == nil {
		return ctx
	}
	return client.NewContext(ctx, client.Info{Metadata: client.NewMetadata(m.values)})
}

func (m *clientMetadata) equals(other *clientMetadata) bool {
	if m == nil || other == nil {
		return m == other
	}
	return m.key == other.key
}
