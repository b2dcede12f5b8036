package match

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

func someSpan() (ptrace.Span, ptrace.ResourceSpans) {
	rs := ptrace.NewResourceSpans()
	resource := rs.Resource().Attributes()
	resource.PutStr("service.name", "stock")
	resource.PutStr("deployment.environment.name", "prod")
	span := ptrace.NewSpan()
	span.SetName("POST /api/checkout")
	span.SetKind(ptrace.SpanKindServer)
	span.Status().SetCode(ptrace.StatusCodeError)
	span.Attributes().PutInt("http.response.status_code", 500)
	span.Attributes().PutStr("tenant", "a")
	return span, rs
}

func ptr[T any](v T) *T { return &v }

func TestAConditionHoldsIfOneSpanFulfilsAllOfIt(t *testing.T) {
	for _, test := range []struct {
		name string
		c    Condition
		want bool
	}{
		{"nothing asked", Condition{}, true},
		{"service", Condition{Service: "stock"}, true},
		{"another service", Condition{Service: "gateway"}, false},
		{"span", Condition{Span: "POST /api/checkout"}, true},
		{"a part of the name is not the name", Condition{Span: "POST /api"}, false},
		{"letters count", Condition{Span: "post /api/checkout"}, false},
		{"star", Condition{Span: "* /api/*"}, true},
		{"kind", Condition{Kind: ptr(ptrace.SpanKindServer)}, true},
		{"another kind", Condition{Kind: ptr(ptrace.SpanKindClient)}, false},
		{"status", Condition{Status: ptr(ptrace.StatusCodeError)}, true},
		{"another status", Condition{Status: ptr(ptrace.StatusCodeUnset)}, false},
		{"number as text", Condition{Attributes: map[string]string{"http.response.status_code": "500"}}, true},
		{"5xx", Condition{Attributes: map[string]string{"http.response.status_code": "5*"}}, true},
		{"resource attribute", Condition{Attributes: map[string]string{"deployment.environment.name": "prod"}}, true},
		{"absent attribute", Condition{Attributes: map[string]string{"absent": "*"}}, false},
		{"root", Condition{Root: true}, true},
		{"all but one", Condition{Service: "stock", Span: "POST*", Attributes: map[string]string{"tenant": "b"}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			span, resource := someSpan()
			var set Set
			var c Candidates
			var held Bits
			i := set.Add(test.c)
			set.ForResource("stock", resource, &c)
			c.Held(span, &held)
			require.Equal(t, test.want, held.Has(i))
		})
	}
}

func TestASpanWithAParentIsNoRoot(t *testing.T) {
	span, resource := someSpan()
	span.SetParentSpanID(pcommon.SpanID{1})
	var set Set
	var c Candidates
	var held Bits
	i := set.Add(Condition{Root: true})
	set.ForResource("stock", resource, &c)
	c.Held(span, &held)
	require.False(t, held.Has(i))
}

func TestStarsMatchLikeARegularExpression(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	letters := func(alphabet string, n int) string {
		var b strings.Builder
		for range rnd.IntN(n) {
			b.WriteByte(alphabet[rnd.IntN(len(alphabet))])
		}
		return b.String()
	}
	for range 20000 {
		pattern, s := "a"+letters("ab*", 6), letters("ab", 8)
		want := regexp.MustCompile("^" + strings.ReplaceAll(pattern, "*", ".*") + "$").MatchString(s)
		require.Equal(t, want, newText(pattern).matches(s), "%q against %q", s, pattern)
	}
}

func TestBitsAreASet(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var a, b Bits
		model := map[Index]bool{}
		for range rnd.IntN(50) {
			i := Index(rnd.IntN(300))
			model[i] = true
			if rnd.IntN(2) == 0 {
				a.Set(i)
			} else {
				b.Set(i)
			}
		}
		a.Merge(&b)
		for i := range Index(400) {
			require.Equal(t, model[i], a.Has(i))
		}
	}
}
