package amqptracereceiver

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/trace"
)

const (
	eventPublish = "publish"
	eventDeliver = "deliver"

	// defaultExchangeName is what RabbitMQ's tools and the semantic conventions call the exchange named "".
	defaultExchangeName = "amq.default"
)

// Where the times of a span come from (attribute amqp.time_source).
const (
	timeFromBroker    = "broker"    // the broker wrote header timestamp_in_ms when the message came in
	timeFromPair      = "paired"    // publish and delivery both seen here, on this receiver's clock
	timeFromPublisher = "publisher" // the publisher's property timestamp, whole seconds of its clock
	timeFromReceiver  = "receiver"  // when the message reached this receiver
)

// event is what one message told us: that the broker took a message in, or handed one out.
// It holds everything its span needs, and nothing of the message's body.
type event struct {
	kind string // eventPublish or eventDeliver
	// context is the message's; one without a span is a trace that was made up for the message.
	context    spanContext
	links      []spanContext // what further headers of the message name instead
	node       string
	vhost      string
	exchange   string // as the broker names it, so "" is the default exchange
	routingKey string
	queue      string // of a delivery
	user       string
	connection string
	client     clientName // of the connection, if it is known
	// publisher is the user that the broker vouches for as the message's, "" if it is not known.
	publisher string

	messageID     string
	correlationID string
	bodyBytes     uint64
	brokerTime    time.Time // zero if the broker does not stamp messages
	publisherTime time.Time // zero if the publisher does not, or it is not to be used
	// attributes are the listed headers and baggage members.
	attributes []taken

	// routed holds the queues a published message was routed to, without our own.
	routed      []string
	routedKnown bool // false for a tap, which cannot know

	redelivered bool
	attempt     int64 // 0 is the first delivery of the message
	deaths      []death

	// start to end is the time in the queue if inQueue is set; otherwise both are the same instant.
	start, end time.Time
	inQueue    bool
	timeSource string
	// backlog is how many messages waited behind this one, if that makes its times late, else 0.
	backlog int64
}

// timedHere says that a time of the event is when it reached this receiver, as the end of a delivery
// always is: the broker stamps publishes only.
func (e *event) timedHere() bool {
	return e.kind == eventDeliver || e.timeSource != timeFromBroker
}

// taken is one value taken over from a message: string, bool, int64 or float64.
type taken struct {
	key   string
	value any
}

// clientName is what the client of a connection says of itself.
type clientName struct{ name, product string }

// death is one entry of the x-death header: a queue gave the message up.
type death struct {
	queue    string
	exchange string
	reason   string
	count    int64
	at       time.Time // whole seconds; the first time for this queue and reason
}

// skipReason says why a message gives no span; skipNothing is the empty one.
type skipReason string

const (
	skipNothing   skipReason = ""
	skipNoContext skipReason = "no_context"
	skipUnsampled skipReason = "unsampled"
	skipOwnQueue  skipReason = "own_queue"
	skipMalformed skipReason = "malformed"
	// skipNoIdentity: a trace was to be made up for a message that nothing tells from others.
	skipNoIdentity skipReason = "no_identity"
)

// decoder reads what every source has in common: properties and headers of the original message. It
// is owned by the run loop's goroutine.
type decoder struct {
	propagators []propagator
	maxText     int // bytes
	// skipUnsampled leaves out messages of traces that nobody records.
	skipUnsampled bool
	missing       string // what to do with a message without context: one of the choices of SpansConfig
	publisherTime bool
	trust         *trust   // nil: everybody is
	headerKeys    []string // lower case
	baggageKeys   []string
	names         clientNames // nil: nobody asks
	ids           identity
	// malformed counts, by propagator, contexts that were there but unusable. The intake empties it.
	malformed map[string]int64
}

// clientNames knows what the clients of connections call themselves.
type clientNames interface {
	// of answers at once, with the zero value if the name is not known yet. It may be called by any goroutine.
	of(connection string) clientName
}

// context decides on the cheapest grounds first whether the message gives a span at all. The first
// propagator that finds a context wins; others that disagree become links.
func (dec *decoder) context(headers amqp.Table, e *event) skipReason {
	for _, p := range dec.propagators {
		c, present := p.extract(headers)
		switch {
		case !c.valid():
			if present {
				dec.malformed[p.name()]++
			}
		case !e.context.valid():
			e.context = c
		case !c.same(e.context) && !slices.ContainsFunc(e.links, c.same):
			e.links = append(e.links, c)
		}
	}
	if dec.trust != nil && e.context.valid() {
		return skipNothing // finish knows more
	}
	return dec.unusable(e)
}

// unusable says whether the context, or its absence, is a reason to skip the message.
func (dec *decoder) unusable(e *event) skipReason {
	switch {
	case !e.context.valid() && dec.missing == missingDrop:
		return skipNoContext
	case e.context.valid() && dec.skipUnsampled && e.context.unsampled():
		return skipUnsampled
	}
	return skipNothing
}

// finish completes an event that has everything but what stands in the original message's headers.
func (dec *decoder) finish(headers amqp.Table, e *event) skipReason {
	dec.headers(headers, e)
	if dec.trust != nil && e.context.valid() {
		if !dec.trust.believes(e) {
			dec.trust.distrusted++
			e.context, e.links = spanContext{}, nil
		}
		if skip := dec.unusable(e); skip != skipNothing {
			return skip
		}
	}
	if !e.context.valid() {
		if skip := dec.makeUpTrace(e); skip != skipNothing {
			return skip
		}
	}
	dec.takeOver(headers, e)
	return skipNothing
}

// makeUpTrace gives a message without context a trace id that each replica finds, too.
func (dec *decoder) makeUpTrace(e *event) skipReason {
	e.context = spanContext{}
	switch {
	case dec.missing == missingCorrelationID && e.correlationID == "":
		return skipNoContext
	case dec.missing == missingCorrelationID:
		e.context.traceID = dec.ids.correlationTrace(e)
	case e.messageID == "" && e.brokerTime.IsZero():
		return skipNoIdentity
	default:
		e.context.traceID = dec.ids.messageTrace(e)
	}
	e.context.flags = byte(trace.FlagsSampled)
	return skipNothing
}

// takeOver copies the listed headers and baggage members.
func (dec *decoder) takeOver(headers amqp.Table, e *event) {
	for _, key := range dec.headerKeys {
		if value, found := lookup(headers, key); found {
			if value := dec.scalar(value); value != nil {
				e.attributes = append(e.attributes, taken{key: attrHeaderPrefix + key, value: value})
			}
		}
	}
	if len(dec.baggageKeys) == 0 {
		return
	}
	members, ok := allowedBaggage(headers, dec.baggageKeys)
	if !ok {
		dec.malformed[propagatorBaggage]++
	}
	for _, m := range members {
		e.attributes = append(e.attributes, taken{key: m.key, value: dec.text(m.value)})
	}
}

// scalar is a header's value as an attribute's, nil for what an attribute cannot be.
func (dec *decoder) scalar(value any) any {
	if n, ok := integer(value); ok {
		return n
	}
	switch v := value.(type) {
	case string, []byte:
		return dec.text(v)
	case bool:
		return v
	case float32:
		return float64(v)
	case float64:
		return v
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	}
	return nil
}

// headers reads what the broker itself keeps in the original message's headers.
func (dec *decoder) headers(headers amqp.Table, e *event) {
	if ms, ok := headers["timestamp_in_ms"].(int64); ok && ms >= minBrokerMillis && ms < maxBrokerMillis {
		e.brokerTime = time.UnixMilli(ms)
	}
	if e.kind != eventDeliver {
		e.attempt = deathCount(dec.deaths(headers))
		return
	}
	e.deaths = dec.deaths(headers)
	deliveries, counted := integer(headers["x-delivery-count"])
	if !counted && e.redelivered {
		deliveries = 1
	}
	e.attempt = max(deliveries, 0) + deathCount(e.deaths)
}

// A time in milliseconds outside of 2001 to 2286 was not meant as one.
const (
	minBrokerMillis = 1_000_000_000_000
	maxBrokerMillis = 10_000_000_000_000
)

// maxDeaths bounds what one message's x-death can make of a span. The broker keeps one entry for
// each queue and reason, newest first.
const maxDeaths = 32

func (dec *decoder) deaths(headers amqp.Table) []death {
	entries, _ := headers["x-death"].([]any)
	if len(entries) == 0 {
		return nil
	}
	deaths := make([]death, 0, min(len(entries), maxDeaths))
	for _, entry := range entries[:min(len(entries), maxDeaths)] {
		t, ok := entry.(amqp.Table)
		if !ok {
			continue
		}
		d := death{queue: dec.text(t["queue"]), exchange: dec.text(t["exchange"]), reason: dec.text(t["reason"])}
		d.count, _ = integer(t["count"])
		d.at, _ = t["time"].(time.Time)
		deaths = append(deaths, d)
	}
	return deaths
}

func deathCount(deaths []death) (sum int64) {
	for _, d := range deaths {
		sum += max(d.count, 0)
	}
	return sum
}

// text takes a string over from a stranger: bounded, and valid UTF-8, because one bad string would make
// a whole export request unacceptable.
func (dec *decoder) text(value any) string {
	s := text(value)
	if len(s) > dec.maxText {
		cut := dec.maxText
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = strings.Clone(s[:cut]) // lets go of the rest
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return s
}

// first is the first string of an array.
func (dec *decoder) first(value any) string {
	if list, ok := value.([]any); ok && len(list) > 0 {
		return dec.text(list[0])
	}
	return ""
}

// integer accepts every integer type an AMQP table can hold.
func integer(value any) (int64, bool) {
	switch v := value.(type) {
	case int64:
		return v, true
	case int32:
		return int64(v), true
	case int16:
		return int64(v), true
	case int8:
		return int64(v), true
	case uint32:
		return int64(v), true
	case uint16:
		return int64(v), true
	case byte:
		return int64(v), true
	}
	return 0, false
}
