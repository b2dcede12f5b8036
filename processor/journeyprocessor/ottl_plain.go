package journeyprocessor

import (
	"regexp"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/match"
)

// Most OTTL conditions are comparisons joined by "and", for which OTTL needs
// ten times what a plain field does. plainTerms takes those out of a condition
// that OTTL has accepted, and returns what is left for OTTL, "" if nothing is.
// TestPlainTermsMeanWhatOTTLMeans holds both against each other.
func plainTerms(condition string, m *match.Condition) (rest string) {
	terms, ok := splitTerms(condition)
	if !ok {
		return condition
	}
	var left []string
	for _, term := range terms {
		if !addPlainTerm(term, m) {
			left = append(left, term)
		}
	}
	return strings.Join(left, " and ")
}

// splitTerms splits a condition at each "and" that stands in no parentheses,
// brackets or text. It is false if there is an "or" beside them.
func splitTerms(condition string) (terms []string, ok bool) {
	depth, begin, inText := 0, 0, false
	for i := 0; i < len(condition); i++ {
		switch c := condition[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			depth--
		case depth > 0:
		case isWord(condition, i, "or"):
			return nil, false
		case isWord(condition, i, "and"):
			terms = append(terms, strings.TrimSpace(condition[begin:i]))
			begin = i + len("and")
		}
	}
	return append(terms, strings.TrimSpace(condition[begin:])), true
}

// isWord says whether the word stands at i, with nothing around it that could
// belong to it.
func isWord(s string, i int, word string) bool {
	inWord := func(i int) bool {
		return i >= 0 && i < len(s) && (s[i] == '_' || s[i] == '.' || s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z' || s[i] >= '0' && s[i] <= '9')
	}
	return strings.HasPrefix(s[i:], word) && !inWord(i-1) && !inWord(i+len(word))
}

// plainTerm is a comparison: a path, perhaps with a key, and a text, an enum or
// nil that it is, or is not.
var plainTerm = regexp.MustCompile(`^((?:span\.|resource\.)?[a-z.]+)(?:\[("(?:[^"\\]|\\.)*")\])?\s*(==|!=)\s*("(?:[^"\\]|\\.)*"|[A-Z_]+|nil)$`)

// Enums of the OTTL span context, as its README lists them.
var (
	plainKinds = map[string]ptrace.SpanKind{
		"SPAN_KIND_UNSPECIFIED": ptrace.SpanKindUnspecified, "SPAN_KIND_INTERNAL": ptrace.SpanKindInternal,
		"SPAN_KIND_SERVER": ptrace.SpanKindServer, "SPAN_KIND_CLIENT": ptrace.SpanKindClient,
		"SPAN_KIND_PRODUCER": ptrace.SpanKindProducer, "SPAN_KIND_CONSUMER": ptrace.SpanKindConsumer,
	}
	plainStatuses = map[string]ptrace.StatusCode{
		"STATUS_CODE_UNSET": ptrace.StatusCodeUnset, "STATUS_CODE_OK": ptrace.StatusCodeOk, "STATUS_CODE_ERROR": ptrace.StatusCodeError,
	}
)

// addPlainTerm adds the term's test to m; false if it is not a plain one.
func addPlainTerm(term string, m *match.Condition) bool {
	if term == "IsRootSpan()" {
		m.Tests = append(m.Tests, func(span ptrace.Span) bool { return span.ParentSpanID().IsEmpty() })
		return true
	}
	parts := plainTerm.FindStringSubmatch(term)
	if parts == nil {
		return false
	}
	path, is, value := strings.TrimPrefix(parts[1], "span."), parts[3] == "==", parts[4]
	if parts[2] != "" {
		return addAttributeTest(path, parts[2], is, value, m)
	}
	text, err := strconv.Unquote(value)
	isText := err == nil
	kind, isKind := plainKinds[value]
	status, isStatus := plainStatuses[value]
	switch {
	case path == "name" && isText:
		m.Tests = append(m.Tests, func(span ptrace.Span) bool { return (span.Name() == text) == is })
	case path == "kind" && isKind:
		m.Tests = append(m.Tests, func(span ptrace.Span) bool { return (span.Kind() == kind) == is })
	case path == "status.code" && isStatus:
		m.Tests = append(m.Tests, func(span ptrace.Span) bool { return (span.Status().Code() == status) == is })
	default:
		return false
	}
	return true
}

// addAttributeTest adds a test of an attribute of the span or of its resource.
func addAttributeTest(path, quotedKey string, is bool, value string, m *match.Condition) bool {
	key, err := strconv.Unquote(quotedKey)
	if err != nil || path != "attributes" && path != "resource.attributes" {
		return false
	}
	test := func(attributes pcommon.Map) bool {
		v, ok := attributes.Get(key)
		return (!ok || v.Type() == pcommon.ValueTypeEmpty) == is
	}
	if value != "nil" {
		text, err := strconv.Unquote(value)
		if err != nil {
			return false
		}
		test = func(attributes pcommon.Map) bool {
			v, ok := attributes.Get(key)
			return (ok && v.Type() == pcommon.ValueTypeStr && v.Str() == text) == is
		}
	}
	if path == "attributes" {
		m.Tests = append(m.Tests, func(span ptrace.Span) bool { return test(span.Attributes()) })
	} else {
		m.ResourceTests = append(m.ResourceTests, func(resource pcommon.Resource) bool { return test(resource.Attributes()) })
	}
	return true
}
