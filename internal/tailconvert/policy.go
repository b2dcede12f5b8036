package tailconvert

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// term is what a policy samples: of the traces for which a condition holds all,
// or what chance lets through. A composite policy has several, of which one is
// enough.
type term struct {
	name  string
	when  when
	draws []draw // one of which lets a trace through; none for all traces
	minus []draw // none of which may
	limit *limit // nil: as much as comes
	notes []note
}

// keep is the share, from 0 to 1.
func (t *term) keep() float64 {
	if len(t.draws) == 0 {
		return share([]draw{{}}, t.minus)
	}
	return share(t.draws, t.minus)
}

// draw is that of a term of one policy.
func (t *term) draw() draw {
	if len(t.draws) == 0 {
		return draw{}
	}
	return t.draws[0]
}

// note is a comment in the output. Missing: something has no equivalent.
type note struct {
	text    string
	missing bool
}

func (t *term) note(format string, args ...any) {
	t.notes = append(t.notes, note{text: fmt.Sprintf(format, args...)})
}

// nothing makes t a policy that samples nothing, with the reason.
func (t *term) nothing(format string, args ...any) {
	t.when = never
	t.note(format, args...)
}

// lacks is the same of what there is no equivalent for.
func (t *term) lacks(format string, args ...any) {
	t.when = never
	t.notes = append(t.notes, note{text: "NO EQUIVALENT: " + fmt.Sprintf(format, args...), missing: true})
}

// policy is one while it is read.
type policy struct {
	*mapping          // of the policy
	own      *mapping // its settings, under its type's name
	name     string
	kind     string
	remarks  *remarks
}

// remarks are notes that are made once for a whole processor.
type remarks struct {
	texts        bool // plain texts are compared
	milliseconds bool // durations are compared
	chance       bool // shares are drawn
	salts        map[string]bool
}

// simple are the policies that may stand anywhere. Settings of theirs that
// another policy has are ignored by tail_sampling.
var simple = map[string]func(*policy) term{
	"always_sample":     alwaysSample,
	"latency":           latency,
	"numeric_attribute": numericAttribute,
	"probabilistic":     probabilistic,
	"status_code":       statusCode,
	"string_attribute":  stringAttribute,
	"rate_limiting":     rateLimiting,
	"bytes_limiting":    bytesLimiting,
	"span_count":        spanCount,
	"trace_state":       traceState,
	"boolean_attribute": booleanAttribute,
	"ottl_condition":    ottlCondition,
	"trace_flags":       traceFlags,
}

// The places where policies stand, and which of those that wrap others may
// stand there.
var (
	atTop       = []string{"and", "composite", "drop", "not"}
	inComposite = []string{"and"}
	inAnd       = []string{"not"}
	inNot       []string
)

// readPolicy reads the policy's name and type. It returns false if there is no
// policy of that type in that place, which is then a fault.
func readPolicy(m *mapping, place string, wraps []string, r *remarks) (*policy, bool) {
	p := &policy{mapping: m, name: m.text("name"), kind: m.text("type"), remarks: r}
	known := append(slices.Sorted(maps.Keys(simple)), wraps...)
	slices.Sort(known)
	if !slices.Contains(known, p.kind) {
		p.refuse(place, known)
		return nil, false
	}
	p.own = m.child(p.kind)
	for _, kind := range known {
		if kind != p.kind && m.has(kind) {
			m.value(kind)
		}
	}
	m.done()
	return p, true
}

func (p *policy) refuse(place string, known []string) {
	at := p.node
	if kind, ok := p.fields["type"]; ok {
		at = kind
	}
	switch {
	case p.kind == "":
		p.add(at, "%s: a policy must have a type", p.path)
	case slices.Contains(atTop, p.kind):
		p.add(at, "%s: policy %q: type %q cannot stand in %s", p.path, p.name, p.kind, place)
	default:
		p.add(at, "%s: policy %q: unknown type %q, known are %s. A policy of an extension is a program and cannot be converted",
			p.path, p.name, p.kind, strings.Join(known, ", "))
	}
}

// simple reads a policy that wraps no other.
func (p *policy) simple() term {
	t := simple[p.kind](p)
	p.own.done()
	t.name = p.name
	for _, kind := range slices.Sorted(maps.Keys(p.fields)) {
		if kind != p.kind && kind != "name" && kind != "type" {
			t.note("The settings of %s are left out, as tail_sampling does: the policy's type is %s.", kind, p.kind)
		}
	}
	return t
}

// readTop reads one of the processor's policies.
func readTop(m *mapping, r *remarks) (terms []term, isDrop bool) {
	p, ok := readPolicy(m, "tail_sampling", atTop, r)
	if !ok {
		return nil, false
	}
	switch p.kind {
	case "composite":
		return p.composite(), false
	case "drop":
		t := p.joined("drop_sub_policy")
		if t.limit != nil {
			t.limit = nil
			t.lacks("policy %q drops what a limiter would let through; left out.", p.name)
		}
		return []term{t}, true
	}
	return []term{p.single()}, false
}

// single reads a policy that yields one term.
func (p *policy) single() term {
	switch p.kind {
	case "and":
		return p.joined("and_sub_policy")
	case "not":
		return p.negated()
	}
	return p.simple()
}

// joined reads policies of which all must sample.
func (p *policy) joined(key string) term {
	t := term{name: p.name}
	conditions, drawn := []when{}, draw{}
	for _, m := range p.own.children(key) {
		sub, ok := readPolicy(m, p.kind, inAnd, p.remarks)
		if !ok {
			continue
		}
		one := sub.single()
		conditions = append(conditions, one.when)
		drawn = drawn.and(one.draw())
		if one.limit != nil {
			t.limit = one.limit.stricter(t.limit)
		}
		t.notes = append(t.notes, one.notes...)
	}
	p.own.done()
	t.when = all(conditions...)
	if len(drawn) > 0 {
		t.draws = []draw{drawn}
	}
	return t
}

// negated reads the opposite of a policy.
func (p *policy) negated() term {
	sub, ok := readPolicy(p.own.child("not_sub_policy"), "not", inNot, p.remarks)
	p.own.done()
	if !ok {
		return term{when: never}
	}
	t := sub.single()
	t.name = p.name
	switch {
	case t.limit != nil:
		t.limit = nil
		t.lacks("policy %q samples what %s would not let through; left out.", p.name, sub.kind)
	case len(t.draws) > 0 && !t.when.isNever():
		t.draws = []draw{t.draw().without()}
	default:
		t.when = not(t.when)
	}
	return t
}
