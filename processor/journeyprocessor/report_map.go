package journeyprocessor

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
)

// mapper adds traces to the map of their journey: who called whom, over what.
// It keeps memory from one trace to the next; a shard's goroutine owns it.
type mapper struct {
	to   *journey.Tally
	hops []facts.Hop
	byID map[facts.SpanID]int // place in hops
	// Of each hop: that what it asked for is known from spans below it, of
	// another service or of the broker.
	called, brokered []bool
	deliveries       []int // places of the broker's
}

func newMapper() mapper { return mapper{byID: make(map[facts.SpanID]int)} }

// add adds a trace.
func (m *mapper) add(to *journey.Tally, hops []facts.Hop) {
	to.Flow.Mapped++
	m.to, m.hops = to, hops
	m.index()
	for i := range hops {
		h := &hops[i]
		switch {
		case h.Broker && h.Delivery:
			m.delivered(h)
		case h.Broker:
			m.published(h)
		case h.Kind == ptrace.SpanKindConsumer && !m.isWithin(h):
			m.consumed(h)
		case !m.isWithin(h):
			m.entered(h)
		}
		switch {
		case h.Broker || m.called[i]:
		case h.Kind == ptrace.SpanKindClient:
			m.wentOut(h)
		case h.Kind == ptrace.SpanKindProducer && !m.brokered[i]:
			m.sent(h)
		}
	}
	m.to, m.hops = nil, nil
}

// index finds out which hop lies below which.
func (m *mapper) index() {
	clear(m.byID)
	n := len(m.hops)
	m.called, m.brokered = cleared(m.called, n), cleared(m.brokered, n)
	m.deliveries = m.deliveries[:0]
	for i := range m.hops {
		h := &m.hops[i]
		if have, ok := m.byID[h.ID]; !ok || h.Start < m.hops[have].Start {
			m.byID[h.ID] = i
		}
		if h.Delivery {
			m.deliveries = append(m.deliveries, i)
		}
	}
	for i := range m.hops {
		h := &m.hops[i]
		p, ok := m.byID[h.Parent]
		switch {
		case !ok:
		case h.Broker:
			m.brokered[p] = true
		case h.Service != m.hops[p].Service || h.Kind == ptrace.SpanKindConsumer:
			m.called[p] = true
		}
	}
}

func cleared(list []bool, n int) []bool {
	if cap(list) < n {
		return make([]bool, n, max(n, 64))
	}
	list = list[:n]
	clear(list)
	return list
}

// parent is the hop that h lies below; nil if it was not seen.
func (m *mapper) parent(h *facts.Hop) *facts.Hop {
	if i, ok := m.byID[h.Parent]; ok && h.Parent != 0 {
		return &m.hops[i]
	}
	return nil
}

// isWithin says that the hop is work of a service within itself.
func (m *mapper) isWithin(h *facts.Hop) bool {
	p := m.parent(h)
	if p == nil || p.Service != h.Service {
		return false
	}
	return h.Kind != ptrace.SpanKindConsumer || p.Kind != ptrace.SpanKindProducer
}

func service(h *facts.Hop) journey.NodeKey {
	return journey.NodeKey{Kind: journey.Service, Name: h.Service}
}

func queue(name, system string) journey.NodeKey {
	return journey.NodeKey{Kind: journey.Queue, Name: name, System: system}
}

// entered is a call that reached a service, or the begin of the journey.
func (m *mapper) entered(h *facts.Hop) {
	to := m.reach(service(h), h)
	p := m.parent(h)
	switch {
	case p != nil && !p.Broker:
		protocol := h.Protocol
		if protocol == journey.OtherProtocol {
			protocol = p.Protocol
		}
		m.pass(m.know(service(p)), to, protocol, h)
	case h.Parent == 0 && h.Kind == ptrace.SpanKindServer:
		user, n := m.to.Node(journey.NodeKey{Kind: journey.User, Name: "user"})
		if n != nil {
			n.Count++
		}
		m.pass(user, to, h.Protocol, h)
	}
}

// wentOut is a call of which nothing is known but that it was made.
func (m *mapper) wentOut(h *facts.Hop) {
	key := journey.NodeKey{Kind: journey.External, Name: h.Peer}
	switch {
	case h.Protocol == journey.DB:
		key = journey.NodeKey{Kind: journey.Database, Name: databaseName(h), System: h.System}
	case h.Peer == "":
		return
	}
	to := m.reach(key, h)
	m.pass(m.know(service(h)), to, h.Protocol, h)
}

// databaseName is the namespace; one that is a number, as Redis has it, says
// nothing without the system.
func databaseName(h *facts.Hop) string {
	switch {
	case h.Peer == "":
		return h.System
	case strings.Trim(h.Peer, "0123456789") == "":
		return h.System + " " + h.Peer
	default:
		return h.Peer
	}
}

// published is a message that the broker put into queues.
func (m *mapper) published(h *facts.Hop) {
	for _, name := range h.Queues {
		key := m.arrive(queue(name, h.System))
		if p := m.parent(h); p != nil {
			m.carry(m.know(service(p)), key, h.Protocol)
		}
	}
}

// delivered is a message that the broker took from a queue. It is in the queue
// because it was published to it, which published has counted, or because
// another queue gave it up.
func (m *mapper) delivered(h *facts.Hop) {
	key, p := queue(h.Peer, h.System), m.parent(h)
	var edge *journey.EdgeTally
	switch {
	case len(h.Queues) > 0:
		key = m.arrive(key)
		edge = m.carry(m.know(queue(h.Queues[0], h.System)), key, h.Protocol)
	case p == nil:
		m.know(key)
	case m.wasPublished(h):
		key = m.know(key)
		edge = m.to.Edge(journey.EdgeKey{From: m.know(service(p)), To: key, Protocol: h.Protocol})
	default: // the broker did not say what it routed, as with a tap
		key = m.arrive(key)
		edge = m.carry(m.know(service(p)), key, h.Protocol)
	}
	if edge != nil && h.Waited {
		edge.Waits.Add(h.Duration())
	}
}

// wasPublished says whether the broker's publish to the queue was seen.
func (m *mapper) wasPublished(delivery *facts.Hop) bool {
	for i := range m.hops {
		h := &m.hops[i]
		if !h.Broker || h.Delivery || h.Parent != delivery.Parent {
			continue
		}
		for _, q := range h.Queues {
			if q == delivery.Peer {
				return true
			}
		}
	}
	return false
}

// consumed is a message that a service has taken from a queue. Without the
// broker's own spans its time in the queue is that between the producer's and
// the consumer's.
func (m *mapper) consumed(h *facts.Hop) {
	to := m.reach(service(h), h)
	name, seen := m.queueOf(h)
	if name == "" {
		return
	}
	key := queue(name, h.System)
	if !seen {
		key = m.arrive(key)
		if p := m.parent(h); p != nil {
			if edge := m.carry(m.know(service(p)), key, h.Protocol); edge != nil && h.Start >= p.End {
				edge.Waits.Add(h.Start - p.End)
			}
		}
	}
	m.pass(m.know(key), to, h.Protocol, h)
}

// queueOf is the queue that a consumer's span is about, and whether the broker
// saw it. The conventions for RabbitMQ name a destination exchange:key:queue,
// with empty and equal parts left out.
func (m *mapper) queueOf(h *facts.Hop) (name string, seen bool) {
	for _, i := range m.deliveries {
		d := &m.hops[i]
		if d.Parent == h.Parent && (h.Peer == d.Peer || strings.HasSuffix(h.Peer, ":"+d.Peer)) {
			return d.Peer, true
		}
	}
	return lastPart(h), false
}

func lastPart(h *facts.Hop) string {
	if h.Protocol != journey.AMQP {
		return h.Peer
	}
	return h.Peer[strings.LastIndexByte(h.Peer, ':')+1:]
}

// sent is a message of which nothing is known but that it was sent.
func (m *mapper) sent(h *facts.Hop) {
	if h.Peer == "" {
		return
	}
	key := m.arrive(queue(h.Peer, h.System))
	m.carry(m.know(service(h)), key, h.Protocol)
}

// know has the node on the map.
func (m *mapper) know(key journey.NodeKey) journey.NodeKey {
	key, _ = m.to.Node(key)
	return key
}

// arrive counts a message at a queue.
func (m *mapper) arrive(key journey.NodeKey) journey.NodeKey {
	key, n := m.to.Node(key)
	if n != nil {
		n.Count++
	}
	return key
}

// reach counts what h asked for, or did, at a node.
func (m *mapper) reach(key journey.NodeKey, h *facts.Hop) journey.NodeKey {
	key, n := m.to.Node(key)
	if n != nil {
		n.Count++
		n.Durations.Add(h.Duration())
		if h.Failed {
			n.Errors++
		}
	}
	return key
}

// carry counts a message along an edge.
func (m *mapper) carry(from, to journey.NodeKey, protocol journey.Protocol) *journey.EdgeTally {
	e := m.to.Edge(journey.EdgeKey{From: from, To: to, Protocol: protocol})
	if e != nil {
		e.Count++
	}
	return e
}

// pass counts what h asked for, or did, along an edge.
func (m *mapper) pass(from, to journey.NodeKey, protocol journey.Protocol, h *facts.Hop) {
	if e := m.carry(from, to, protocol); e != nil {
		e.Durations.Add(h.Duration())
		if h.Failed {
			e.Errors++
		}
	}
}
