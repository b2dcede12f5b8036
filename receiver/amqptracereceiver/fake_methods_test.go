package amqptracereceiver

import (
	amqp "github.com/rabbitmq/amqp091-go"
)

// Bits of queue.declare.
const (
	queuePassive   = 1 << 0
	queueDurable   = 1 << 1
	queueExclusive = 1 << 2
)

// protocolHeader stands for the eight bytes that a client begins with.
var protocolHeader = method{}

// handle answers one frame, by the hook for its method or as a broker would.
func (c *fakeConn) handle(f *fakeFrame) {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if c.over || c.mute || f.kind != frameMethod {
		return
	}
	if hook := c.broker.hooks[f.method]; hook != nil && hook(c, f) {
		return
	}
	switch f.method[0] {
	case 0, 10:
		c.handleConnection(f)
	case 20:
		c.handleChannel(f)
	case 50:
		c.handleQueue(f)
	case 60:
		c.handleBasic(f)
	}
}

func (c *fakeConn) handleConnection(f *fakeFrame) {
	switch f.method {
	case protocolHeader:
		c.send(0, connectionStart, uint8(0), uint8(9), amqp.Table{"product": "fake"}, longText(c.broker.mechanisms), longText("en_US"))
	case connectionStartOK:
		c.send(0, connectionTune, c.broker.tune...)
	case connectionOpen:
		c.send(0, connectionOpenOK, "")
	case connectionClose:
		c.send(0, connectionCloseOK)
		c.end()
	case connectionCloseOK:
		c.end()
	}
}

func (c *fakeConn) handleChannel(f *fakeFrame) {
	switch f.method {
	case channelOpen:
		c.channels[f.channel] = &fakeChannel{unacked: map[uint64]fakeMessage{}}
		c.send(f.channel, channelOpenOK, longText(""))
	case channelClose:
		c.endChannel(f.channel)
		c.send(f.channel, channelCloseOK)
		c.broker.deliver()
	}
}

func (c *fakeConn) handleQueue(f *fakeFrame) {
	queue := &c.broker.queue
	switch f.method {
	case queueDeclare:
		c.declare(f)
	case queueBind:
		f.args.short()
		f.args.text()
		f.args.text()
		queue.bound = append(queue.bound, f.args.text())
		c.send(f.channel, queueBindOK)
	}
}

// declare refuses what RabbitMQ 4.3 refuses, and another exclusive queue's name.
func (c *fakeConn) declare(f *fakeFrame) {
	queue := &c.broker.queue
	f.args.short()
	name, flags := f.args.text(), f.args.octet()
	switch {
	case flags&queuePassive != 0 && queue.name != name:
		c.refuse(f.channel, amqp.NotFound, "NOT_FOUND - no queue", f.method)
		return
	case flags&queuePassive != 0:
	case flags&(queueDurable|queueExclusive) == 0:
		c.refuse(f.channel, amqp.InternalError, "INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.", f.method)
		return
	case queue.name != name:
		*queue = fakeQueue{name: name, flags: flags, arguments: f.args.table()}
	}
	c.send(f.channel, queueDeclareOK, name, uint32(len(queue.waiting)), uint32(0))
}

func (c *fakeConn) handleBasic(f *fakeFrame) {
	ch := c.channels[f.channel]
	if ch == nil {
		return // closed in the meantime
	}
	switch f.method {
	case basicQoS:
		f.args.long()
		ch.prefetch = int(f.args.short())
		c.send(f.channel, basicQoSOK)
	case basicConsume:
		f.args.short()
		f.args.text()
		ch.tag = f.args.text()
		c.send(f.channel, basicConsumeOK, ch.tag)
		c.broker.deliver()
	case basicCancel:
		tag := f.args.text()
		ch.tag = ""
		c.send(f.channel, basicCancelOK, tag)
	case basicGet:
		c.get(f)
	case basicAck:
		c.ack(f, ch)
	}
}

func (c *fakeConn) get(f *fakeFrame) {
	queue := &c.broker.queue
	if len(queue.waiting) == 0 {
		c.send(f.channel, basicGetEmpty, "")
		return
	}
	m := queue.waiting[0]
	queue.waiting = queue.waiting[1:]
	c.send(f.channel, basicGetOK, uint64(1), uint8(0), traceExchange, m.key, uint32(len(queue.waiting)))
	c.out <- m.encoded(f.channel)
}

// ack settles one delivery, or all up to it. What is not outstanding is a fault of the client.
func (c *fakeConn) ack(f *fakeFrame, ch *fakeChannel) {
	tag, multiple := f.args.tag(), f.args.octet() != 0
	if _, outstanding := ch.unacked[tag]; !outstanding {
		c.broker.fault("acknowledged %d on channel %d, where it is not outstanding", tag, f.channel)
		c.refuse(f.channel, amqp.PreconditionFailed, "PRECONDITION_FAILED - unknown delivery tag", f.method)
		return
	}
	for settled := range ch.unacked {
		if settled == tag || multiple && settled < tag {
			delete(ch.unacked, settled)
		}
	}
	c.broker.deliver()
}
