package tailconvert

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// serviceName is the attribute that `match` has a field for.
const serviceName = "service.name"

// attribute is how OTTL calls one, of a span in the span context and of a
// resource in the resource context.
func attribute(key string) string { return "attributes[" + strconv.Quote(key) + "]" }

// onEither holds if a span, or a resource, fulfils its condition: tail_sampling
// looks at the attributes of both.
func onEither(span, resource string) when {
	return anyOf(condition("condition", span), condition("resource_condition", resource))
}

// inverted reads invert_match: sampled if neither a span nor a resource matches.
func (p *policy) inverted(t *term) {
	if p.own.boolean("invert_match") {
		t.when = not(t.when)
	}
}

func numericAttribute(p *policy) term {
	t := term{}
	key, low, high := p.own.text("key"), p.own.integer("min_value"), p.own.integer("max_value")
	if low == 0 && high == 0 {
		p.add(p.own.node, "%s: min_value or max_value must be set and not 0: tail_sampling takes 0 for no bound", p.own.path)
	}
	a := attribute(key)
	var bounds []string
	for _, bound := range []struct {
		name, operator string
		value          int64
	}{{"min_value", ">=", low}, {"max_value", "<=", high}} {
		switch {
		case bound.value != 0:
			bounds = append(bounds, fmt.Sprintf("%s %s %d", a, bound.operator, bound.value))
		case p.own.has(bound.name):
			t.note("%s: 0 is no bound, as in tail_sampling.", bound.name)
		}
	}
	test := "IsInt(" + a + ") and " + strings.Join(bounds, " and ")
	if low <= 0 && (high >= 0) {
		// tail_sampling takes whatever is no whole number for 0.
		test = a + " != nil and (not IsInt(" + a + ") or " + strings.Join(bounds, " and ") + ")"
	}
	t.when = onEither(test, test)
	if low != 0 && high != 0 && low > high {
		t.when = never
		t.note("policy %q: no number is at least %d and at most %d.", p.name, low, high)
	}
	p.inverted(&t)
	return t
}

func booleanAttribute(p *policy) term {
	t := term{}
	a := attribute(p.own.text("key"))
	test := a + " == true"
	if !p.own.boolean("value") {
		test = a + " != nil and " + a + " != true" // tail_sampling takes whatever is no boolean for false
	}
	t.when = onEither(test, test)
	p.inverted(&t)
	return t
}

func stringAttribute(p *policy) term {
	t := term{}
	key, values := p.own.text("key"), p.own.texts("values")
	byPattern := p.own.boolean("enabled_regex_matching")
	if p.own.integer("cache_max_size") != 0 {
		t.note("cache_max_size is not needed: conditions are asked once for each span as it arrives.")
	}
	if byPattern {
		t.when = p.patterns(key, values)
	} else {
		t.when = p.values(key, values)
	}
	if t.when.isNever() {
		t.note("policy %q has no value to compare with.", p.name)
	}
	p.inverted(&t)
	return t
}

// values compares with plain fields where they can say it, as a user would
// write it.
func (p *policy) values(key string, values []string) when {
	var conditions []when
	for _, value := range values {
		switch {
		case value == "":
		case strings.Contains(value, "*") || strings.Contains(key, "::"):
			// A star would stand for any text, and "::" divides keys.
			test := attribute(key) + " == " + strconv.Quote(value)
			conditions = append(conditions, onEither(test, test))
		case key == serviceName:
			p.remarks.texts = true
			conditions = append(conditions, leaf("match", mappingNode("service", textNode(value))))
		default:
			p.remarks.texts = true
			conditions = append(conditions, leaf("match", mappingNode("attributes", mappingNode(key, textNode(value)))))
		}
	}
	return anyOf(conditions...)
}

// patterns compares with regular expressions. tail_sampling looks at texts; of
// those of spans not at empty ones, and of resources at other values as if they
// were empty.
func (p *policy) patterns(key string, patterns []string) when {
	a := attribute(key)
	var tests []string
	matchesEmpty := false
	for _, pattern := range patterns {
		expression, err := regexp.Compile(strings.ReplaceAll(pattern, "$$", "$"))
		if err != nil {
			p.add(p.own.fields["values"], "%s: %w", p.own.at("values"), err)
			continue
		}
		matchesEmpty = matchesEmpty || expression.MatchString("")
		tests = append(tests, "IsMatch("+a+", "+strconv.Quote(pattern)+")")
	}
	if len(tests) == 0 {
		return never
	}
	test := strings.Join(tests, " or ")
	if len(tests) > 1 {
		test = "(" + test + ")"
	}
	isText := "IsString(" + a + ") and "
	if !matchesEmpty {
		return onEither(isText+test, isText+test)
	}
	return onEither(isText+a+` != "" and `+test, a+" != nil and (not IsString("+a+") or "+test+")")
}
