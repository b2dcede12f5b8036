package amqptracereceiver

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
)

// A message that is taken off the queue as unreadable, and is not, still becomes a span.
func TestTakenFirstButReadable(t *testing.T) {
	url := broker.Get(t).URL
	cfg := configFor(t, url)
	cfg.OwnQueue.Durable, cfg.OwnQueue.Name = true, "otel."+unique("first")
	spans := &collected{}
	r := newTestReceiver(t, spans)
	r.cfg = cfg
	defer func() { require.NoError(t, r.Shutdown(t.Context())) }()
	s, err := dial(t.Context(), &cfg.Connection, mustEndpoint(t, cfg))
	require.NoError(t, err)
	defer s.close()
	queue, err := s.declare(cfg.OwnQueue, r.pipeline.source.bindings())
	require.NoError(t, err)

	app := dialApplication(t, url)
	p := newParent()
	app.publish("", app.queue(unique("q"), "", ""), p.message())
	e := &epoch{tracesReceiver: r, host: componenttest.NewNopHost(), caution: takeFirst}
	eventually(t, "the message, taken and handed over", func() bool {
		require.NoError(t, e.takeFirst(s, queue)) // an empty queue is no error
		return len(spans.of(p.trace, "publish amq.default")) == 1
	})
	assert.Equal(t, readSingly, e.caution, "the unreadable one may come next")
	assert.EqualValues(t, 1, e.handled)
	app.mustSucceed(app.QueueDelete(queue, false, false, false))
}
