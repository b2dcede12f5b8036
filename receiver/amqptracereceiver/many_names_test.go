package amqptracereceiver

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// 10,000 exchanges and 10,000 queues cost this receiver nothing that stays: neither memory nor series
// of metrics grow with the names that messages carry.
func TestTenThousandNames(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the broker many seconds")
	}
	b := broker.Get(t)
	if !b.Owned() {
		t.Skip("the broker of AMQP_URL is not ours to fill")
	}
	url := b.URL
	var spans atomic.Int64
	next, err := consumer.NewTraces(func(_ context.Context, td ptrace.Traces) error {
		spans.Add(int64(td.SpanCount()))
		return nil
	})
	require.NoError(t, err)
	cfg := configFor(t, url)
	cfg.OwnQueue.MaxLength = 100_000
	r := startReceiver(t, cfg, next)
	r.reading(1)
	app := dialApplication(t, url)
	use := func(from, to int) {
		for i := from; i < to; i += 500 {
			useNames(t, app, i, i+500)
		}
		eventually(t, "two publish spans and a deliver span", func() bool { return spans.Load() == int64(3*to) })
	}
	use(0, 1000)
	before := liveBytes()
	series := r.series()
	use(1000, 10_000)
	grown := int64(liveBytes()) - int64(before)
	t.Logf("9,000 more exchanges and queues: %d KiB more live memory", grown>>10)
	assert.Less(t, grown, int64(1<<20), "118 bytes for each pair of names")
	assert.Equal(t, series, r.series())
	assert.Zero(t, r.metric("pending_pairs"))
}

// useNames publishes to so many exchanges that route nowhere, and to so many queues, and takes the
// messages. It waits for no answer in between: a round trip for each name would take a minute.
func useNames(t *testing.T, app *application, from, to int) {
	t.Helper()
	const noWait = true
	var taken []<-chan amqp.Delivery
	for i := from; i < to; i++ {
		exchange, queue := fmt.Sprintf("exchange-with-a-long-name-%d", i), fmt.Sprintf("queue-with-a-long-name-%d", i)
		require.NoError(t, app.ExchangeDeclare(exchange, "direct", false, false, false, noWait, nil))
		_, err := app.QueueDeclare(queue, false, true, true, noWait, nil)
		require.NoError(t, err)
		message := amqp.Publishing{Headers: amqp.Table{"traceparent": newParent().header()}, MessageId: queue}
		require.NoError(t, app.PublishWithContext(t.Context(), exchange, "key", false, false, message))
		require.NoError(t, app.PublishWithContext(t.Context(), "", queue, false, false, message))
		deliveries, err := app.Consume(queue, queue, true, true, false, noWait, nil)
		require.NoError(t, err)
		taken = append(taken, deliveries)
	}
	for i, deliveries := range taken {
		<-deliveries
		require.NoError(t, app.Cancel(fmt.Sprintf("queue-with-a-long-name-%d", from+i), noWait))
	}
}

// liveBytes is what is reachable after a collection.
func liveBytes() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// series is the number of data points of all this receiver's counters.
func (r *running) series() (n int) {
	for _, name := range []string{"messages", "spans", "skipped", "context_errors", "reconnects"} {
		m, err := r.tel.GetMetric("otelcol_receiver_amqp_trace_" + name)
		if err != nil {
			continue
		}
		n += len(m.Data.(metricdata.Sum[int64]).DataPoints)
	}
	return n
}
