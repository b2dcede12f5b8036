package amqptracereceiver

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer"
)

// fakeConfig is the default configuration with a durable queue, so that nothing may be lost.
func fakeConfig() *Config {
	cfg := createDefaultConfig().(*Config)
	cfg.Connection.Endpoints = []string{"amqp://mq-1"}
	cfg.OwnQueue.Durable = true
	return cfg
}

// putMessage puts a firehose message of the parent into the fake broker's queue.
func (b *fakeBroker) putMessage(p parent) {
	d := firehoseDelivery("publish.shop", amqp.Table{"traceparent": p.header()}, nil)
	b.put(fakeMessage{key: d.RoutingKey, headers: d.Headers})
}

// inFakeTime runs a test with a receiver on a fake broker. faulty is called before the receiver starts.
func inFakeTime(t *testing.T, cfg *Config, next consumer.Traces, faulty func(*fakeBroker), test func(*testing.T, *fakeBroker, *running)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeBroker(t)
		if faulty != nil {
			faulty(b)
		}
		r := startReceiverOver(t, cfg, next, b.dial)
		synctest.Wait()
		test(t, b, r)
	})
}

// once wraps a hook so that it works only the first time.
func once(hook func(*fakeConn, *fakeFrame)) func(*fakeConn, *fakeFrame) bool {
	done := false
	return func(c *fakeConn, f *fakeFrame) bool {
		if done {
			return false
		}
		done = true
		hook(c, f)
		return true
	}
}

func silent(*fakeConn, *fakeFrame) {}

func TestFakeBrokerServesAReceiver(t *testing.T) {
	spans := &collected{}
	inFakeTime(t, fakeConfig(), spans, nil, func(t *testing.T, b *fakeBroker, r *running) {
		assert.Equal(t, []string{"mq-1:5672"}, b.dials)
		assert.Equal(t, []string{"publish.#", "deliver.#"}, b.queue.bound)
		p := newParent()
		for range 250 {
			b.putMessage(p)
		}
		time.Sleep(time.Second)
		assert.Len(t, spans.of(p.trace, "publish shop"), 250)
		waiting, unacked := b.counts()
		assert.Zero(t, waiting+unacked)
		assert.True(t, r.status.is(componentstatus.StatusOK))
	})
}

// What a broker says in place of a proper handshake, the reason it is counted as, and whether it is
// for an operator to heal.
var handshakes = map[string]struct {
	at       method
	answer   func(*fakeConn, *fakeFrame)
	reason   string
	operator bool
}{
	"another version of the protocol": {at: protocolHeader, answer: says("AMQP\x00\x01\x00\x00"), reason: "connection_lost"},
	"another protocol":                {at: protocolHeader, answer: says("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), reason: "connection_lost"},
	"a TLS alert":                     {at: protocolHeader, answer: says("\x15\x03\x03\x00\x02\x02\x28"), reason: "connection_lost"},
	"hangs up at once":                {at: protocolHeader, answer: hangsUp, reason: "connection_lost"},
	"half a frame": {at: protocolHeader, answer: func(c *fakeConn, _ *fakeFrame) {
		c.out <- encodedMethod(0, connectionStart, uint8(0), uint8(9))[:9]
		c.out <- nil
	}, reason: "connection_lost"},
	"a frame of 4 GiB":               {at: protocolHeader, answer: says("\x01\x00\x00\xff\xff\xff\xff"), reason: "connection_lost"},
	"no mechanism that we know":      {at: protocolHeader, answer: offers("AMQPLAIN RABBIT-CR-DEMO"), reason: "refused", operator: true},
	"hangs up on a wrong password":   {at: connectionStartOK, answer: hangsUp, reason: "refused", operator: true},
	"refuses the password":           {at: connectionStartOK, answer: closes(amqp.AccessRefused, "ACCESS_REFUSED - Login was refused"), reason: "refused", operator: true},
	"a challenge":                    {at: connectionStartOK, answer: asks(connectionSecure, longText("more?")), reason: "refused", operator: true},
	"no such vhost":                  {at: connectionOpen, answer: closes(amqp.NotAllowed, "NOT_ALLOWED - vhost / not found"), reason: "refused", operator: true},
	"too many connections":           {at: connectionOpen, answer: closes(amqp.NotAllowed, "NOT_ALLOWED - connection limit is reached"), reason: "refused", operator: true},
	"is about to stop":               {at: connectionOpen, answer: closes(amqp.ConnectionForced, "CONNECTION_FORCED - broker forced"), reason: "broker_stopped"},
	"says nothing at all":            {at: protocolHeader, answer: silent, reason: "no_answer"},
	"does not answer the log-in":     {at: connectionStartOK, answer: silent, reason: "no_answer"},
	"does not answer the last step":  {at: connectionOpen, answer: silent, reason: "no_answer"},
	"answers with another method":    {at: connectionOpen, answer: asks(channelOpenOK, longText("")), reason: "refused", operator: true},
	"closes without a reason at all": {at: connectionOpen, answer: closes(0, ""), reason: "connection_lost"},
}

func says(text string) func(*fakeConn, *fakeFrame) {
	return func(c *fakeConn, _ *fakeFrame) {
		c.out <- []byte(text)
		c.out <- nil
	}
}

func hangsUp(c *fakeConn, _ *fakeFrame) { c.end() }

func asks(m method, args ...any) func(*fakeConn, *fakeFrame) {
	return func(c *fakeConn, _ *fakeFrame) { c.send(0, m, args...) }
}

func closes(code uint16, reason string) func(*fakeConn, *fakeFrame) {
	return asks(connectionClose, code, reason, uint16(0), uint16(0))
}

func offers(mechanisms string) func(*fakeConn, *fakeFrame) {
	return asks(connectionStart, uint8(0), uint8(9), amqp.Table{}, longText(mechanisms), longText("en_US"))
}

func TestOddHandshakeIsReportedAndTriedAgain(t *testing.T) {
	for name, c := range handshakes {
		t.Run(name, func(t *testing.T) {
			spans := &collected{}
			inFakeTime(t, fakeConfig(), spans, func(b *fakeBroker) { b.hooks[c.at] = once(c.answer) }, func(t *testing.T, b *fakeBroker, r *running) {
				time.Sleep(15 * time.Second) // the time-out, and the longest first pause
				p := newParent()
				b.putMessage(p)
				time.Sleep(time.Second)
				assert.Equal(t, 2, b.dialled())
				require.Equal(t, 1, r.logs.FilterMessage("not reading from the broker").Len())
				assert.Equal(t, map[string]int64{c.reason: 1}, r.reconnects())
				assert.Equal(t, c.operator, r.status.operator.Load(), r.logs.FilterMessage("not reading from the broker").All()[0].ContextMap()["error"])
				assert.True(t, r.status.is(componentstatus.StatusOK))
				assert.Len(t, spans.of(p.trace, ""), 1)
			})
		})
	}
}

func TestUnusualTuningIsLivedWith(t *testing.T) {
	for name, tune := range map[string][]any{
		"no limits":          {uint16(0), uint32(0), uint16(0)},
		"smallest frames":    {uint16(2047), uint32(4096), uint16(60)},
		"one channel at all": {uint16(1), uint32(128 << 10), uint16(60)},
		"quick heartbeats":   {uint16(2047), uint32(128 << 10), uint16(1)},
	} {
		t.Run(name, func(t *testing.T) {
			spans := &collected{}
			inFakeTime(t, fakeConfig(), spans, func(b *fakeBroker) {
				b.tune = tune
				b.hooks[connectionTuneOK] = func(c *fakeConn, _ *fakeFrame) bool {
					go c.beat()
					return false
				}
			}, func(t *testing.T, b *fakeBroker, _ *running) {
				p := newParent()
				for range 10 {
					b.putMessage(p)
					time.Sleep(depthInterval)
				}
				assert.Len(t, spans.of(p.trace, ""), 10)
				assert.Equal(t, 1, b.dialled())
			})
		})
	}
}

// beat sends a heartbeat each half second until the connection ends.
func (c *fakeConn) beat() {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-c.gone:
			return
		case <-tick.C:
			c.broker.with(func() { c.out <- encodedFrame(frameHeartbeat, 0, nil) })
		}
	}
}

// What a broker sends in the middle of a working connection, and the reason counted for its end ("" if it
// does not end).
var disturbances = map[string]struct {
	bytes  func(channel uint16) []byte
	hangUp bool // right after that
	reason string
}{
	"a close in the middle of a frame": {hangUp: true, reason: "connection_lost", bytes: func(channel uint16) []byte {
		return encodedMethod(channel, basicDeliver, consumerTag)[:10]
	}},
	"a frame of an unknown kind": {reason: "unreadable", bytes: func(channel uint16) []byte { return encodedFrame(99, channel, nil) }},
	"nothing, and hangs up":      {hangUp: true, reason: "connection_lost", bytes: func(uint16) []byte { return []byte{} }},
	"a frame without its end":    {reason: "unreadable", bytes: func(channel uint16) []byte { return append(encodedMethod(channel, basicQoSOK)[:11], 0) }},
	"a frame above the limit":    {reason: "unreadable", bytes: func(channel uint16) []byte { return encodedFrame(frameMethod, channel, make([]byte, 128<<10)) }},
	"a frame of 4 GiB":           {reason: "unreadable", bytes: func(uint16) []byte { return []byte("\x01\x00\x00\xff\xff\xff\xff") }},
	"an unknown method":          {reason: "unreadable", bytes: func(channel uint16) []byte { return encodedMethod(channel, method{60, 999}) }},
	"a method cut short":         {reason: "unreadable", bytes: func(channel uint16) []byte { return encodedMethod(channel, basicDeliver, consumerTag) }},
	"a table that is none":       {reason: "unreadable", bytes: brokenHeaders},
	"a heartbeat on a channel":   {reason: "unreadable", bytes: func(channel uint16) []byte { return encodedFrame(frameHeartbeat, channel, nil) }},
	"a heartbeat on channel 0":   {bytes: func(uint16) []byte { return encodedFrame(frameHeartbeat, 0, nil) }},
	"blocked and unblocked": {bytes: func(uint16) []byte {
		return append(encodedMethod(0, method{10, 60}, "low on memory"), encodedMethod(0, method{10, 61})...)
	}},
	"a delivery for another consumer": {bytes: func(channel uint16) []byte {
		deliver := encodedMethod(channel, basicDeliver, "somebody", uint64(999), uint8(0), "", "key")
		return append(deliver, encodedContent(channel, nil, nil)...)
	}},
	"a body without a header": {bytes: func(channel uint16) []byte { return encodedFrame(frameBody, channel, []byte("body")) }},
	"the end of the consumer": {reason: "cancelled", bytes: func(channel uint16) []byte { return encodedMethod(channel, basicCancel, consumerTag, uint8(1)) }},
	"a channel error": {reason: "channel_closed", bytes: func(channel uint16) []byte {
		return encodedMethod(channel, channelClose, uint16(amqp.ResourceLocked), "RESOURCE_LOCKED", uint16(0), uint16(0))
	}},
	"an acknowledgement asked for": {reason: "ack_timeout", bytes: func(channel uint16) []byte {
		return encodedMethod(channel, channelClose, uint16(amqp.PreconditionFailed), "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out", uint16(0), uint16(0))
	}},
	"the end of the connection": {reason: "broker_stopped", bytes: func(uint16) []byte {
		return encodedMethod(0, connectionClose, uint16(amqp.ConnectionForced), "CONNECTION_FORCED", uint16(0), uint16(0))
	}},
	"an error of its own": {reason: "connection_lost", bytes: func(uint16) []byte {
		return encodedMethod(0, connectionClose, uint16(amqp.InternalError), "INTERNAL_ERROR", uint16(0), uint16(0))
	}},
}

// brokenHeaders is a delivery whose header block says that it is longer than it is.
func brokenHeaders(channel uint16) []byte {
	return append(encodedMethod(channel, basicDeliver, consumerTag, uint64(1), uint8(0), "", "key"), brokenContent(channel)...)
}

func brokenContent(channel uint16) []byte {
	content := encodedContent(channel, amqp.Table{"k": "v"}, nil)
	binary.BigEndian.PutUint32(content[framePrefixBytes+14:], 9999)
	return content
}

// The law, whatever the broker does: each message becomes a span, under one id however often it comes.
func TestDisturbanceLosesNothing(t *testing.T) {
	for name, c := range disturbances {
		t.Run(name, func(t *testing.T) {
			spans := &collected{}
			inFakeTime(t, fakeConfig(), spans, nil, func(t *testing.T, b *fakeBroker, r *running) {
				p := newParent()
				before := distinctMessages(b, p, 150) // the last 50 of them not acknowledged yet
				synctest.Wait()
				b.toConsumer(func(channel uint16) []byte {
					if consumes, _ := b.consumer(); c.reason == "channel_closed" || c.reason == "ack_timeout" {
						consumes.endChannel(channel)
					} else if c.reason == "cancelled" {
						consumes.channels[channel].tag = ""
					}
					return c.bytes(channel)
				})
				if c.hangUp {
					b.hangUp()
				}
				synctest.Wait()
				after := distinctMessages(b, p, 50)
				time.Sleep(5 * time.Second)
				assert.Equal(t, before+after, distinct(spans.of(p.trace, "")))
				waiting, unacked := b.counts()
				assert.Zero(t, waiting+unacked, "all is settled")
				want, dials := map[string]int64{}, 1
				if c.reason != "" {
					want[c.reason] = 1
				}
				if c.reason != "" && c.reason != "channel_closed" && c.reason != "ack_timeout" {
					dials = 2
				}
				assert.Equal(t, want, r.reconnects())
				assert.Equal(t, dials, b.dialled())
				assert.Equal(t, map[bool]int64{c.reason == "cancelled": 1}[true], r.metric("consumer_cancels"))
				assert.True(t, r.status.is(componentstatus.StatusOK))
			})
		})
	}
}

// distinctMessages puts n messages with ids of their own and returns n.
func distinctMessages(b *fakeBroker, p parent, n int) int {
	for range n {
		d := firehoseDelivery("publish.shop", amqp.Table{"traceparent": p.header()}, func(_, properties amqp.Table) {
			properties["message_id"] = unique("m")
		})
		b.put(fakeMessage{key: d.RoutingKey, headers: d.Headers})
	}
	return n
}
