package migration

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// example is a trace made of what policies ask for. The root is sent first and
// lasts as long as the trace, and durations are whole milliseconds: where they
// are not, tail_sampling is known to decide otherwise.
type example struct {
	id       pcommon.TraceID
	spans    int
	took     time.Duration
	async    time.Duration // if longer, of one span below the root
	status   ptrace.StatusCode
	onSpans  map[string]any // of one span
	onRoot   string         // the root's attribute n, if there is one
	resource map[string]any // of the resource of one span
	event    string         // the type of an exception on one span
	state    string
	flags    uint32
}

func (e *example) String() string {
	return fmt.Sprintf("%d spans, %v, %v, span %v, resource %v, event %q, state %q, flags %d",
		e.spans, e.took, e.status, e.onSpans, e.resource, e.event, e.state, e.flags)
}

// sort is by what the examples with shares ask for.
func (e *example) sort() string {
	return fmt.Sprintf("route %v, tenant %v, %v", e.onSpans["http.route"], e.resource["tenant"], e.status)
}

// The words of which traces and drawn policies are made.
var (
	routes   = []any{"/checkout", "/cart", "/orders", "/health", "/metrics", "/items/7", "/*", ""}
	tenants  = []any{"gold", "silver", "golden", "", nil}
	services = []any{"gateway", "stock"}
	codes    = []any{int64(200), int64(404), int64(499), int64(503), int64(0), int64(-3), 404.5, "404", true, nil}
	truths   = []any{true, false, "true", int64(1), nil}
	anything = []any{"text", "", int64(7), false, nil}
	states   = []string{"", "vendor=a", "other=b,vendor=b", "vendor=c", "vendor=a;=;,,"}
	kinds    = []string{"", "timeout", "refused"}
)

func generate(seed uint64, n int) []*example {
	r := rand.New(rand.NewPCG(seed, 1))
	var all []*example
	for range n {
		e := &example{
			spans: 1 + r.IntN(8), took: time.Duration(1+r.IntN(1000)) * time.Millisecond,
			status:  ptrace.StatusCode(max(0, r.IntN(5)-2)),
			onSpans: map[string]any{"http.route": pick(r, routes), "http.status_code": pick(r, codes), "cached": pick(r, truths), "mixed": pick(r, anything)},
			resource: map[string]any{
				"service.name": pick(r, services), "tenant": pick(r, tenants),
				"http.status_code": pick(r, append(codes, make([]any, 20)...)), "cached": pick(r, append(truths, make([]any, 20)...)), "mixed": pick(r, anything),
			},
			event: pick(r, kinds), state: pick(r, states), flags: pick(r, []uint32{0, 1, 2, 0x100, 0x301}),
		}
		binary.BigEndian.PutUint64(e.id[:8], r.Uint64())
		binary.BigEndian.PutUint64(e.id[8:], r.Uint64())
		all = append(all, e)
	}
	return all
}

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// plainExample is one that no policy of the examples of differences matches.
func plainExample() *example {
	return &example{
		id: pcommon.TraceID{1, 2, 3, 15: 9}, spans: 2, took: 10 * time.Millisecond,
		onSpans: map[string]any{}, resource: map[string]any{"service.name": "gateway"},
	}
}

// batches are the root's and that of the others. What is special is on the last
// span, which is the root if there is no other.
func (e *example) batches() []ptrace.Traces {
	batches := []ptrace.Traces{e.batch(0, 1)}
	if e.spans > 1 {
		batches = append(batches, e.batch(1, e.spans))
	}
	return batches
}

func (e *example) batch(from, to int) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "gateway")
	if to == e.spans {
		putAll(rs.Resource().Attributes(), e.resource)
	}
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	start := time.Unix(1000, 0)
	for i := from; i < to; i++ {
		span := spans.AppendEmpty()
		span.SetTraceID(e.id)
		span.SetSpanID(pcommon.SpanID{byte(i + 1)})
		span.SetName("work")
		span.SetFlags(e.flags &^ 1)
		if e.onRoot != "" && i == 0 {
			span.Attributes().PutStr("n", e.onRoot)
		}
		took := e.took
		if i > 0 {
			span.SetParentSpanID(pcommon.SpanID{1})
			took = max(e.took/2, e.async)
		}
		span.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
		span.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(took)))
		if i == e.spans-1 {
			e.special(span)
		}
	}
	return td
}

func (e *example) special(span ptrace.Span) {
	putAll(span.Attributes(), e.onSpans)
	span.Status().SetCode(e.status)
	span.TraceState().FromRaw(e.state)
	span.SetFlags(e.flags)
	if e.event != "" {
		span.Events().AppendEmpty().SetName("retry")
		thrown := span.Events().AppendEmpty()
		thrown.SetName("exception")
		thrown.Attributes().PutStr("exception.type", e.event)
	}
}

func putAll(to pcommon.Map, values map[string]any) {
	for key, value := range values {
		if value != nil {
			_ = to.PutEmpty(key).FromRaw(value) // of types that it knows
		}
	}
}

// drawing draws policies.
type drawing struct{ *rand.Rand }

// policies are two to five; chance is how often one is about a share.
func (d drawing) policies(chance float64) string {
	var b strings.Builder
	b.WriteString("tail_sampling:\n  policies:\n")
	for i := range 2 + d.IntN(4) {
		fmt.Fprintf(&b, "    - %s\n", d.policy(fmt.Sprintf("p%d", i), chance))
	}
	return b.String()
}

func (d drawing) policy(name string, chance float64) string {
	switch n := d.IntN(10); {
	case n < 4:
		return d.simple(name, chance)
	case n < 6:
		return d.not(name)
	case n < 9:
		return fmt.Sprintf("{name: %s, type: and, and: {and_sub_policy: [%s]}}", name, d.several(chance))
	}
	return fmt.Sprintf("{name: %s, type: drop, drop: {drop_sub_policy: [%s]}}", name, d.several(0))
}

func (d drawing) several(chance float64) string {
	var all []string
	for i := range 1 + d.IntN(3) {
		name := fmt.Sprintf("s%d", i)
		if d.IntN(3) == 0 {
			all = append(all, d.not(name))
			continue
		}
		all = append(all, d.simple(name, chance))
	}
	return strings.Join(all, ", ")
}

func (d drawing) not(name string) string {
	return fmt.Sprintf("{name: %s, type: not, not: {not_sub_policy: %s}}", name, d.simple("of", 0))
}

func (d drawing) simple(name string, chance float64) string {
	kind, settings := "probabilistic", fmt.Sprintf("{sampling_percentage: %d}", 1+d.IntN(99))
	if d.Float64() >= chance {
		kind, settings = d.certain()
	}
	return fmt.Sprintf("{name: %s, type: %s, %s: %s}", name, kind, kind, settings)
}

func (d drawing) certain() (kind, settings string) {
	invert := d.IntN(3) == 0
	switch d.IntN(9) {
	case 0:
		from := d.IntN(900)
		return "latency", fmt.Sprintf("{threshold_ms: %d, upper_threshold_ms: %d}", from, d.IntN(2)*(from+d.IntN(500)))
	case 1:
		low := []int{0, -5, 0, 400, 500}[d.IntN(5)]
		return "numeric_attribute", fmt.Sprintf("{key: http.status_code, min_value: %d, max_value: %d, invert_match: %t}", low, low+d.IntN(300)+1, invert)
	case 2:
		return "status_code", fmt.Sprintf("{status_codes: [%s]}", []string{"OK", "ERROR", "UNSET, OK", "ERROR, OK"}[d.IntN(4)])
	case 3:
		return "string_attribute", fmt.Sprintf("{key: http.route, values: [%q, %q], invert_match: %t}", pick(d.Rand, routes), pick(d.Rand, routes), invert)
	case 4:
		return "string_attribute", fmt.Sprintf("{key: mixed, values: [%q, %q], enabled_regex_matching: true, invert_match: %t}",
			pick(d.Rand, []string{".", "^$", "t"}), pick(d.Rand, []string{"x", "e", ".*"}), invert)
	case 5:
		return "span_count", fmt.Sprintf("{min_spans: %d, max_spans: %d}", d.IntN(5), d.IntN(9))
	case 6:
		return "boolean_attribute", fmt.Sprintf("{key: cached, value: %t, invert_match: %t}", d.IntN(2) == 0, invert)
	case 7:
		return "ottl_condition", `{span: ['attributes["http.route"] == "/cart"'], spanevent: ['attributes["exception.type"] == "timeout"']}`
	}
	return "trace_state", fmt.Sprintf("{key: vendor, values: [%s]}", pick(d.Rand, []string{"a", "a, b", "c"}))
}
