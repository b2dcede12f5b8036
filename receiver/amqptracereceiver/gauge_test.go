package amqptracereceiver

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelcol-journey/otelcol-journey/receiver/amqptracereceiver/internal/metadata"
)

func TestGaugeMeasuresTheQueueAndSaysWhenItIsFull(t *testing.T) {
	cfg := configFor(t, broker.Get(t).URL)
	cfg.OwnQueue.Durable, cfg.OwnQueue.Name = true, "otel."+unique("gauged")
	tel := componenttest.NewTelemetry()
	set := receivertest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = tel.NewTelemetrySettings()
	r, err := newTracesReceiver(set, cfg, &collected{})
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Shutdown(t.Context())) }()

	s, err := dial(t.Context(), &cfg.Connection, mustEndpoint(t, cfg))
	require.NoError(t, err)
	defer s.close()
	queue, err := s.declare(cfg.OwnQueue, nil)
	require.NoError(t, err)
	sub, err := s.subscribe(queue, 1)
	require.NoError(t, err)
	app := dialApplication(t, broker.Get(t).URL)
	for range 5 {
		app.publish("", queue, amqp.Publishing{})
	}
	held := <-sub.deliveries // one of five is with us, unsettled

	core, logs := observer.New(zap.DebugLevel)
	g := &gauge{session: s, queue: queue, maxLength: 4, telemetry: r.pipeline.telemetry, logger: zap.New(core)}
	g.start(time.Millisecond)
	defer g.close()
	for range 3 {
		assert.Equal(t, 4, <-g.depths)
	}
	depth, err := tel.GetMetric("otelcol_receiver_amqp_trace_queue_depth")
	require.NoError(t, err)
	assert.EqualValues(t, 4, sumOf(depth))
	assert.Equal(t, 1, logs.FilterMessageSnippet("own queue is full").Len(), "once")

	require.NoError(t, held.Ack(false))
	app.mustSucceed(app.QueuePurge(queue, false))
	eventually(t, "an empty queue", func() bool { return <-g.depths == 0 })
	app.mustSucceed(app.QueueDelete(queue, false, false, false))
	eventually(t, "the end of the asking", func() bool { return logs.FilterMessageSnippet("no longer known").Len() == 1 })
}

// The queues of telemetry are measured, too, and just as well while the pipeline refuses.
func TestQueuesOfTelemetryAreMeasured(t *testing.T) {
	cfg := fakeConfig()
	c := defaultOTLP()
	c.Declare = some(DeclareConfig{Type: "classic"})
	cfg.OTLP = some(c)
	sink := &payloadSink{answer: errFull}
	inFakeTime(t, cfg, sink, nil, func(t *testing.T, b *fakeBroker, r *running) {
		for range 50 {
			b.put(fakeMessage{content: func(channel uint16) []byte { return encodedContent(channel, nil, protoOf(t)) }})
		}
		timePasses(depthInterval + time.Second)
		assert.Equal(t, map[string]int64{"traces": 50 - int64(c.Prefetch)}, r.depths())
		sink.setAnswer(nil)
		timePasses(time.Minute)
		assert.Equal(t, map[string]int64{"traces": 0}, r.depths())
		assert.Len(t, sink.all(), 50)
	})
}

// depths are the measured ones by signal.
func (r *running) depths() map[string]int64 {
	m, err := r.tel.GetMetric("otelcol_receiver_amqp_trace_queue_depth")
	require.NoError(r.t, err)
	values := map[string]int64{}
	for _, p := range m.Data.(metricdata.Gauge[int64]).DataPoints {
		signal, _ := p.Attributes.Value("signal")
		values[signal.AsString()] = p.Value
	}
	return values
}

func TestCautionEndsWithAnEmptyQueue(t *testing.T) {
	r := &reading{intake: &intake{}, caution: readSingly}
	require.NoError(t, r.careless(1))
	require.ErrorIs(t, r.careless(0), errResubscribe)
	r.unsettled = 1
	require.NoError(t, r.careless(0), "this one may be it")
	r.unsettled, r.caution = 0, readNormally
	require.NoError(t, r.careless(0))
}

func TestHoldIsNeverUnderestimated(t *testing.T) {
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	h := newHold(at(0), 10)
	h.settled(at(1), 5)
	assert.Equal(t, at(0), h.since, "6 to 10 were sent at once")
	h.settled(at(2), 10) // 11 to 20 come after 0
	h.settled(at(3), 15)
	assert.Equal(t, at(0), h.since)
	h.settled(at(4), 20) // all beyond 20 were sent after the acknowledgement of 10
	assert.Equal(t, at(2), h.since)
	h.settled(at(9), 30)
	assert.Equal(t, at(4), h.since)
	h.drained(at(20), 30)
	assert.Equal(t, at(20), h.since)
	h.settled(at(30), 31)
	assert.Equal(t, at(20), h.since)
}
