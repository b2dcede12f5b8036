package e2e

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// trace is one journey as its services send it. The first span is the root.
type trace struct {
	id    pcommon.TraceID
	spans []*span
}

type span struct {
	id, parent    pcommon.SpanID
	service, name string
	kind          ptrace.SpanKind
	start, end    time.Time
	failed        bool
	attributes    map[string]string
}

const (
	// leastRandomness is that of a trace which no rule below 100 % keeps.
	leastRandomness = uint64(0)
	// mostRandomness is that of a trace which every rule above 0 % keeps.
	mostRandomness = uint64(1)<<56 - 1
	// usual is how long an unremarkable span takes.
	usual = 20 * time.Millisecond
)

// newTrace has the given randomness: the last 56 bits of its id (W3C Trace
// Context Level 2, "random trace id").
func newTrace(randomness uint64) *trace {
	t := &trace{}
	binary.BigEndian.PutUint64(t.id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(t.id[8:], randomness)
	t.id[8] = byte(1 + rand.IntN(255))
	return t
}

// add appends a span; a nil parent makes it the root.
func (t *trace) add(service, name string, kind ptrace.SpanKind, parent *span) *span {
	now := time.Now()
	s := &span{service: service, name: name, kind: kind, start: now.Add(-usual), end: now}
	binary.BigEndian.PutUint64(s.id[:], rand.Uint64()|1)
	if parent != nil {
		s.parent = parent.id
	}
	t.spans = append(t.spans, s)
	return s
}

func (s *span) lasting(d time.Duration) { s.start = s.end.Add(-d) }

// traceparent is the span's context as a service would send it on.
func (t *trace) traceparent(s *span) string { return fmt.Sprintf("00-%s-%s-01", t.id, s.id) }

// Journeys of the published configuration, each with the least randomness: only
// a rule that keeps all keeps them.

// checkout is complete but for the message that its last span may publish.
func checkout() *trace {
	t := startedCheckout()
	t.add("stock", "stock-queue process", ptrace.SpanKindConsumer, t.last())
	return t
}

// startedCheckout ends where the order was published and never reserved.
func startedCheckout() *trace {
	t := newTrace(leastRandomness)
	root := t.add("gateway", "POST /api/checkout", ptrace.SpanKindServer, nil)
	call := t.add("gateway", "Checkout/DoCheckout", ptrace.SpanKindClient, root)
	charged := t.add("checkout", "Checkout/DoCheckout", ptrace.SpanKindServer, call)
	t.add("checkout", "send checkout.processed", ptrace.SpanKindProducer, charged)
	return t
}

// slowCheckout is ok and yet always has to be kept.
func slowCheckout() *trace {
	t := checkout()
	t.spans[0].lasting(1500 * time.Millisecond)
	return t
}

func orderHistory(randomness uint64) *trace {
	t := newTrace(randomness)
	root := t.add("gateway", "GET /api/orders", ptrace.SpanKindServer, nil)
	orders := t.add("orders", "GET /orders", ptrace.SpanKindServer, root)
	t.add("users", "GET /users", ptrace.SpanKindServer, orders)
	return t
}

// failedOrderHistory always has to be kept.
func failedOrderHistory() *trace {
	t := orderHistory(leastRandomness)
	t.last().failed = true
	return t
}

func giftCard() *trace {
	t := newTrace(leastRandomness)
	root := t.add("gateway", "POST /api/giftcards", ptrace.SpanKindServer, nil)
	t.add("users", "POST /users/giftcards", ptrace.SpanKindServer, root)
	return t
}

func (t *trace) last() *span { return t.spans[len(t.spans)-1] }

// byService sorts the spans of some traces into what each service would send.
func byService(traces ...*trace) map[string]ptrace.Traces {
	scopes := map[string]ptrace.ScopeSpans{}
	batches := map[string]ptrace.Traces{}
	for _, t := range traces {
		for _, s := range t.spans {
			if _, ok := batches[s.service]; !ok {
				td := ptrace.NewTraces()
				rs := td.ResourceSpans().AppendEmpty()
				rs.Resource().Attributes().PutStr("service.name", s.service)
				batches[s.service], scopes[s.service] = td, rs.ScopeSpans().AppendEmpty()
			}
			s.write(t.id, scopes[s.service].Spans().AppendEmpty())
		}
	}
	return batches
}

func (s *span) write(id pcommon.TraceID, to ptrace.Span) {
	to.SetTraceID(id)
	to.SetSpanID(s.id)
	to.SetParentSpanID(s.parent)
	to.SetName(s.name)
	to.SetKind(s.kind)
	to.SetStartTimestamp(pcommon.NewTimestampFromTime(s.start))
	to.SetEndTimestamp(pcommon.NewTimestampFromTime(s.end))
	if s.failed {
		to.Status().SetCode(ptrace.StatusCodeError)
	}
	for key, value := range s.attributes {
		to.Attributes().PutStr(key, value)
	}
}

// together puts what all services send into one request.
func together(traces ...*trace) ptrace.Traces {
	all := ptrace.NewTraces()
	for _, batch := range byService(traces...) {
		batch.ResourceSpans().MoveAndAppendTo(all.ResourceSpans())
	}
	return all
}

// send sends each service's spans in a request of their own, in no particular
// order, and expects that they are taken. It returns how many there were.
func (p *parts) send(t *testing.T, traces ...*trace) int {
	t.Helper()
	batches := byService(traces...)
	spans := 0
	for _, service := range slices.Sorted(maps.Keys(batches)) {
		spans += batches[service].SpanCount()
		require.NoError(t, p.export(t, batches[service]), "spans of %s", service)
	}
	return spans
}

// export makes one request.
func (p *parts) export(t *testing.T, td ptrace.Traces) error {
	t.Helper()
	ctx, cancel := withTimeout(patience)
	defer cancel()
	response, err := p.spans.Export(ctx, ptraceotlp.NewExportRequestFromTraces(td))
	if err != nil {
		return err
	}
	if n := response.PartialSuccess().RejectedSpans(); n > 0 {
		return fmt.Errorf("%d spans rejected: %s", n, response.PartialSuccess().ErrorMessage())
	}
	return nil
}

func sum(traces ...*trace) int {
	n := 0
	for _, t := range traces {
		n += len(t.spans)
	}
	return n
}

const kindClient = ptrace.SpanKindClient

// randomness56 is that of an ordinary trace.
func randomness56() uint64 { return rand.Uint64N(1 << 56) }
