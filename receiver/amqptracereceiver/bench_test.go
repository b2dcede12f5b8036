package amqptracereceiver

import (
	"context"
	"encoding/binary"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/otelcol-journey/otelcol-journey/receiver/amqptracereceiver/internal/metadata"
)

// What does the receiver itself cost for each firehose message, and what does it allocate for each span: read
// the headers, decode, stamp, build, without the client that read the frames and without the pipeline?
func BenchmarkMessageToSpan(b *testing.B) {
	for name, key := range map[string]string{"publish": "publish.shop", "deliver": "deliver.stock-queue"} {
		b.Run(name, func(b *testing.B) {
			r, err := newTracesReceiver(receivertest.NewNopSettings(metadata.Type), createDefaultConfig().(*Config), consumertest.NewNop())
			require.NoError(b, err)
			const batch = 100
			deliveries := make([]amqp.Delivery, batch)
			for i := range deliveries {
				deliveries[i] = packedDelivery(key, newParent().message(), uint64(i+1))
			}
			in := newIntake(r.pipeline, settledAlready{}, batch)
			now := time.Now()
			b.ReportAllocs()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for b.Loop() {
				for i := range deliveries {
					in.take(&deliveries[i], now)
				}
				if err := in.settle(); err != nil {
					b.Fatal(err)
				}
			}
			runtime.ReadMemStats(&after)
			spans := float64(b.N) * batch
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/spans, "allocs/span")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/spans, "B/span")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/spans, "ns/span")
			require.EqualValues(b, b.N*batch, in.handled)
		})
	}
}

// packedDelivery is a firehose message as wire.go and the client hand it on.
func packedDelivery(key string, message amqp.Publishing, tag uint64) amqp.Delivery {
	d := firehoseDelivery(key, message.Headers, func(_, properties amqp.Table) { properties["message_id"] = message.MessageId })
	d.Body = append(binary.BigEndian.AppendUint64(nil, uint64(len(message.Body))), encodeTable(d.Headers)...)
	d.Headers, d.DeliveryTag = nil, tag
	return d
}

// What does a firehose message cost in CPU from socket to acknowledged span, beside a consumer that
// only reads and acknowledges? Both drain the same queue, filled beforehand; the pipeline does nothing.
func BenchmarkDrainFirehose(b *testing.B) {
	for _, body := range []int{256, 16 << 10} {
		name := map[int]string{256: "body=256B", 16 << 10: "body=16KiB"}[body]
		b.Run("consumer=bare/"+name, func(b *testing.B) { benchmarkDrain(b, body, drainBare) })
		b.Run("consumer=receiver/"+name, func(b *testing.B) { benchmarkDrain(b, body, drainReceiver) })
	}
}

const benchMessages = 20_000

func benchmarkDrain(b *testing.B, body int, drain func(*testing.B, *Config)) {
	cfg := configFor(b, broker.Get(b).URL)
	cfg.OwnQueue = OwnQueueConfig{Name: "otel." + unique("bench"), Durable: true, Expires: time.Minute, MaxLength: 1_000_000, MaxLengthBytes: 4 << 30}
	app := dialApplication(b, broker.Get(b).URL)
	shop := app.exchange(unique("shop"), "fanout")
	cfg.Firehose = some(FirehoseConfig{Events: []string{eventPublish}, Exchanges: []string{shop}})
	app.queue(unique("q"), shop, "") // takes the messages and drops them
	s, err := dial(b.Context(), &cfg.Connection, mustEndpoint(b, cfg))
	require.NoError(b, err)
	_, err = s.declare(cfg.OwnQueue, newSource(cfg, newDecoder(cfg)).bindings())
	require.NoError(b, err)
	s.close()

	var cpu time.Duration
	for b.Loop() {
		b.StopTimer()
		fill(b, app, shop, body, cfg.OwnQueue.Name)
		before := cpuTime(b)
		b.StartTimer()
		drain(b, cfg)
		cpu += cpuTime(b) - before
	}
	b.ReportMetric(float64(cpu.Microseconds())/float64(b.N)/benchMessages, "cpu-us/message")
	b.ReportMetric(float64(benchMessages)*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

func mustEndpoint(tb testing.TB, cfg *Config) endpoint {
	e, err := parseEndpoint(cfg.Connection.Endpoints[0])
	require.NoError(tb, err)
	return e
}

func fill(b *testing.B, app *application, exchange string, body int, queue string) {
	for range benchMessages {
		message := newParent().message()
		message.Headers["tracestate"], message.Headers["baggage"] = "ot=th:8", "environment=demo,version=1"
		message.Body = make([]byte, body)
		require.NoError(b, app.PublishWithContext(b.Context(), exchange, "order.new", false, false, message))
	}
	eventually(b, "a full queue", func() bool {
		q, err := app.QueueDeclarePassive(queue, true, false, false, false, nil)
		return err == nil && q.Messages == benchMessages
	})
}

func drainBare(b *testing.B, cfg *Config) {
	conn, err := amqp.Dial(broker.Get(b).URL)
	require.NoError(b, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(b, err)
	require.NoError(b, ch.Qos(cfg.Consumer.Prefetch, 0, false))
	deliveries, err := ch.Consume(cfg.OwnQueue.Name, "", false, false, false, false, nil)
	require.NoError(b, err)
	for n := 1; n <= benchMessages; n++ {
		d := <-deliveries
		if n%cfg.Consumer.AckEvery == 0 {
			require.NoError(b, d.Ack(true))
		}
	}
}

func drainReceiver(b *testing.B, cfg *Config) {
	var spans atomic.Int64
	done := make(chan struct{})
	next, err := consumer.NewTraces(func(_ context.Context, td ptrace.Traces) error {
		if spans.Add(int64(td.SpanCount())) == benchMessages {
			close(done)
		}
		return nil
	})
	require.NoError(b, err)
	r := startReceiver(b, cfg, next)
	<-done
	r.stop()
}

func cpuTime(tb testing.TB) time.Duration {
	var used syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
