// Package match says which of a fixed list of conditions a span fulfils.
//
// Every condition of the configuration (journeys, steps, rules) is compiled
// into one Set. A span is held against the whole set once, when it arrives;
// what held is kept as Bits, and nobody looks at the span again.
package match

import (
	"strings"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlresource"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlspan"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlspanevent"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Condition holds for a span that fulfils all of its fields; an empty field
// asks for nothing. Texts are compared as a whole and letter by letter, "*"
// stands for any run of characters.
type Condition struct {
	Service    string
	Span       string
	Kind       *ptrace.SpanKind
	Status     *ptrace.StatusCode
	Attributes map[string]string // looked up on the span, then on its resource
	Root       bool              // the span has no parent

	// Tests and ResourceTests must all hold as well.
	Tests         []func(ptrace.Span) bool
	ResourceTests []func(pcommon.Resource) bool
	// Expression, EventExpression (of which one event of the span must fulfil
	// it) and ResourceExpression are compiled OTTL, nil for none.
	Expression         Expression
	EventExpression    EventExpression
	ResourceExpression ResourceExpression
}

// Expression is compiled OTTL in the span context. Any goroutine may call it,
// and it keeps nothing of what it is given.
type Expression func(*ottlspan.TransformContext) bool

// EventExpression is the same in the span event context.
type EventExpression func(*ottlspanevent.TransformContext) bool

// ResourceExpression is the same in the resource context.
type ResourceExpression func(*ottlresource.TransformContext) bool

// Index is a condition's place in its Set.
type Index int

// Set is a compiled list of conditions. It does not change after its last Add
// and may then be used by any number of goroutines.
type Set struct {
	conditions []compiled
}

type compiled struct {
	service, span text
	kind          *ptrace.SpanKind
	status        *ptrace.StatusCode
	attributes    []attribute
	root          bool
	tests         []func(ptrace.Span) bool
	resourceTests []func(pcommon.Resource) bool
	expression    Expression
	event         EventExpression
	resource      ResourceExpression
}

type attribute struct {
	key   string
	value text
}

// Add appends a condition and returns its place.
func (s *Set) Add(c Condition) Index {
	cc := compiled{
		service: newText(c.Service), span: newText(c.Span),
		kind: c.Kind, status: c.Status, root: c.Root,
		tests: c.Tests, resourceTests: c.ResourceTests,
		expression: c.Expression, event: c.EventExpression, resource: c.ResourceExpression,
	}
	for k, v := range c.Attributes {
		cc.attributes = append(cc.attributes, attribute{key: k, value: newText(v)})
	}
	s.conditions = append(s.conditions, cc)
	return Index(len(s.conditions) - 1)
}

// Len is the number of conditions.
func (s *Set) Len() int { return len(s.conditions) }

// Candidates are the conditions that spans of one resource can still fulfil.
// They are not for concurrent use.
type Candidates struct {
	set      *Set
	resource ptrace.ResourceSpans
	scope    ptrace.ScopeSpans
	left     []Index
}

// ForResource fills c with what spans of this resource can fulfil; c's memory
// is used again. Say ForScope before Held.
func (s *Set) ForResource(service string, resource ptrace.ResourceSpans, c *Candidates) {
	c.set, c.resource, c.left = s, resource, c.left[:0]
	var context *ottlresource.TransformContext
	for i := range s.conditions {
		one := &s.conditions[i]
		if !one.service.matches(service) || !allHold(one.resourceTests, resource.Resource()) {
			continue
		}
		if one.resource != nil && context == nil {
			context = ottlresource.NewTransformContextPtr(resource.Resource(), resource)
		}
		if one.resource == nil || one.resource(context) {
			c.left = append(c.left, Index(i))
		}
	}
	if context != nil {
		context.Close()
	}
}

// ForScope says to which scope the next spans belong.
func (c *Candidates) ForScope(scope ptrace.ScopeSpans) { c.scope = scope }

// Held sets in bits each condition that this one span fulfils. Of each the
// plain fields are looked at first, because an expression costs ten times more.
func (c *Candidates) Held(span ptrace.Span, bits *Bits) {
	var context *ottlspan.TransformContext
	for _, i := range c.left {
		one := &c.set.conditions[i]
		if bits.Has(i) || !one.holds(span, c.resource) {
			continue
		}
		if one.expression != nil && context == nil {
			context = ottlspan.NewTransformContextPtr(c.resource, c.scope, span)
		}
		if (one.expression == nil || one.expression(context)) && c.hasEvent(span, one) {
			bits.Set(i)
		}
	}
	if context != nil {
		context.Close()
	}
}

// hasEvent says whether an event of the span fulfils the condition's expression
// about events, if it has one.
func (c *Candidates) hasEvent(span ptrace.Span, one *compiled) bool {
	if one.event == nil {
		return true
	}
	for _, event := range span.Events().All() {
		context := ottlspanevent.NewTransformContextPtr(c.resource, c.scope, span, event)
		holds := one.event(context)
		context.Close()
		if holds {
			return true
		}
	}
	return false
}

// holds looks at the plain fields.
func (c *compiled) holds(span ptrace.Span, resource ptrace.ResourceSpans) bool {
	if c.root && !span.ParentSpanID().IsEmpty() ||
		c.kind != nil && span.Kind() != *c.kind ||
		c.status != nil && span.Status().Code() != *c.status ||
		!c.span.matches(span.Name()) {
		return false
	}
	for _, a := range c.attributes {
		value, ok := span.Attributes().Get(a.key)
		if !ok {
			value, ok = resource.Resource().Attributes().Get(a.key)
		}
		if !ok || !a.value.matchesValue(value) {
			return false
		}
	}
	return allHold(c.tests, span)
}

func allHold[T any](tests []func(T) bool, of T) bool {
	for _, test := range tests {
		if !test(of) {
			return false
		}
	}
	return true
}

// text is a pattern, cut at its stars. A nil text matches everything.
type text []string

func newText(pattern string) text {
	if pattern == "" {
		return nil
	}
	return strings.Split(pattern, "*")
}

func (t text) matchesValue(v pcommon.Value) bool {
	if v.Type() == pcommon.ValueTypeStr {
		return t.matches(v.Str())
	}
	return t.matches(v.AsString())
}

func (t text) matches(s string) bool {
	if t == nil {
		return true
	}
	last := len(t) - 1
	if last == 0 {
		return s == t[0]
	}
	if !strings.HasPrefix(s, t[0]) {
		return false
	}
	s = s[len(t[0]):]
	for _, part := range t[1:last] {
		at := strings.Index(s, part)
		if at < 0 {
			return false
		}
		s = s[at+len(part):]
	}
	return strings.HasSuffix(s, t[last])
}
