package facts

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// sent is a span as a stranger may send it.
type sent struct {
	id, parent uint64
	service    string
	kind       ptrace.SpanKind
	name       string
	start, end uint64
	failed     bool
	broker     bool
}

func (s *sent) pdata() ptrace.Span {
	span := ptrace.NewSpan()
	span.SetSpanID(NewSpanIDBytes(s.id))
	span.SetParentSpanID(NewSpanIDBytes(s.parent))
	span.SetKind(s.kind)
	span.SetName(s.name)
	span.SetStartTimestamp(pcommon.Timestamp(s.start))
	span.SetEndTimestamp(pcommon.Timestamp(s.end))
	if s.failed {
		failed(span)
	}
	return span
}

func (s *sent) addTo(f *Facts) { f.Add(newResource(s.service, s.broker), s.pdata()) }

func (s *sent) isCall() bool {
	return s.kind == ptrace.SpanKindClient || s.kind == ptrace.SpanKindProducer
}

// model is the same as Facts, found by looking at all spans at once.
type model struct {
	missing, calls, answered int
	edges                    map[[2]string]bool
	services                 map[string]uint64
	duration                 uint64
	root, first              string
}

func newModel(spans []sent) model {
	m := model{edges: map[[2]string]bool{}, services: map[string]uint64{}}
	byID := map[uint64][]sent{}
	for _, s := range spans {
		byID[s.id] = append(byID[s.id], s)
		if start, ok := m.services[s.service]; !ok || s.start < start {
			m.services[s.service] = s.start
		}
	}
	delete(byID, 0)
	missing := map[uint64]bool{}
	for _, s := range spans {
		if s.parent != 0 && byID[s.parent] == nil {
			missing[s.parent] = true
		}
		if parent := lowestService(byID[s.parent]); parent != "" && parent != s.service {
			m.edges[[2]string{parent, s.service}] = true
		}
	}
	m.missing = len(missing)
	for id, same := range byID {
		if !slices.ContainsFunc(same, func(s sent) bool { return s.isCall() }) {
			continue
		}
		m.calls++
		if isAnswered(id, same, spans) {
			m.answered++
		}
	}
	m.times(spans)
	return m
}

// lowestService is the service that counts if spans of several share an id.
func lowestService(same []sent) string {
	lowest := ""
	for _, s := range same {
		if lowest == "" || newServiceKey(s.service) < newServiceKey(lowest) {
			lowest = s.service
		}
	}
	return lowest
}

func isAnswered(id uint64, same, spans []sent) bool {
	services, isProducer := map[string]bool{}, false
	for _, s := range same {
		services[s.service] = true
		// Of spans that share an id, a producer's call goes before a client's.
		isProducer = isProducer || s.kind == ptrace.SpanKindProducer
	}
	if len(services) > 1 {
		return true
	}
	for _, s := range spans {
		if s.parent != id {
			continue
		}
		if isProducer && (s.broker || s.kind == ptrace.SpanKindConsumer) || !isProducer && !services[s.service] {
			return true
		}
	}
	return false
}

func (m *model) times(spans []sent) {
	start, end := spans[0].start, uint64(0)
	var root, first *sent
	for i := range spans {
		s := &spans[i]
		start, end = min(start, s.start), max(end, s.end)
		if first == nil || s.start < first.start {
			first = s
		}
		if s.parent == 0 && (root == nil || s.start < root.start) {
			root = s
		}
	}
	m.duration = max(end, start) - start
	m.first = fmt.Sprint(first.start)
	if root != nil {
		m.root = fmt.Sprint(root.start)
	}
}

// agree holds the facts of spans, gathered in any order and batching, against
// the model.
func agree(t *testing.T, rnd *rand.Rand, spans []sent) {
	t.Helper()
	parts := make([]Facts, 1+rnd.IntN(3))
	for _, i := range rnd.Perm(len(spans)) {
		spans[i].addTo(&parts[rnd.IntN(len(parts))])
	}
	var f Facts
	for i := range parts {
		f.Merge(&parts[i])
	}
	want := newModel(spans)
	require.Equal(t, len(spans), f.Spans)
	require.Equal(t, want.missing, f.MissingParents(), "missing parents")
	require.Equal(t, want.duration, f.Duration(), "duration")
	require.Equal(t, want.first, fmt.Sprint(f.First().Start), "first")
	if want.root == "" {
		require.Nil(t, f.Root())
	} else {
		require.Equal(t, want.root, fmt.Sprint(f.Root().Start), "root")
	}
	require.Len(t, f.Services, min(len(want.services), maxServices))
	for i, s := range f.Services {
		require.Equal(t, want.services[s.Name], s.Start)
		require.True(t, i == 0 || f.Services[i-1].Start <= s.Start)
	}
	require.Len(t, f.edges(), len(want.edges), "%v", slices.Collect(maps.Keys(want.edges)))
	calls, answered := 0, 0
	for c := range f.Calls {
		calls, answered = calls+c.Seen, answered+c.Answered
	}
	require.Equal(t, want.calls, calls, "calls")
	require.Equal(t, want.answered, answered, "answered")
}

// FuzzFacts makes spans of whatever bytes come: zero ids, ids that are used
// twice, spans that are their own parents, cycles, clocks a hundred years off.
func FuzzFacts(f *testing.F) {
	f.Add(uint64(1), []byte("\x01\x00\x00\x00\x00\x00\x02\x01\x01\x01\x03\x00"))
	f.Add(uint64(2), []byte(strings.Repeat("\x01\x01\x00\x13\xff\x00", 3)))
	f.Add(uint64(3), []byte("\x01\x02\x00\x13\x03\x00\x02\x01\x01\x14\x03\x00\x00\x00\x01\x05\x00\x09"))
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		text := make([]byte, 6*(1+rnd.IntN(200)))
		for i := range text {
			text[i] = byte(rnd.Uint32())
		}
		f.Add(seed, text)
	}
	const century = uint64(100 * 365 * 24 * 3600 * 1e9)
	f.Fuzz(func(t *testing.T, seed uint64, text []byte) {
		var spans []sent
		for chunk := range slices.Chunk(text[:min(len(text), 6*500)], 6) {
			if len(chunk) < 6 {
				break
			}
			s := sent{
				id: uint64(chunk[0]), parent: uint64(chunk[1]), service: fmt.Sprint("service ", chunk[2]%5),
				kind: ptrace.SpanKind(chunk[3] % 8), broker: chunk[3]&8 != 0, failed: chunk[3]&16 != 0,
				start: uint64(chunk[4]) * century, end: uint64(chunk[5]) * century,
			}
			s.name = fmt.Sprint("operation ", chunk[3]>>7) // fewer calls than maxCalls
			spans = append(spans, s)
		}
		if len(spans) > 0 {
			agree(t, rand.New(rand.NewPCG(seed, 2)), spans)
		}
	})
}

func TestARealTraceAgreesWithTheModel(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 3))
	t.Logf("seed %d", seed)
	for range 100 {
		spans := []sent{{id: 1, service: "gateway", kind: ptrace.SpanKindServer, name: "GET /"}}
		for i := range rnd.IntN(300) {
			parent := spans[rnd.IntN(len(spans))]
			s := sent{
				id: uint64(i + 2), parent: parent.id, service: parent.service, name: fmt.Sprint("call ", rnd.IntN(5)),
				kind: ptrace.SpanKind(1 + rnd.IntN(5)), start: uint64(i), end: uint64(i + 5),
			}
			if s.kind == ptrace.SpanKindServer || s.kind == ptrace.SpanKindConsumer {
				s.service = fmt.Sprint("service ", rnd.IntN(6)) // fewer calls than maxCalls
			}
			spans = append(spans, s)
		}
		// Some spans are lost.
		agree(t, rnd, slices.DeleteFunc(spans, func(s sent) bool { return s.id > 1 && rnd.IntN(20) == 0 }))
	}
}

func TestAnUnboundedTraceLosesItsLineageAndNothingElse(t *testing.T) {
	const spans = 1_000_000
	var whole, a, b Facts
	r := newResource("gateway", false)
	span := newSpan(0, 0)
	span.SetKind(ptrace.SpanKindClient)
	for i := range uint64(spans) {
		span.SetSpanID(NewSpanIDBytes(i*2 + 2))
		span.SetParentSpanID(NewSpanIDBytes(i*2 + 1)) // never seen
		whole.Add(r, span)
		if i%2 == 0 {
			a.Add(r, span)
		} else {
			b.Add(r, span)
		}
	}
	b.Merge(&a)
	for _, f := range []*Facts{&whole, &b} {
		require.Equal(t, spans, f.Spans)
		require.Zero(t, f.MissingParents(), "unknown never holds a journey up")
		for range f.Calls {
			require.Fail(t, "calls without a lineage are not known")
		}
		require.Less(t, f.Size(), int64(64<<10))
	}
	require.Equal(t, whole.Shape(), b.Shape())
}

func TestManySpansWithinTheBoundAreCheap(t *testing.T) {
	var f Facts
	r := newResource("gateway", false)
	span := newSpan(0, 0)
	for i := range uint64(MaxIDs / 2) {
		span.SetSpanID(NewSpanIDBytes(i*2 + 2))
		span.SetParentSpanID(NewSpanIDBytes(i*2 + 1))
		f.Add(r, span)
	}
	require.Equal(t, MaxIDs/2, f.MissingParents())
	require.Less(t, f.Size(), int64(4<<20))
}

// TestEverythingAStrangerMakesLongIsBounded fills every list there is.
func TestEverythingAStrangerMakesLongIsBounded(t *testing.T) {
	var f Facts
	long := strings.Repeat("x", 1<<12)
	span := newSpan(1, 0, failed)
	for i := range 5000 {
		span.SetSpanID(NewSpanIDBytes(uint64(i%20000 + 1)))
		span.SetParentSpanID(NewSpanIDBytes(uint64(i%1000 + 1)))
		span.SetName(fmt.Sprint(i, long))
		span.SetKind(ptrace.SpanKind(i % 6))
		span.Attributes().PutStr(attrMessageID, fmt.Sprint(i, long))
		list := span.Attributes().PutEmptySlice(attrRoutedQueues)
		for q := range 3 {
			list.AppendEmpty().SetStr(fmt.Sprint(q, long))
		}
		f.Add(newResource(fmt.Sprint(i, long), true), span)
	}
	require.Len(t, f.Services, maxServices)
	require.Len(t, f.messages, maxMessages)
	require.LessOrEqual(t, len(*f.lineage.calls), maxCalls)
	require.LessOrEqual(t, len(f.shape.operations), maxOperations)
	require.Less(t, f.Size(), int64(2<<20))
}

func TestTheShapeIsWhatHappenedAndNotHowOften(t *testing.T) {
	base := []sent{
		{id: 1, service: "gateway", name: "GET /", kind: ptrace.SpanKindServer},
		{id: 2, parent: 1, service: "gateway", name: "call", kind: ptrace.SpanKindClient},
		{id: 3, parent: 2, service: "users", name: "GET /users", kind: ptrace.SpanKindServer},
	}
	shape := func(change func(*[]sent)) uint64 {
		spans := slices.Clone(base)
		if change != nil {
			change(&spans)
		}
		var f Facts
		for i := range spans {
			spans[i].addTo(&f)
		}
		return f.Shape()
	}
	usual := shape(nil)
	for name, test := range map[string]struct {
		change func(*[]sent)
		same   bool
	}{
		"another order": {func(s *[]sent) { slices.Reverse(*s) }, true},
		"twice": {func(s *[]sent) {
			*s = append(*s, sent{id: 4, parent: 2, service: "users", name: "GET /users", kind: ptrace.SpanKindServer})
		}, true},
		"other ids and times": {func(s *[]sent) {
			for i := range *s {
				(*s)[i].id += 100
				(*s)[i].start = 99
				if (*s)[i].parent != 0 {
					(*s)[i].parent += 100
				}
			}
		}, true},
		"an operation":   {func(s *[]sent) { (*s)[2].name = "POST /users" }, false},
		"a service":      {func(s *[]sent) { (*s)[2].service = "orders" }, false},
		"a status":       {func(s *[]sent) { (*s)[2].failed = true }, false},
		"a kind":         {func(s *[]sent) { (*s)[1].kind = ptrace.SpanKindInternal }, false},
		"an edge less":   {func(s *[]sent) { (*s)[2].parent = 77 }, false},
		"an edge around": {func(s *[]sent) { (*s)[0].parent, (*s)[1].parent, (*s)[2].parent = 2, 3, 0 }, false},
	} {
		require.Equal(t, test.same, usual == shape(test.change), name)
	}
}

func TestAMessageThatIsTakenBackIsNoDeadLetter(t *testing.T) {
	dead := func(at uint64, reason string, queues ...string) spanOption {
		return func(s ptrace.Span) {
			s.SetEndTimestamp(pcommon.Timestamp(at))
			if len(queues) == 0 {
				return
			}
			event := s.Events().AppendEmpty()
			event.SetName(eventDeadLetter)
			event.Attributes().PutStr(attrDeadLetterQueue, queues[0])
			event.Attributes().PutStr(attrDeadLetterReason, reason)
			list := s.Attributes().PutEmptySlice(attrDeadLetterQueues)
			for _, q := range queues {
				list.AppendEmpty().SetStr(q)
			}
		}
	}
	for name, test := range map[string]struct {
		spans    []ptrace.Span
		from, to string
	}{
		"rejected":              {[]ptrace.Span{newSpan(2, 1, delivered("dead", 1), dead(5, "rejected", "stock"))}, "stock", "dead"},
		"too often":             {[]ptrace.Span{newSpan(2, 1, delivered("dead", 1), dead(5, "delivery_limit", "stock"))}, "stock", "dead"},
		"expired":               {[]ptrace.Span{newSpan(2, 1, delivered("stock", 1), dead(5, "expired", "delay"))}, "", ""},
		"back in its own queue": {[]ptrace.Span{newSpan(2, 1, delivered("stock", 1), dead(5, "rejected", "retry", "stock"))}, "", ""},
		"taken back": {[]ptrace.Span{
			newSpan(3, 1, delivered("stock", 1), dead(9, "")),
			newSpan(2, 1, delivered("dead", 1), dead(5, "rejected", "stock")),
		}, "", ""},
		"and again": {[]ptrace.Span{
			newSpan(2, 1, delivered("dead", 1), dead(5, "rejected", "stock")),
			newSpan(3, 1, delivered("stock", 1), dead(9, "")),
			newSpan(4, 1, delivered("dead", 2), dead(11, "rejected", "stock")),
		}, "stock", "dead"},
		"another message is delivered": {[]ptrace.Span{
			newSpan(2, 1, delivered("dead", 1), dead(5, "rejected", "stock")),
			newSpan(3, 7, delivered("stock", 1), dead(9, "")),
		}, "stock", "dead"},
	} {
		var f Facts
		for _, span := range test.spans {
			f.Add(broker, span)
		}
		from, to, ok := f.DeadLettered()
		require.Equal(t, test.from, from, name)
		require.Equal(t, test.to, to, name)
		require.Equal(t, test.from != "", ok, name)
	}
}
