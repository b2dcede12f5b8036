package amqptracereceiver

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// A broker that sends heartbeats but never answers one of our requests is left for another.
func TestRequestWithoutAnAnswerEnds(t *testing.T) {
	for name, request := range map[string]method{
		"open a channel": channelOpen, "declare": queueDeclare, "bind": queueBind, "prefetch": basicQoS, "consume": basicConsume,
	} {
		t.Run(name, func(t *testing.T) {
			spans := &collected{}
			inFakeTime(t, fakeConfig(), spans, func(b *fakeBroker) {
				b.hooks[request] = once(silent)
				b.hooks[connectionTuneOK] = func(c *fakeConn, _ *fakeFrame) bool {
					go c.beat()
					return false
				}
			}, func(t *testing.T, b *fakeBroker, r *running) {
				time.Sleep(12 * time.Second) // connection_timeout and the first pause
				assert.Equal(t, map[string]int64{"no_answer": 1}, r.reconnects())
				assert.Equal(t, 2, b.dialled())
				p := newParent()
				b.putMessage(p)
				time.Sleep(time.Second)
				assert.Len(t, spans.of(p.trace, ""), 1)
			})
		})
	}
}

// A shutdown waits for no broker longer than its patience, whatever is asked last.
func TestShutdownOfAReceiverWhoseBrokerIsMute(t *testing.T) {
	for name, request := range map[string]method{"cancel": basicCancel, "close the channel": channelClose, "close the connection": connectionClose} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, fakeConfig(), &collected{}, nil, func(t *testing.T, b *fakeBroker, r *running) {
				b.with(func() { b.hooks[request] = func(*fakeConn, *fakeFrame) bool { return true } })
				began := time.Now()
				require.NoError(t, r.Shutdown(t.Context()))
				assert.LessOrEqual(t, time.Since(began), 15*time.Second)
			})
		})
	}
}

func TestSilenceIsTakenForDeath(t *testing.T) {
	inFakeTime(t, fakeConfig(), &collected{}, nil, func(t *testing.T, b *fakeBroker, r *running) {
		b.with(func() { b.conns[0].mute = true })
		time.Sleep(14 * time.Second)
		assert.Equal(t, 1, b.dialled(), "10 s is the heartbeat")
		time.Sleep(6 * time.Second)
		assert.Equal(t, 2, b.dialled(), "nothing for one and a half of it")
		assert.Equal(t, map[string]int64{"heartbeat_missed": 1}, r.reconnects())
	})
}

// The attempts go through all endpoints, with growing pauses that are never the same, and never end.
func TestAttemptsAreSpacedAndNeverEnd(t *testing.T) {
	cfg := fakeConfig()
	cfg.Connection.Endpoints = []string{"amqp://mq-1", "amqp://mq-2", "amqp://mq-3"}
	spans := &collected{}
	inFakeTime(t, cfg, spans, func(b *fakeBroker) { b.refuse = errors.New("connection refused") }, func(t *testing.T, b *fakeBroker, r *running) {
		began := time.Now()
		time.Sleep(24 * time.Hour)
		perHour := float64(b.dialled()) / time.Since(began).Hours()
		assert.InDelta(t, 120, perHour, 20, "one each max_interval")
		tried := map[string]int{}
		for _, address := range b.dials {
			tried[address]++
		}
		for _, address := range []string{"mq-1:5672", "mq-2:5672", "mq-3:5672"} {
			assert.InDelta(t, b.dialled()/3, tried[address], 1)
		}
		pauses := map[any]bool{}
		for i, entry := range r.logs.FilterMessage("not reading from the broker").All() {
			pause := entry.ContextMap()["again_in"].(time.Duration)
			pauses[pause] = true
			assert.LessOrEqual(t, pause, cfg.Reconnect.MaxInterval*3/2)
			assert.LessOrEqual(t, pause.Seconds(), cfg.Reconnect.InitialInterval.Seconds()*math.Pow(1.5, float64(i+1)), "attempt %d", i)
		}
		assert.Len(t, pauses, b.dialled(), "jitter")
		assert.True(t, r.status.is(componentstatus.StatusRecoverableError))
		assert.False(t, r.status.operator.Load())

		b.with(func() { b.refuse = nil })
		time.Sleep(time.Minute)
		p := newParent()
		b.putMessage(p)
		time.Sleep(time.Second)
		assert.Len(t, spans.of(p.trace, ""), 1)
	})
}

// What an operator has to heal is tried again slowly, and reading begins once it is healed.
func TestRefusalIsNotHammeredAt(t *testing.T) {
	for name, refusal := range map[string]struct {
		at     method
		code   uint16
		reason string
	}{
		"may not declare":         {queueDeclare, amqp.AccessRefused, "ACCESS_REFUSED"},
		"other settings":          {queueDeclare, amqp.PreconditionFailed, "PRECONDITION_FAILED - inequivalent arg"},
		"no exchange":             {queueBind, amqp.NotFound, "NOT_FOUND - no exchange"},
		"may not bind":            {queueBind, amqp.AccessRefused, "ACCESS_REFUSED"},
		"may not consume":         {basicConsume, amqp.AccessRefused, "ACCESS_REFUSED"},
		"somebody else's queue":   {basicConsume, amqp.ResourceLocked, "RESOURCE_LOCKED"},
		"not allowed at all (TX)": {basicQoS, amqp.NotAllowed, "NOT_ALLOWED"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := fakeConfig()
			spans := &collected{}
			inFakeTime(t, cfg, spans, func(b *fakeBroker) {
				b.hooks[refusal.at] = func(c *fakeConn, f *fakeFrame) bool {
					c.refuse(f.channel, refusal.code, refusal.reason, f.method)
					return true
				}
			}, func(t *testing.T, b *fakeBroker, r *running) {
				time.Sleep(10 * time.Minute)
				if refusal.code != amqp.ResourceLocked {
					assert.Less(t, b.dialled(), 42, "each max_interval of 30 s, with jitter")
					assert.True(t, r.status.operator.Load())
				}
				assert.Greater(t, b.dialled(), 10)
				last := r.status.last.Load()
				assert.Equal(t, componentstatus.StatusRecoverableError, last.Status(), "there is no way back from a permanent one")
				assert.ErrorContains(t, last.Err(), refusal.reason)
				b.with(func() { delete(b.hooks, refusal.at) })
				time.Sleep(time.Minute)
				p := newParent()
				b.putMessage(p)
				time.Sleep(time.Second)
				assert.Len(t, spans.of(p.trace, ""), 1)
				assert.True(t, r.status.is(componentstatus.StatusOK))
			})
		})
	}
}

func (r *running) secondsSinceLastEvent() float64 {
	m, err := r.tel.GetMetric("otelcol_receiver_amqp_trace_seconds_since_last_event")
	require.NoError(r.t, err)
	return m.Data.(metricdata.Gauge[float64]).DataPoints[0].Value
}

func TestSilentFirehoseIsSuspicious(t *testing.T) {
	inFakeTime(t, fakeConfig(), &collected{}, nil, func(t *testing.T, b *fakeBroker, r *running) {
		warnings := func() int { return r.logs.FilterMessageSnippet("the firehose says nothing").Len() }
		time.Sleep(59 * time.Second)
		assert.Zero(t, warnings())
		assert.InDelta(t, 59, r.secondsSinceLastEvent(), 0.5)
		time.Sleep(time.Hour)
		assert.Equal(t, 1, warnings(), "once")
		b.putMessage(newParent())
		time.Sleep(10 * time.Second)
		assert.InDelta(t, 10, r.secondsSinceLastEvent(), 0.5)
		time.Sleep(time.Hour)
		assert.Equal(t, 2, warnings(), "and again after there was something")
	})
}

var errFull = errors.New("full")

// While the pipeline refuses, no more than the prefetch is with us, and nothing is settled.
func TestRefusingPipelineHoldsAtMostThePrefetch(t *testing.T) {
	cfg := fakeConfig()
	spans := &collected{refuse: errFull}
	inFakeTime(t, cfg, spans, nil, func(t *testing.T, b *fakeBroker, r *running) {
		p := newParent()
		distinctMessages(b, p, 5000)
		time.Sleep(5 * time.Minute)
		waiting, unacked := b.counts()
		assert.Equal(t, 4000, waiting)
		assert.Equal(t, 1000, unacked)
		depth, err := r.tel.GetMetric("otelcol_receiver_amqp_trace_queue_depth")
		require.NoError(t, err)
		assert.EqualValues(t, 4000, sumOf(depth), "measured although the pipeline takes nothing")
		spans.setRefuse(nil)
		time.Sleep(time.Minute)
		assert.Len(t, spans.of(p.trace, ""), 5000)
		assert.Equal(t, 5000, distinct(spans.of(p.trace, "")))
		assert.Equal(t, 1, b.dialled())
		waiting, unacked = b.counts()
		assert.Zero(t, waiting+unacked)
	})
}

// stuck is a pipeline that returns only when told, whatever its context says.
type stuck struct {
	collected
	release chan struct{}
}

func (s *stuck) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	<-s.release
	return s.collected.ConsumeTraces(ctx, td)
}

// Not even a pipeline that never returns makes us hold a delivery for longer than max_hold.
func TestPipelineThatNeverReturnsHoldsNothing(t *testing.T) {
	cfg := fakeConfig()
	next := &stuck{}
	inFakeTime(t, cfg, next, func(*fakeBroker) { next.release = make(chan struct{}) }, func(t *testing.T, b *fakeBroker, r *running) {
		p := newParent()
		distinctMessages(b, p, 250)
		time.Sleep(cfg.Limits.MaxHold - time.Second)
		_, unacked := b.counts()
		assert.Equal(t, 250, unacked)
		time.Sleep(2 * time.Second)
		waiting, unacked := b.counts()
		assert.Equal(t, 250, waiting)
		assert.Zero(t, unacked, "all went back, on the same connection")
		assert.Equal(t, 1, b.dialled())

		close(next.release)
		time.Sleep(10 * time.Second)
		assert.Len(t, next.of(p.trace, ""), 350, "the first hundred arrive twice")
		assert.Equal(t, 250, distinct(next.of(p.trace, "")), "under the same ids")
		assert.EqualValues(t, 1, r.metric("requeued"))
		assert.True(t, r.status.is(componentstatus.StatusOK))
	})
}

// patient waits for as long as its context lets it, and then refuses.
type patient struct{ collected }

func (p *patient) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	p.mu.Lock()
	refuse := p.refuse
	p.mu.Unlock()
	if refuse != nil {
		<-ctx.Done()
		return refuse
	}
	return p.collected.ConsumeTraces(ctx, td)
}

func TestPipelineThatWaitsIsToldWhenToStop(t *testing.T) {
	cfg := fakeConfig()
	next := &patient{}
	next.setRefuse(errFull)
	inFakeTime(t, cfg, next, nil, func(t *testing.T, b *fakeBroker, r *running) {
		p := newParent()
		distinctMessages(b, p, 250)
		time.Sleep(3*cfg.Limits.MaxHold + time.Minute)
		assert.EqualValues(t, 3, r.metric("requeued"))
		assert.Equal(t, 1, b.dialled(), "an exclusive queue would end with its connection")
		next.setRefuse(nil)
		b.toConsumer(func(channel uint16) []byte { // ends the wait early
			consumes, _ := b.consumer()
			consumes.endChannel(channel)
			return encodedMethod(channel, channelClose, uint16(amqp.PreconditionFailed), "PRECONDITION_FAILED - delivery acknowledgement timed out", uint16(0), uint16(0))
		})
		time.Sleep(time.Minute)
		assert.Len(t, next.of(p.trace, ""), 250)
		assert.Equal(t, map[string]int64{"ack_timeout": 1}, r.reconnects())
		assert.Equal(t, 1, b.dialled())
	})
}

// What was held for too long shows in the status until the pipeline has taken a batch.
func TestHeldTooLongShowsInTheStatus(t *testing.T) {
	cfg := fakeConfig()
	spans := &collected{refuse: errFull}
	inFakeTime(t, cfg, spans, nil, func(t *testing.T, b *fakeBroker, r *running) {
		b.putMessage(newParent())
		time.Sleep(cfg.Limits.MaxHold + time.Minute)
		assert.True(t, r.status.is(componentstatus.StatusRecoverableError))
		spans.setRefuse(nil)
		time.Sleep(time.Minute)
		assert.True(t, r.status.is(componentstatus.StatusOK))
	})
}

// A steady backlog is no reason to give deliveries back: only how long each is held counts.
func TestBacklogIsNotHolding(t *testing.T) {
	cfg := fakeConfig()
	cfg.Limits.MaxHold = 30 * time.Second
	next := &slow{pause: time.Second}
	inFakeTime(t, cfg, next, nil, func(t *testing.T, b *fakeBroker, r *running) {
		p := newParent()
		distinctMessages(b, p, 6000) // a minute's work
		time.Sleep(2 * time.Minute)
		assert.Equal(t, 6000, distinct(next.of(p.trace, "")))
		assert.EqualValues(t, 6000, r.metric("spans"))
		assert.Zero(t, r.metric("requeued"))
		assert.Equal(t, 60, next.attempts(), "full batches, although each takes longer than ack_interval")
	})
}

// What comes late because of a backlog says so; the broker's own stamp does not come late.
func TestSpansOfABacklogAreMarked(t *testing.T) {
	cfg := fakeConfig()
	next := &slow{pause: time.Second}
	stamped := newParent()
	headers := func() amqp.Table {
		return amqp.Table{"traceparent": stamped.header(), "timestamp_in_ms": noon.UnixMilli()}
	}
	late := newParent()
	inFakeTime(t, cfg, next, func(b *fakeBroker) {
		b.queue.name = cfg.OwnQueue.Name // left by an earlier receiver, with
		for _, key := range []string{"publish.shop", "deliver.stock-queue"} {
			d := firehoseDelivery(key, headers(), nil)
			b.put(fakeMessage{key: key, headers: d.Headers})
		}
		distinctMessages(b, late, 3000)
	}, func(t *testing.T, b *fakeBroker, r *running) {
		time.Sleep(5 * time.Second)
		early := next.of(late.trace, "")
		require.NotEmpty(t, early)
		for _, s := range early {
			assert.Equal(t, "3002", s.text("amqp.receiver.backlog"), "known from the declaration on")
		}
		assert.Equal(t, "(absent)", next.of(stamped.trace, "publish shop")[0].text("amqp.receiver.backlog"))
		assert.Equal(t, "3002", next.of(stamped.trace, "deliver stock-queue")[0].text("amqp.receiver.backlog"), "its end is ours")

		time.Sleep(time.Minute) // no more than the prefetch is left, and then nothing
		after := newParent()
		distinctMessages(b, after, 10)
		time.Sleep(5 * time.Second)
		require.Len(t, next.of(after.trace, ""), 10)
		for _, s := range next.of(after.trace, "") {
			assert.Equal(t, "(absent)", s.text("amqp.receiver.backlog"))
		}
	})
}

// slow takes its time.
type slow struct {
	collected
	pause time.Duration
}

func (s *slow) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	sleep(ctx, s.pause)
	return s.collected.ConsumeTraces(ctx, td)
}

// A message that the client cannot parse is found and taken off, whatever comes before and after it.
func TestUnreadableMessagesAreTakenOffOneByOne(t *testing.T) {
	spans := &collected{}
	inFakeTime(t, fakeConfig(), spans, nil, func(t *testing.T, b *fakeBroker, r *running) {
		p := newParent()
		readable := 0
		for range 3 {
			readable += distinctMessages(b, p, 120)
			b.put(fakeMessage{key: "publish.shop", content: brokenContent})
		}
		readable += distinctMessages(b, p, 120)
		synctest.Wait()
		time.Sleep(5 * time.Minute)
		assert.Equal(t, readable, distinct(spans.of(p.trace, "")))
		assert.EqualValues(t, 3, r.metric("poison_discarded"))
		waiting, unacked := b.counts()
		assert.Zero(t, waiting+unacked)
		distinctMessages(b, p, 2500)
		time.Sleep(time.Minute)
		assert.Equal(t, readable+2500, distinct(spans.of(p.trace, "")))
	})
}

// timePasses is for tests in fake time.
func timePasses(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
