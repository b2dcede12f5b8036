package amqptracereceiver

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelcol-journey/otelcol-journey/internal/stack/stacktest"
)

// 10,000 exchanges and 10,000 queues cost this receiver nothing that stays: neither memory nor series
// of metrics grow with the names that messages carry.
func TestTenThousandNames(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the broker many seconds")
	}
	// Of its own, to be killed: to delete that many queues takes a broker as long as to make them.
	b := stacktest.BrokerForTest(t)
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
	apps := []*application{dialApplication(t, url), dialApplication(t, url), dialApplication(t, url), dialApplication(t, url)}
	use := func(from, to int) {
		var using sync.WaitGroup
		for i, app := range apps {
			using.Go(func() {
				const batch = 250 // the clients hold as much for the first thousand as for all
				for begin := from + i*batch; begin < to; begin += len(apps) * batch {
					assert.NoError(t, app.useNames(begin, begin+batch))
				}
			})
		}
		using.Wait()
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
// messages. Everything stays. It waits for no answer but for the messages: a round trip for each name would
// take a minute.
func (a *application) useNames(from, to int) error {
	const noWait = true
	var errs []error
	for i := from; i < to; i++ {
		exchange, queue := longName("exchange", i), longName("queue", i)
		message := amqp.Publishing{Headers: amqp.Table{"traceparent": newParent().header()}, MessageId: queue}
		_, err := a.QueueDeclare(queue, false, false, true, noWait, nil)
		errs = append(errs, err, a.ExchangeDeclare(exchange, "direct", false, false, false, noWait, nil),
			a.PublishWithContext(context.Background(), exchange, "key", false, false, message),
			a.PublishWithContext(context.Background(), "", queue, false, false, message))
	}
	for i := from; i < to; i++ {
		_, found, err := a.Get(longName("queue", i), true)
		if err == nil && !found {
			err = fmt.Errorf("%s is empty", longName("queue", i))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func longName(kind string, number int) string {
	return fmt.Sprintf("%s-with-a-long-name-%d", kind, number)
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
