package amqptracereceiver

import (
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelcol-journey/otelcol-journey/receiver/amqptracereceiver/internal/metadata"
)

// Attributes the semantic conventions have no name for.
const (
	attrNode            = "amqp.node"
	attrVHost           = "amqp.vhost"
	attrExchange        = "amqp.exchange"
	attrQueue           = "amqp.queue"
	attrRoutedQueues    = "amqp.routed_queues"
	attrUser            = "amqp.user"
	attrConnection      = "amqp.connection"
	attrClientName      = "amqp.client.name"
	attrClientProduct   = "amqp.client.product"
	attrTimeSource      = "amqp.time_source"
	attrTimeInQueue     = "amqp.time_in_queue_ms"
	attrBacklog         = "amqp.receiver.backlog"
	attrRedelivered     = "amqp.redelivered"
	attrAttempt         = "amqp.delivery.attempt"
	attrDeadQueues      = "amqp.dead_letter.queues"
	attrDeadReason      = "amqp.dead_letter.reason"
	attrDeadCount       = "amqp.dead_letter.count"
	attrDeadQueue       = "amqp.dead_letter.queue"
	attrDeadExchange    = "amqp.dead_letter.exchange"
	eventDeadLetter     = "dead_letter"
	errorTypeUnroutable = "unroutable"

	// In front of the keys of listed headers and baggage members: strangers choose them.
	attrHeaderPrefix  = "amqp.header."
	attrBaggagePrefix = "baggage."
)

// operationDeadLetter names a death's own span; publish and deliver are named as their events.
const operationDeadLetter = "dead_letter"

// anonymousQueues is how RabbitMQ begins the names that it makes up, a new one for each queue: too many
// for the names of spans.
const anonymousQueues = "amq.gen-"

// usualAttributes is how many attributes a span has that needs no more room than most.
const usualAttributes = 14

// spanFlagsRemoteParent says that the parent is known, and that it is in another process
// (SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK and SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK of OTLP).
const spanFlagsRemoteParent = 0x300

// spanBuilder makes spans of events. It keeps a buffer and is not safe for concurrent use.
type spanBuilder struct {
	serviceName string
	// publishKind and deliverKind are seen from the broker: it consumes what is published to it.
	publishKind, deliverKind ptrace.SpanKind
	// linked puts the spans into traces of their own that link to the application's.
	linked     bool
	deathSpans bool
	bodySize   bool
	ids        identity
}

func newSpanBuilder(spans SpansConfig, attributes AttributesConfig) *spanBuilder {
	b := &spanBuilder{
		serviceName: spans.ServiceName,
		publishKind: ptrace.SpanKindInternal,
		deliverKind: ptrace.SpanKindInternal,
		linked:      spans.Relation == relationLink,
		deathSpans:  spans.DeadLetter == deadLetterSpan,
		bodySize:    attributes.BodySize,
	}
	if spans.Kind == kindMessaging {
		b.publishKind, b.deliverKind = ptrace.SpanKindConsumer, ptrace.SpanKindProducer
	}
	return b
}

// another builder makes the same spans, for a call at the same time.
func (b *spanBuilder) another() *spanBuilder {
	other := *b
	other.ids = identity{}
	return &other
}

// build returns the spans of the events, in their order. The events stay the caller's.
func (b *spanBuilder) build(events []event) ptrace.Traces {
	traces := ptrace.NewTraces()
	for i := range events {
		spans := b.scope(traces, &events[i]).Spans()
		b.append(spans, &events[i])
		if b.deathSpans {
			b.appendDeaths(spans, &events[i])
		}
	}
	return traces
}

// count is how many spans the events give.
func (b *spanBuilder) count(events []event) int {
	n := len(events)
	for i := range events {
		n += b.deathCount(&events[i])
	}
	return n
}

// deathCount is how many dead_letter spans the event gives.
func (b *spanBuilder) deathCount(e *event) int {
	if !b.deathSpans {
		return 0
	}
	return len(e.deaths)
}

// scope finds the place for spans of one node and vhost. A batch has few of them.
func (b *spanBuilder) scope(traces ptrace.Traces, e *event) ptrace.ScopeSpans {
	for i := range traces.ResourceSpans().Len() {
		rs := traces.ResourceSpans().At(i)
		if sameText(rs.Resource(), attrNode, e.node) && sameText(rs.Resource(), attrVHost, e.vhost) {
			return rs.ScopeSpans().At(0)
		}
	}
	rs := traces.ResourceSpans().AppendEmpty()
	rs.SetSchemaUrl(semconv.SchemaURL)
	resource := rs.Resource().Attributes()
	resource.EnsureCapacity(4)
	resource.PutStr(string(semconv.ServiceNameKey), b.serviceName)
	resource.PutStr(string(semconv.MessagingSystemKey), semconv.MessagingSystemRabbitMQ.Value.AsString())
	putText(resource, attrNode, e.node)
	putText(resource, attrVHost, e.vhost)
	scope := rs.ScopeSpans().AppendEmpty()
	scope.Scope().SetName(metadata.ScopeName)
	return scope
}

func sameText(resource pcommon.Resource, key, want string) bool {
	value, ok := resource.Attributes().Get(key)
	return ok && value.Str() == want || !ok && want == ""
}

func (b *spanBuilder) append(spans ptrace.SpanSlice, e *event) {
	span := spans.AppendEmpty()
	b.relate(span, e)
	span.SetSpanID(b.ids.span(e))
	span.SetStartTimestamp(pcommon.NewTimestampFromTime(e.start))
	span.SetEndTimestamp(pcommon.NewTimestampFromTime(e.end))
	span.Attributes().EnsureCapacity(usualAttributes + len(e.attributes))
	if e.kind == eventPublish {
		span.SetKind(b.publishKind)
		describePublish(span, e)
	} else {
		span.SetKind(b.deliverKind)
		describeDelivery(span, e)
	}
	b.describeMessage(span.Attributes(), e)
}

// relate puts the span below the message's context, or links it to that; never both. A trace that was
// made up for the message has neither.
func (b *spanBuilder) relate(span ptrace.Span, e *event) {
	switch c := e.context; {
	case !c.valid():
		span.SetTraceID(c.traceID)
		span.SetFlags(uint32(c.flags))
	case b.linked:
		span.SetTraceID(b.ids.messageTrace(e))
		span.SetFlags(uint32(trace.FlagsSampled))
		appendLink(span, c)
	default:
		span.SetTraceID(c.traceID)
		span.SetParentSpanID(c.spanID)
		span.TraceState().FromRaw(c.state)
		span.SetFlags(uint32(c.flags) | spanFlagsRemoteParent)
	}
	for _, c := range e.links {
		appendLink(span, c)
	}
}

func appendLink(span ptrace.Span, c spanContext) {
	link := span.Links().AppendEmpty()
	link.SetTraceID(c.traceID)
	link.SetSpanID(c.spanID)
	link.TraceState().FromRaw(c.state)
	link.SetFlags(uint32(c.flags) | spanFlagsRemoteParent)
}

func describePublish(span ptrace.Span, e *event) {
	span.SetName("publish " + exchangeName(e.exchange))
	attributes := span.Attributes()
	attributes.PutStr(string(semconv.MessagingDestinationNameKey), destination(e.exchange, e.routingKey, ""))
	if !e.routedKnown {
		return
	}
	putTexts(attributes, attrRoutedQueues, e.routed)
	if len(e.routed) == 0 {
		attributes.PutStr(string(semconv.ErrorTypeKey), errorTypeUnroutable)
		span.Status().SetCode(ptrace.StatusCodeError)
		span.Status().SetMessage("the broker routed the message to no queue")
	}
}

func describeDelivery(span ptrace.Span, e *event) {
	attributes := span.Attributes()
	if strings.HasPrefix(e.queue, anonymousQueues) {
		span.SetName("deliver (anonymous)")
		attributes.PutBool(string(semconv.MessagingDestinationAnonymousKey), true)
	} else {
		span.SetName("deliver " + e.queue)
	}
	attributes.PutStr(string(semconv.MessagingDestinationNameKey), destination(e.exchange, e.routingKey, e.queue))
	attributes.PutStr(attrQueue, e.queue)
	attributes.PutBool(attrRedelivered, e.redelivered)
	attributes.PutInt(attrAttempt, e.attempt)
	if e.inQueue {
		attributes.PutDouble(attrTimeInQueue, float64(e.end.Sub(e.start))/float64(time.Millisecond))
	}
	if len(e.deaths) > 0 {
		describeDeaths(span, e.deaths)
	}
}

// describeMessage adds what publish and delivery have in common. User, connection and client are
// the publisher's of a publish, and the consumer's of a delivery.
func (b *spanBuilder) describeMessage(attributes pcommon.Map, e *event) {
	attributes.PutStr(string(semconv.MessagingSystemKey), semconv.MessagingSystemRabbitMQ.Value.AsString())
	attributes.PutStr(string(semconv.MessagingOperationNameKey), e.kind)
	attributes.PutStr(attrExchange, exchangeName(e.exchange))
	attributes.PutStr(attrTimeSource, e.timeSource)
	if e.backlog > 0 {
		attributes.PutInt(attrBacklog, e.backlog)
	}
	putText(attributes, attrUser, e.user)
	putText(attributes, attrConnection, e.connection)
	putText(attributes, attrClientName, e.client.name)
	putText(attributes, attrClientProduct, e.client.product)
	putText(attributes, string(semconv.MessagingRabbitMQDestinationRoutingKeyKey), e.routingKey)
	putText(attributes, string(semconv.MessagingMessageIDKey), e.messageID)
	putText(attributes, string(semconv.MessagingMessageConversationIDKey), e.correlationID)
	if b.bodySize {
		attributes.PutInt(string(semconv.MessagingMessageBodySizeKey), int64(e.bodyBytes))
	}
	for _, a := range e.attributes {
		a.put(attributes)
	}
}

func (a taken) put(attributes pcommon.Map) {
	switch v := a.value.(type) {
	case string:
		attributes.PutStr(a.key, v)
	case int64:
		attributes.PutInt(a.key, v)
	case float64:
		attributes.PutDouble(a.key, v)
	case bool:
		attributes.PutBool(a.key, v)
	}
}

// appendDeaths adds a span for each time that a queue gave the message up. The broker tells the time of
// the first death in a queue for a reason, in whole seconds; a later one is dated by the delivery that
// told of it.
func (b *spanBuilder) appendDeaths(spans ptrace.SpanSlice, e *event) {
	for i := range e.deaths {
		d := &e.deaths[i]
		span := spans.AppendEmpty()
		b.relate(span, e)
		span.SetSpanID(b.ids.deadLetter(e, d))
		span.SetKind(ptrace.SpanKindInternal)
		span.SetName("dead_letter " + d.queue)
		at, source := d.at, timeFromBroker
		if at.IsZero() || d.count > 1 {
			at, source = e.end, e.timeSource
		}
		span.SetStartTimestamp(pcommon.NewTimestampFromTime(at))
		span.SetEndTimestamp(pcommon.NewTimestampFromTime(at))
		attributes := span.Attributes()
		attributes.EnsureCapacity(usualAttributes)
		attributes.PutStr(string(semconv.MessagingSystemKey), semconv.MessagingSystemRabbitMQ.Value.AsString())
		attributes.PutStr(string(semconv.MessagingOperationNameKey), operationDeadLetter)
		attributes.PutStr(attrTimeSource, source)
		describeDeath(attributes, d)
		putText(attributes, string(semconv.MessagingMessageIDKey), e.messageID)
		putText(attributes, string(semconv.MessagingMessageConversationIDKey), e.correlationID)
	}
}

func describeDeaths(span ptrace.Span, deaths []death) {
	queues := make([]string, 0, len(deaths))
	for i := range deaths {
		d := &deaths[i]
		if !slices.Contains(queues, d.queue) {
			queues = append(queues, d.queue)
		}
		died := span.Events().AppendEmpty()
		died.SetName(eventDeadLetter)
		if !d.at.IsZero() {
			died.SetTimestamp(pcommon.NewTimestampFromTime(d.at))
		}
		died.Attributes().EnsureCapacity(4)
		describeDeath(died.Attributes(), d)
	}
	putTexts(span.Attributes(), attrDeadQueues, queues)
}

func describeDeath(attributes pcommon.Map, d *death) {
	putText(attributes, attrDeadReason, d.reason)
	putText(attributes, attrDeadQueue, d.queue)
	attributes.PutStr(attrDeadExchange, exchangeName(d.exchange))
	attributes.PutInt(attrDeadCount, d.count)
}

func putText(attributes pcommon.Map, key, value string) {
	if value != "" {
		attributes.PutStr(key, value)
	}
}

func putTexts(attributes pcommon.Map, key string, values []string) {
	list := attributes.PutEmptySlice(key)
	list.EnsureCapacity(len(values))
	for _, v := range values {
		list.AppendEmpty().SetStr(v)
	}
}

func exchangeName(exchange string) string {
	if exchange == "" {
		return defaultExchangeName
	}
	return exchange
}

// destination is messaging.destination.name as the RabbitMQ conventions build it: exchange, routing
// key and, for a delivery, the queue, joined by colons; empty parts and a queue equal to the routing
// key are left out.
func destination(exchange, routingKey, queue string) string {
	if queue == routingKey {
		queue = ""
	}
	parts := make([]string, 0, 3)
	for _, part := range [...]string{exchange, routingKey, queue} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return defaultExchangeName
	}
	return strings.Join(parts, ":")
}
