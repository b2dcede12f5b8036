package journeyprocessor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// strangersConfig has every kind of rule, and limits that are soon reached.
const strangersConfig = `
journeys:
  - {name: checkout, match: {service: s*, span: '*a*'}, steps: [{name: step, match: {kind: consumer}}]}
outcome: {error: condition, condition: {condition: 'status.code == 2 or attributes["k0"] == "v"'}}
completion: {quiet: 2s, missing_wait: 5s, message_wait: 20s, max_wait: 1m}
buffer: {memory: 4MiB, trace: 32KiB, park_after: 1s, recall: 64KiB}
decisions: {kept: 50, dropped: 50, ledger: 10}
release: {max_batch: 5, max_batch_bytes: 4KiB, metadata_keys: [x-tenant]}
telemetry: {max_journeys: 5}
sampling:
  percentiles: {min_journeys: 2}
  shapes: {max: 3}
  rules:
    - {name: failed, when: {outcome: error}, keep: 100%}
    - {name: slow, when: {slower_than: p90}, keep: 100%}
    - {name: rare, when: {first_of_shape: 1, every: 10s}, keep: 100%}
    - {name: long, when: {any: [{longer_than: 1h}, {spans_over: 5}], not: {journey: checkout}}, keep: 50%}
    - {name: resource, when: {match: {resource_condition: 'attributes["service.name"] == "s1"', attributes: {k1: '*'}}}, keep: 10%}
    - {name: rest, keep: 70%}
  budget: {bytes_per_day: 1GB}
`

// stranger sends what nobody should: zero ids, ids twice, cycles of parents,
// links to itself, clocks a hundred years off, texts that are no text.
type stranger struct{ *rand.Rand }

func newStranger(seed uint64) stranger { return stranger{rand.New(rand.NewPCG(seed, 42))} }

func (s stranger) traces() ptrace.Traces {
	td := ptrace.NewTraces()
	for range s.IntN(4) {
		rs := td.ResourceSpans().AppendEmpty()
		s.resource(rs.Resource())
		for range s.IntN(3) {
			ss := rs.ScopeSpans().AppendEmpty()
			s.scope(ss.Scope())
			for range s.IntN(6) {
				s.span(ss.Spans().AppendEmpty())
			}
		}
	}
	return td
}

func (s stranger) logs() plog.Logs {
	ld := plog.NewLogs()
	for range s.IntN(3) {
		rl := ld.ResourceLogs().AppendEmpty()
		s.resource(rl.Resource())
		for range s.IntN(3) {
			sl := rl.ScopeLogs().AppendEmpty()
			s.scope(sl.Scope())
			for range s.IntN(6) {
				r := sl.LogRecords().AppendEmpty()
				r.SetTraceID(s.traceID())
				r.SetSpanID(s.spanID())
				r.SetSeverityNumber(plog.SeverityNumber(s.IntN(40) - 5))
				r.SetTimestamp(s.time())
				s.value(r.Body(), 0)
				s.attributes(r.Attributes())
			}
		}
	}
	return ld
}

func (s stranger) resource(r pcommon.Resource) {
	if s.IntN(3) > 0 {
		s.attributes(r.Attributes())
	}
	switch s.IntN(4) {
	case 0:
		r.Attributes().PutInt(serviceName, 5)
	case 1, 2:
		r.Attributes().PutStr(serviceName, fmt.Sprint("s", s.IntN(3)))
	}
}

func (s stranger) scope(scope pcommon.InstrumentationScope) {
	scope.SetName([]string{"", "library", "amqp_trace", "github.com/otelcol-journey/otelcol-journey/receiver/amqptracereceiver", s.text()}[s.IntN(5)])
}

func (s stranger) span(span ptrace.Span) {
	span.SetTraceID(s.traceID())
	span.SetSpanID(s.spanID())
	span.SetParentSpanID(s.spanID())
	span.SetName(s.text())
	span.SetKind(ptrace.SpanKind(s.IntN(9) - 1))
	span.Status().SetCode(ptrace.StatusCode(s.IntN(5) - 1))
	span.Status().SetMessage(s.text())
	span.SetStartTimestamp(s.time())
	span.SetEndTimestamp(s.time())
	span.SetFlags(s.Uint32())
	span.TraceState().FromRaw([]string{
		"", "", "ot=th:8", "ot=th:0;rv:ffffffffffffff", "ot=th:zz", "vendor=1,ot=rv:0123456789abcd", ",,,=", s.text(), strings.Repeat("a=b,", 200),
	}[s.IntN(9)])
	s.attributes(span.Attributes())
	for range s.IntN(3) {
		link := span.Links().AppendEmpty()
		link.SetTraceID(span.TraceID())
		link.SetSpanID(span.SpanID())
	}
	for range s.IntN(3) {
		event := span.Events().AppendEmpty()
		event.SetName([]string{"dead_letter", "exception", s.text()}[s.IntN(3)])
		event.SetTimestamp(s.time())
		s.attributes(event.Attributes())
	}
}

// traceID is one of a few, or none.
func (s stranger) traceID() (id pcommon.TraceID) {
	switch s.IntN(6) {
	case 0:
	case 1:
		id[0] = byte(1 + s.IntN(3))
	case 2:
		return randomTraceID(s.Rand)
	default:
		id[15] = byte(1 + s.IntN(5))
		if s.IntN(2) == 0 {
			for i := 9; i < 15; i++ {
				id[i] = 0xff
			}
		}
	}
	return id
}

// spanID is one of a few, so that spans are their own parents and each other's.
func (s stranger) spanID() pcommon.SpanID { return spanID(uint64(s.IntN(6))) }

func (s stranger) time() pcommon.Timestamp {
	switch s.IntN(6) {
	case 0:
		return 0
	case 1:
		return math.MaxUint64
	case 2:
		return pcommon.NewTimestampFromTime(epoch.AddDate(100-200*s.IntN(2), 0, 0))
	default:
		return pcommon.NewTimestampFromTime(epoch.Add(time.Duration(s.Int64N(int64(time.Minute)))))
	}
}

func (s stranger) text() string {
	switch s.IntN(8) {
	case 0:
		return ""
	case 1:
		return "\xff\xfe\x00 no text \xc3"
	case 2:
		return strings.Repeat("long ", s.IntN(4000))
	default:
		return string(rune('a' + s.IntN(4)))
	}
}

// attributes has those that mean something to the processor among others.
func (s stranger) attributes(m pcommon.Map) {
	keys := []string{
		"k0", "k1", "", "amqp.queue", "amqp.routed_queues", "amqp.dead_letter.queues", "amqp.delivery.attempt",
		"amqp.dead_letter.queue", "amqp.dead_letter.reason", "error.type", "messaging.message.id",
		attrName, attrID, attrReason, attrPath, "\xff\xfe",
	}
	for range s.IntN(5) {
		s.value(m.PutEmpty(keys[s.IntN(len(keys))]), 0)
	}
}

func (s stranger) value(v pcommon.Value, depth int) {
	switch n := s.IntN(8); {
	case n == 0:
		v.SetInt(s.Int64())
	case n == 1:
		v.SetDouble(math.Inf(1 - 2*s.IntN(2)))
	case n == 2:
		v.SetBool(true)
	case n == 3:
		v.SetEmptyBytes().FromRaw([]byte(s.text()))
	case n == 4 && depth < 20:
		list := v.SetEmptySlice()
		for range s.IntN(3) {
			s.value(list.AppendEmpty(), depth+1)
		}
	case n == 5 && depth < 20:
		m := v.SetEmptyMap()
		for range s.IntN(3) {
			s.value(m.PutEmpty(s.text()), depth+1)
		}
	case n == 6:
	default:
		v.SetStr(s.text())
	}
}

// census counts records, each with its resource and scope and without what the
// processor writes.
type census map[string]int

func (c census) addTraces(t *testing.T, td ptrace.Traces, n int) {
	t.Helper()
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				one := ptrace.NewTraces()
				r := one.ResourceSpans().AppendEmpty()
				rs.Resource().CopyTo(r.Resource())
				r.SetSchemaUrl(rs.SchemaUrl())
				to := r.ScopeSpans().AppendEmpty()
				ss.Scope().CopyTo(to.Scope())
				to.SetSchemaUrl(ss.SchemaUrl())
				out := to.Spans().AppendEmpty()
				span.CopyTo(out)
				out.TraceState().FromRaw("")
				withoutOurs(out.Attributes())
				text, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(one)
				require.NoError(t, err)
				c[string(text)] += n
			}
		}
	}
}

func (c census) addLogs(t *testing.T, ld plog.Logs, n int) {
	t.Helper()
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, record := range sl.LogRecords().All() {
				one := plog.NewLogs()
				r := one.ResourceLogs().AppendEmpty()
				rl.Resource().CopyTo(r.Resource())
				r.SetSchemaUrl(rl.SchemaUrl())
				to := r.ScopeLogs().AppendEmpty()
				sl.Scope().CopyTo(to.Scope())
				to.SetSchemaUrl(sl.SchemaUrl())
				out := to.LogRecords().AppendEmpty()
				record.CopyTo(out)
				withoutOurs(out.Attributes())
				text, err := (&plog.ProtoMarshaler{}).MarshalLogs(one)
				require.NoError(t, err)
				c[string(text)] += n
			}
		}
	}
}

func withoutOurs(attributes pcommon.Map) {
	attributes.RemoveIf(func(key string, _ pcommon.Value) bool { return strings.HasPrefix(key, "journey.") })
}

// requireNoneMore wants that nothing came out that did not go in.
func (c census) requireNoneMore(t *testing.T) {
	t.Helper()
	for text, left := range c {
		require.GreaterOrEqual(t, left, 0, "came out changed, or twice: %q", text[:min(len(text), 2000)])
	}
}

// meetStranger runs the processor with what a fuzzer has made: batches, some
// time between them, reloads and restarts now and then. Of what comes out every
// record went in, byte for byte but for what is written on it; all the others
// are accounted for, and nothing is left in memory.
func meetStranger(t *testing.T, seed uint64, send func(*testing.T, *harness, int)) {
	t.Helper()
	s := newStranger(seed)
	synctest.Test(t, func(t *testing.T) {
		h := start(t, strangersConfig)
		defer h.abandonFailed()
		for i := range 1 + s.IntN(6) {
			send(t, h, i)
			if h.wait(time.Duration(s.IntN(4000)) * time.Millisecond); s.IntN(5) == 0 {
				h.reload(strangersConfig + "storage: file_storage")
			}
			h.holdsTheLaw()
		}
		if s.IntN(2) == 0 {
			h.wait(2 * time.Minute)
			require.Zero(t, h.value("processor_journey_traces_pending"), "max_wait is over")
		}
		h.stop()
	})
}

func FuzzConsumeTraces(f *testing.F) {
	for seed := range uint64(20) {
		td := newStranger(seed).traces()
		text, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
		require.NoError(f, err)
		f.Add(seed, text)
	}
	f.Fuzz(func(t *testing.T, seed uint64, bytes []byte) {
		seen := census{}
		s := newStranger(seed)
		fuzzed, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(bytes)
		meetStranger(t, seed, func(t *testing.T, h *harness, i int) {
			if i == 0 {
				h.sink.choose(func(td ptrace.Traces) error {
					seen.addTraces(t, td, -1)
					return nil
				})
			}
			td := s.traces()
			if i%2 == 0 && err == nil {
				td = fuzzed
			}
			td.MarkReadOnly()
			if h.traces.ConsumeTraces(h.t.Context(), td) == nil {
				h.sink.locked(func() { seen.addTraces(t, td, 1) })
			}
		})
		seen.requireNoneMore(t)
	})
}

func FuzzConsumeLogs(f *testing.F) {
	for seed := range uint64(20) {
		ld := newStranger(seed).logs()
		text, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
		require.NoError(f, err)
		f.Add(seed, text)
	}
	f.Fuzz(func(t *testing.T, seed uint64, bytes []byte) {
		seen := census{}
		s := newStranger(seed)
		fuzzed, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(bytes)
		meetStranger(t, seed, func(t *testing.T, h *harness, i int) {
			if i == 0 {
				h.sink.chooseLogs = func(ld plog.Logs) { seen.addLogs(t, ld, -1) }
			}
			if s.IntN(2) == 0 { // of which some of the records may be
				_ = h.traces.ConsumeTraces(h.t.Context(), s.traces()) // may be full
			}
			ld := s.logs()
			if i%2 == 0 && err == nil {
				ld = fuzzed
			}
			ld.MarkReadOnly()
			if h.logs.ConsumeLogs(h.t.Context(), ld) == nil {
				h.sink.locked(func() { seen.addLogs(t, ld, 1) })
			}
		})
		seen.requireNoneMore(t)
	})
}
