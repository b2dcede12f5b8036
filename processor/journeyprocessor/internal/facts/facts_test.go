package facts

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

type spanOption func(ptrace.Span)

func newSpan(id, parent byte, options ...spanOption) ptrace.Span {
	span := ptrace.NewSpan()
	span.SetTraceID(pcommon.TraceID{1})
	span.SetSpanID(pcommon.SpanID{7: id})
	span.SetParentSpanID(pcommon.SpanID{7: parent})
	span.SetName(fmt.Sprint("span ", id))
	span.SetStartTimestamp(pcommon.Timestamp(id) * 1000)
	span.SetEndTimestamp(pcommon.Timestamp(id)*1000 + 500)
	for _, o := range options {
		o(span)
	}
	return span
}

func failed(s ptrace.Span) {
	s.Status().SetCode(ptrace.StatusCodeError)
	s.Status().SetMessage("out of stock")
}

func published(queues ...string) spanOption {
	return func(s ptrace.Span) {
		list := s.Attributes().PutEmptySlice(attrRoutedQueues)
		for _, q := range queues {
			list.AppendEmpty().SetStr(q)
		}
		if len(queues) == 0 {
			failed(s)
			s.Attributes().PutStr(attrErrorType, unroutable)
		}
	}
}

func delivered(queue string, attempt int64, dead ...string) spanOption {
	return func(s ptrace.Span) {
		s.Attributes().PutStr(attrQueue, queue)
		s.Attributes().PutInt(attrAttempt, attempt)
		if len(dead) > 0 {
			list := s.Attributes().PutEmptySlice(attrDeadLetterQueues)
			for _, q := range dead {
				list.AppendEmpty().SetStr(q)
			}
		}
	}
}

var (
	app    = newResource("gateway", false)
	broker = newResource("rabbitmq", true)
)

func newResource(service string, isBroker bool) *Resource {
	r := NewResource(service, isBroker, true)
	return &r
}

func TestAParentIsMissingUntilItIsSeen(t *testing.T) {
	var f Facts
	f.Add(app, newSpan(3, 2))
	f.Add(app, newSpan(4, 2))
	require.Equal(t, 1, f.MissingParents())
	require.Nil(t, f.Root())
	f.Add(app, newSpan(2, 1))
	require.Equal(t, 1, f.MissingParents())
	f.Add(app, newSpan(1, 0))
	require.Zero(t, f.MissingParents())
	require.Equal(t, "span 1", f.Root().Name)
}

func TestAMessageIsOpenUntilItsFirstDelivery(t *testing.T) {
	var f Facts
	f.Add(broker, newSpan(2, 1, published("stock", "mail")))
	require.Equal(t, 2, f.OpenMessages())
	f.Add(broker, newSpan(3, 1, delivered("stock", 0)))
	f.Add(broker, newSpan(4, 1, delivered("stock", 1)))
	require.Equal(t, 1, f.OpenMessages(), "a redelivery closes nothing more")
	require.Equal(t, "mail", f.OpenQueue())
	f.Add(broker, newSpan(5, 1, delivered("mail", 0)))
	require.Zero(t, f.OpenMessages())
}

func TestADeliveryAfterDeadLetteringClosesTheQueueItWaitedIn(t *testing.T) {
	var f Facts
	f.Add(broker, newSpan(2, 1, published("retry")))
	f.Add(broker, newSpan(3, 1, delivered("stock", 1, "retry")))
	require.Zero(t, f.OpenMessages())
}

func TestAMessageThatACrashedBrokerCallsRedeliveredHasLeftItsQueue(t *testing.T) {
	var f Facts
	f.Add(broker, newSpan(3, 1, delivered("stock", 1)))
	f.Add(broker, newSpan(2, 1, published("stock")))
	require.Zero(t, f.OpenMessages())
}

func TestMessagesOfOneSpanAreToldApartByTheirIDs(t *testing.T) {
	id := func(id string) spanOption { return func(s ptrace.Span) { s.Attributes().PutStr(attrMessageID, id) } }
	var f Facts
	f.Add(broker, newSpan(2, 1, published("stock"), id("a")))
	f.Add(broker, newSpan(3, 1, published("stock"), id("b")))
	f.Add(broker, newSpan(4, 1, delivered("stock", 0), id("a")))
	f.Add(broker, newSpan(5, 1, delivered("stock", 1), id("a")))
	require.Equal(t, 1, f.OpenMessages())
	f.Add(broker, newSpan(6, 1, delivered("stock", 1), id("b")))
	require.Zero(t, f.OpenMessages())
}

func TestAMessageOfAnotherSpanStaysOpen(t *testing.T) {
	var f Facts
	f.Add(broker, newSpan(3, 1, published("stock")))
	f.Add(broker, newSpan(4, 2, delivered("stock", 0)))
	require.Equal(t, 1, f.OpenMessages())
}

func TestAnUnroutableMessageIsNoError(t *testing.T) {
	var f Facts
	f.Add(broker, newSpan(2, 1, published()))
	require.Nil(t, f.Error)
	require.NotNil(t, f.Unroutable)
	f.Add(app, newSpan(3, 1, failed))
	require.Equal(t, "out of stock", f.Error.Message)
}

func TestOrderAndBatchingDoNotChangeTheFacts(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	for range 300 {
		add := randomTrace(rnd)
		want := gather(rnd, add, false)
		for range 5 {
			require.Equal(t, want, gather(rnd, add, true))
		}
	}
}

// observed is every answer facts give.
type observed struct {
	Spans             int
	Start, End        uint64
	Root, First       *Span
	Error, Unroutable *Fault
	Services          []Service
	Missing, Open     int
	Queue             string
	Randomness        uint64
	Shape             uint64
	Calls             map[CallKey]Calls
	DeadFrom, DeadTo  string
}

func gather(rnd *rand.Rand, add []func(*Facts), shuffle bool) observed {
	parts := []*Facts{{}}
	if shuffle {
		rnd.Shuffle(len(add), func(i, j int) { add[i], add[j] = add[j], add[i] })
		for range rnd.IntN(4) {
			parts = append(parts, &Facts{})
		}
	}
	for _, a := range add {
		a(parts[rnd.IntN(len(parts))])
	}
	var f Facts
	for _, p := range parts {
		f.Merge(p)
	}
	calls := map[CallKey]Calls{}
	for c := range f.Calls {
		sum := calls[c.Key]
		calls[c.Key] = Calls{c.Key, sum.Seen + c.Seen, sum.Answered + c.Answered}
	}
	from, to, _ := f.DeadLettered()
	return observed{
		f.Spans, f.Start, f.End, f.Root(), f.First(), f.Error, f.Unroutable, f.Services,
		f.MissingParents(), f.OpenMessages(), f.OpenQueue(), f.Randomness,
		f.Shape(), calls, from, to,
	}
}

func randomTrace(rnd *rand.Rand) []func(*Facts) {
	services := 1 + rnd.IntN(2*maxServices)
	var add []func(*Facts)
	for range 1 + rnd.IntN(120) {
		isBroker := rnd.IntN(3) == 0
		span := newSpan(byte(rnd.IntN(100)), byte(rnd.IntN(100)))
		span.SetStartTimestamp(pcommon.Timestamp(rnd.IntN(50)))
		span.SetEndTimestamp(pcommon.Timestamp(rnd.IntN(100)))
		switch rnd.IntN(6) {
		case 0:
			failed(span)
		case 1:
			published(fmt.Sprint("q", rnd.IntN(3)))(span)
		case 2:
			delivered(fmt.Sprint("q", rnd.IntN(3)), int64(rnd.IntN(2)), fmt.Sprint("q", rnd.IntN(3)))(span)
		case 3:
			published()(span)
		case 4:
			span.TraceState().FromRaw(fmt.Sprintf("ot=rv:%014x", rnd.IntN(1000)))
		}
		// Equal ids with equal starts would be the same span.
		span.SetSpanID(NewSpanIDBytes(rnd.Uint64N(1000)))
		span.SetName(span.SpanID().String())
		span.Status().SetMessage(span.SpanID().String())
		span.SetKind(ptrace.SpanKind(NewSpanID(span.SpanID()) % 6))
		resource := newResource(fmt.Sprint("service-", NewSpanID(span.SpanID())%SpanID(services)), isBroker)
		add = append(add, func(f *Facts) { f.Add(resource, span) })
	}
	return add
}

// NewSpanIDBytes is the inverse of NewSpanID.
func NewSpanIDBytes(n uint64) pcommon.SpanID {
	return pcommon.SpanID{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

func TestFactsStayBoundedWhateverAStrangerSends(t *testing.T) {
	var f Facts
	huge := strings.Repeat("ü", 1<<20)
	for i := range 300 {
		span := newSpan(1, 0, failed)
		span.SetName(huge)
		span.Status().SetMessage(huge)
		f.Add(newResource(fmt.Sprint(i, huge), false), span)
	}
	require.Len(t, f.Services, maxServices)
	require.LessOrEqual(t, len(f.Root().Name), maxText)
	require.LessOrEqual(t, len(f.Error.Message), maxText)
	require.Less(t, f.Size(), int64(8192))
}

func TestClocksThatRanBackwardsGiveNoDuration(t *testing.T) {
	var f Facts
	span := newSpan(1, 0)
	span.SetStartTimestamp(5000)
	span.SetEndTimestamp(1000)
	f.Add(app, span)
	require.Zero(t, f.Duration())
	require.Zero(t, f.Root().Duration())
}

func BenchmarkLineage(b *testing.B) {
	for _, n := range []int{2, 8, 16, 24, 32, 48, 64, 256} {
		b.Run(fmt.Sprint("spans=", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var l lineage
				for i := range n {
					l.put(&node{id: SpanID(i + 1), service: 1})
					l.put(&node{id: SpanID(i), below: newBelow(1, 0)})
				}
			}
		})
	}
}

// TestNamesAreSharedAndBounded: equal names are one text, whichever batch they
// came with, and a stranger's names do not pile up.
func TestNamesAreSharedAndBounded(t *testing.T) {
	texts := make(Texts)
	one := func(service, operation string) *Facts {
		f, r, span := new(Facts), NewResource(service, false, false), newSpan(1, 0)
		span.SetName(operation)
		r.Share(texts)
		f.Add(&r, span)
		return f
	}
	a, b := one(strings.Clone("gateway"), strings.Clone("GET /")), one(strings.Clone("gateway"), strings.Clone("GET /"))
	require.Equal(t, "GET /", a.Root().Name)
	require.Same(t, unsafe.StringData(a.Root().Name), unsafe.StringData(b.Root().Name))
	require.Same(t, unsafe.StringData(a.Services[0].Name), unsafe.StringData(b.Services[0].Name))
	for i := range 3 * maxTexts {
		require.Equal(t, fmt.Sprint("operation ", i), one("gateway", fmt.Sprint("operation ", i)).Root().Name)
		require.LessOrEqual(t, len(texts), maxTexts)
	}
}
