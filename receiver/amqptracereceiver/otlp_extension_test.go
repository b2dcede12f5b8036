package amqptracereceiver

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// lengthEncoding is an encoding extension: a body is the number of spans.
type lengthEncoding struct{ component.StartFunc }

func (lengthEncoding) Shutdown(context.Context) error { return nil }

func (lengthEncoding) UnmarshalTraces(body []byte) (ptrace.Traces, error) {
	td := ptrace.NewTraces()
	spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for range binary.BigEndian.Uint16(body) {
		spans.AppendEmpty()
	}
	return td, nil
}

type extensionHost struct {
	component.Host
	extensions map[component.ID]component.Component
}

func (h extensionHost) GetExtensions() map[component.ID]component.Component { return h.extensions }

func TestEncodingExtension(t *testing.T) {
	cfg := defaultOTLP()
	cfg.Encoding = "length/short"
	o := newOTLP(t, cfg)
	require.ErrorContains(t, o.start(componenttest.NewNopHost()), "length/short")
	host := extensionHost{componenttest.NewNopHost(), map[component.ID]component.Component{
		component.MustNewIDWithName("length", "short"): lengthEncoding{},
	}}
	require.NoError(t, o.start(host))
	got, err := o.signals()[0].decode(o.formats.of("application/json", nil), []byte{0, 3})
	require.NoError(t, err)
	assert.Equal(t, 3, got.items)
	o.logs = &payloadSink{}
	require.ErrorContains(t, o.start(host), "cannot read logs")
}
