// Package raw moves OTLP requests over gRPC as bytes, so that neither the
// sender nor the sink spends time on decoding.
package raw

import (
	"fmt"

	"google.golang.org/grpc/mem"
)

// Export is the method that every OTLP exporter of spans calls.
const Export = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// Message is an encoded message.
type Message struct {
	Bytes []byte
	// buffer holds Bytes of a received message; nil for one to be sent.
	buffer mem.Buffer
}

// Free gives a received message's memory back. Its bytes are gone after that.
func (m *Message) Free() {
	if m.buffer != nil {
		m.buffer.Free()
	}
	m.Bytes, m.buffer = nil, nil
}

// Codec is grpc's codec for *Message.
type Codec struct{}

// Name is what goes into the content type: peers see ordinary protobuf.
func (Codec) Name() string { return "proto" }

// Marshal hands the bytes over as they are; they must not change until the
// call has ended.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*Message)
	if !ok {
		return nil, fmt.Errorf("raw codec: got %T, want *raw.Message", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(m.Bytes)}, nil
}

// Unmarshal makes one piece of what came; the receiver frees it.
func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*Message)
	if !ok {
		return fmt.Errorf("raw codec: got %T, want *raw.Message", v)
	}
	m.buffer = data.MaterializeToBuffer(mem.DefaultBufferPool())
	m.Bytes = m.buffer.ReadOnlyData()
	return nil
}
