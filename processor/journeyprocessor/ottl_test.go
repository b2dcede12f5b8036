package journeyprocessor

import (
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlspan"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/match"
)

// heldBy says whether the only span of the batch fulfils the match, and how
// often a condition failed on the way.
func heldBy(t *testing.T, c MatchConfig, td ptrace.Traces) (held bool, failures int64) {
	t.Helper()
	require.NoError(t, c.Validate())
	var failed atomic.Int64
	condition, err := c.compile(func(string, error) { failed.Add(1) })
	require.NoError(t, err)
	var set match.Set
	var candidates match.Candidates
	var bits match.Bits
	i := set.Add(condition)
	rs := td.ResourceSpans().At(0)
	set.ForResource(serviceOf(rs.Resource()), rs, &candidates)
	candidates.ForScope(rs.ScopeSpans().At(0))
	candidates.Held(rs.ScopeSpans().At(0).Spans().At(0), &bits)
	return bits.Has(i), failed.Load()
}

func TestAMatchHoldsIfPlainFieldsAndConditionsHoldOnOneSpan(t *testing.T) {
	td := batch([]span{{Trace: "a", ID: 1, Parent: 7, Service: "stock", Name: "POST /orders/17", Kind: "server", Attributes: map[string]string{"n": "12", "word": "many"}}})
	td.ResourceSpans().At(0).ScopeSpans().At(0).Scope().SetName("scope")
	events := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Events()
	events.AppendEmpty().SetName("retry")
	thrown := events.AppendEmpty()
	thrown.SetName("exception")
	thrown.Attributes().PutStr("exception.type", "timeout")
	for _, test := range []struct {
		name     string
		c        MatchConfig
		want     bool
		failures int64
	}{
		{"path without context", MatchConfig{Condition: `name == "POST /orders/17"`}, true, 0},
		{"path with context", MatchConfig{Condition: `span.name == "POST /orders/17"`}, true, 0},
		{"resource path", MatchConfig{Condition: `resource.attributes["service.name"] == "stock"`}, true, 0},
		{"scope path", MatchConfig{Condition: `scope.name == "scope"`}, true, 0},
		{"converter", MatchConfig{Condition: `IsMatch(name, "^POST /orders/[0-9]+$")`}, true, 0},
		{"enum", MatchConfig{Condition: `kind == SPAN_KIND_CLIENT`}, false, 0},
		{"root", MatchConfig{Condition: `IsRootSpan()`}, false, 0},
		{"with plain fields", MatchConfig{Service: "stock", Condition: `kind == SPAN_KIND_SERVER`}, true, 0},
		{"a plain field that does not hold", MatchConfig{Kind: "client", Condition: `kind == SPAN_KIND_SERVER`}, false, 0},
		{"absent attribute", MatchConfig{Condition: `attributes["absent"] == "x"`}, false, 0},
		{"resource condition", MatchConfig{ResourceCondition: `attributes["service.name"] == "stock"`}, true, 0},
		{"resource condition that does not hold", MatchConfig{Condition: `true`, ResourceCondition: `attributes["service.name"] == "mail"`}, false, 0},
		{"both", MatchConfig{Condition: `kind == SPAN_KIND_SERVER`, ResourceCondition: `resource.attributes["service.name"] == "stock"`}, true, 0},
		{"an event", MatchConfig{EventCondition: `name == "exception" and attributes["exception.type"] == "timeout"`}, true, 0},
		{"event path with context", MatchConfig{EventCondition: `spanevent.name == "retry" and span.kind == SPAN_KIND_SERVER`}, true, 0},
		{"not of one and the same event", MatchConfig{EventCondition: `name == "retry" and attributes["exception.type"] == "timeout"`}, false, 0},
		{"an event of another span", MatchConfig{Condition: `name == "GET /"`, EventCondition: `name == "exception"`}, false, 0},
		{"a failure in one event", MatchConfig{EventCondition: `Double(attributes["exception.type"]) > 3 or name == "retry"`}, true, 0},
		{"a failure in an event", MatchConfig{EventCondition: `Double(attributes["exception.type"]) > 3`}, false, 1},
		{"a failure", MatchConfig{Condition: `Double(attributes["word"]) > 3`}, false, 1},
		{"a failure in the resource", MatchConfig{ResourceCondition: `Double(attributes["service.name"]) > 3`}, false, 1},
		{"a failure that is not reached", MatchConfig{Service: "mail", Condition: `Double(attributes["word"]) > 3`}, false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			held, failures := heldBy(t, test.c, td)
			require.Equal(t, test.want, held)
			require.Equal(t, test.failures, failures)
		})
	}
}

// TestPlainTermsMeanWhatOTTLMeans makes random conditions and random spans, and
// asks OTTL itself.
func TestPlainTermsMeanWhatOTTLMeans(t *testing.T) {
	rnd := newRandom(t)
	texts := []string{"a", "and", ` or `, `q"uo\te`, "(", "5", ""}
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	quoted := func() string { return strconv.Quote(pick(texts...)) }
	term := func() string {
		is := pick(" == ", "!=", "==", "  !=  ")
		switch rnd.IntN(7) {
		case 0:
			return pick("name", "span.name") + is + quoted()
		case 1:
			return pick("kind", "span.kind") + is + pick(slices.Sorted(maps.Keys(plainKinds))...)
		case 2:
			return "status.code" + is + pick(slices.Sorted(maps.Keys(plainStatuses))...)
		case 3:
			return pick("attributes", "span.attributes") + "[" + quoted() + "]" + is + pick(quoted(), "nil", "5")
		case 4:
			return "resource.attributes[" + quoted() + "]" + is + pick(quoted(), "nil")
		case 5:
			return "IsRootSpan()"
		}
		return pick(`IsMatch(name, "a")`, `not (name == "a")`, `not IsRootSpan()`, `(name == "a" or kind == SPAN_KIND_SERVER)`, `true`)
	}
	plain, held := 0, 0
	for range 1000 {
		condition := term()
		for range rnd.IntN(3) {
			condition += pick(" and ", " and ", " and ", " or ") + term()
		}
		whole, err := compileSpanCondition(condition, ignoreFailure)
		require.NoError(t, err, condition)
		if plainTerms(condition, &match.Condition{}) != condition {
			plain++
		}
		td := batch([]span{{Trace: "a", ID: 1, Parent: uint64(rnd.IntN(2)), Name: pick(texts...), Kind: pick("server", "client", "")}})
		rs := td.ResourceSpans().At(0)
		s := rs.ScopeSpans().At(0).Spans().At(0)
		for _, attributes := range []pcommon.Map{s.Attributes(), rs.Resource().Attributes()} {
			attributes.PutStr(pick(texts...), pick(texts...))
			attributes.PutInt(pick(texts...), 5)
			attributes.PutEmpty(pick(texts...))
		}
		s.Status().SetCode(ptrace.StatusCode(rnd.IntN(3)))
		c := ottlspan.NewTransformContextPtr(rs, rs.ScopeSpans().At(0), s)
		want := whole(c)
		c.Close()
		got, _ := heldBy(t, MatchConfig{Condition: condition}, td)
		require.Equal(t, want, got, condition)
		if got {
			held++
		}
	}
	require.Greater(t, plain, 300)
	require.Greater(t, held, 100)
}

// BenchmarkRules asks what the same rules cost as plain fields and as OTTL, for
// a span of a usual SDK's batch, from ConsumeTraces on: benchmarks of the whole
// are in bench. "none" has no rules that look at spans.
func BenchmarkRules(b *testing.B) {
	plain := []MatchConfig{
		{Service: "service-1", Span: "POST /api/checkout", Root: true},
		{Service: "service-2", Kind: "server"},
		{Kind: "consumer", Attributes: map[string]string{"messaging.destination.name": "orders"}},
		{Status: "error"},
		{Attributes: map[string]string{"http.route": "/api/giftcards"}},
		{Kind: "client", Attributes: map[string]string{"semantic.attribute.7": "a value of another length"}},
	}
	expressions := []MatchConfig{
		{Condition: `resource.attributes["service.name"] == "service-1" and name == "POST /api/checkout" and IsRootSpan()`},
		{Condition: `resource.attributes["service.name"] == "service-2" and kind == SPAN_KIND_SERVER`},
		{Condition: `kind == SPAN_KIND_CONSUMER and attributes["messaging.destination.name"] == "orders"`},
		{Condition: `status.code == STATUS_CODE_ERROR`},
		{Condition: `attributes["http.route"] == "/api/giftcards"`},
		{Condition: `kind == SPAN_KIND_CLIENT and attributes["semantic.attribute.7"] == "a value of another length"`},
	}
	converters := []MatchConfig{
		{Condition: `IsMatch(name, "^DELETE ") and kind == SPAN_KIND_SERVER`},
		{Condition: `Len(attributes) > 64`},
	}
	for _, test := range []struct {
		name    string
		matches []MatchConfig
	}{{"none", nil}, {"plain", plain}, {"ottl", expressions}, {"two ottl converters", converters}} {
		b.Run(test.name, func(b *testing.B) {
			var set match.Set
			for i := range test.matches {
				condition, err := test.matches[i].compile(ignoreFailure)
				require.NoError(b, err)
				set.Add(condition)
			}
			rs := shopBatch(1).ResourceSpans().At(0)
			spans := rs.ScopeSpans().At(0).Spans()
			var candidates match.Candidates
			b.ReportAllocs()
			for b.Loop() {
				set.ForResource("service-1", rs, &candidates)
				candidates.ForScope(rs.ScopeSpans().At(0))
				for _, span := range spans.All() {
					var bits match.Bits
					candidates.Held(span, &bits)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*spans.Len()), "ns/span")
		})
	}
}
