package amqptracereceiver

import (
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"

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
	attrTimeSource      = "amqp.time_source"
	attrTimeInQueue     = "amqp.time_in_queue_ms"
	attrRedelivered     = "amqp.redelivered"
	attrAttempt         = "amqp.delivery.attempt"
	attrDeadQueues      = "amqp.dead_letter.queues"
	attrDeadReason      = "amqp.dead_letter.reason"
	attrDeadCount       = "amqp.dead_letter.count"
	attrDeadQueue       = "amqp.dead_letter.queue"
	attrDeadExchange    = "amqp.dead_letter.exchange"
	eventDeadLetter     = "dead_letter"
	errorTypeUnroutable = "unroutable"
)

// maxAttributes is how many attributes a span can get.
const maxAttributes = 14

// spanFlagsRemoteParent says that the parent is known, and that it is in another process
// (SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK and SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK of OTLP).
const spanFlagsRemoteParent = 0x300

// spanBuilder makes spans of events. It keeps a buffer and is not safe for concurrent use.
type spanBuilder struct {
	serviceName string
	ids         identity
}

// another builder makes the same spans, for a call at the same time.
func (b *spanBuilder) another() *spanBuilder {
	other := *b
	other.ids = identity{}
	return &other
}

// build returns one span for each event, in their order. The events stay the caller's.
func (b *spanBuilder) build(events []event) ptrace.Traces {
	traces := ptrace.NewTraces()
	for i := range events {
		b.append(b.scope(traces, &events[i]).Spans(), &events[i])
	}
	return traces
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
	span.SetTraceID(e.context.traceID)
	span.SetParentSpanID(e.context.spanID)
	span.SetSpanID(b.ids.span(e))
	span.TraceState().FromRaw(e.context.state)
	span.SetFlags(uint32(e.context.flags) | spanFlagsRemoteParent)
	span.SetKind(ptrace.SpanKindInternal)
	span.SetStartTimestamp(pcommon.NewTimestampFromTime(e.start))
	span.SetEndTimestamp(pcommon.NewTimestampFromTime(e.end))
	span.Attributes().EnsureCapacity(maxAttributes)
	if e.kind == eventPublish {
		describePublish(span, e)
	} else {
		describeDelivery(span, e)
	}
	describeMessage(span.Attributes(), e)
}

func describePublish(span ptrace.Span, e *event) {
	span.SetName("publish " + exchangeName(e.exchange))
	attributes := span.Attributes()
	attributes.PutStr(string(semconv.MessagingDestinationNameKey), destination(e.exchange, e.routingKey, ""))
	putText(attributes, attrUser, e.user)
	putText(attributes, attrConnection, e.connection)
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
	span.SetName("deliver " + e.queue)
	attributes := span.Attributes()
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

// describeMessage adds what publish and delivery have in common.
func describeMessage(attributes pcommon.Map, e *event) {
	attributes.PutStr(string(semconv.MessagingOperationNameKey), e.kind)
	attributes.PutStr(attrExchange, exchangeName(e.exchange))
	attributes.PutStr(attrTimeSource, e.timeSource)
	putText(attributes, string(semconv.MessagingRabbitMQDestinationRoutingKeyKey), e.routingKey)
	putText(attributes, string(semconv.MessagingMessageIDKey), e.messageID)
	putText(attributes, string(semconv.MessagingMessageConversationIDKey), e.correlationID)
}

func describeDeaths(span ptrace.Span, deaths []death) {
	queues := make([]string, 0, len(deaths))
	for _, d := range deaths {
		if !slices.Contains(queues, d.queue) {
			queues = append(queues, d.queue)
		}
		died := span.Events().AppendEmpty()
		died.SetName(eventDeadLetter)
		if !d.at.IsZero() {
			died.SetTimestamp(pcommon.NewTimestampFromTime(d.at))
		}
		attributes := died.Attributes()
		attributes.EnsureCapacity(4)
		putText(attributes, attrDeadReason, d.reason)
		putText(attributes, attrDeadQueue, d.queue)
		attributes.PutStr(attrDeadExchange, exchangeName(d.exchange))
		attributes.PutInt(attrDeadCount, d.count)
	}
	putTexts(span.Attributes(), attrDeadQueues, queues)
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
