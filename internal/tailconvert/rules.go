package tailconvert

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// rest names the last rule, without which what no rule matches would be kept.
const rest = "the rest"

// rules are what the journey processor reads from the top.
type rules struct {
	drops   []term // they drop what their draws let through
	keeps   []term
	omitted []note // about what has become no rule
}

// newRules orders terms so that the first that holds says what all of them
// together did.
func newRules(drops, keeps []term) *rules {
	r := &rules{}
	r.drops, keeps = r.possible(drops), r.possible(keeps)
	if i := slices.IndexFunc(r.drops, func(t term) bool { return t.when.isAlways() && len(t.draws) == 0 }); i >= 0 {
		if len(keeps) > 0 {
			r.omitted = append(r.omitted, note{text: fmt.Sprintf("policy %q drops everything: %s are left out.", r.drops[i].name, shares(keeps))})
		}
		r.drops, keeps = r.drops[i:i+1], nil
	}
	keeps = joinShares(keeps)
	slices.SortStableFunc(keeps, func(a, b term) int {
		return cmp.Or(cmp.Compare(b.keep(), a.keep()), cmp.Compare(order(&a), order(&b)))
	})
	r.keeps = r.reached(keeps)
	noteOverlaps(r.keeps)
	return r
}

// possible leaves out what never holds.
func (r *rules) possible(terms []term) []term {
	return slices.DeleteFunc(terms, func(t term) bool {
		if t.when.isNever() {
			r.omitted = append(r.omitted, t.notes...)
		}
		return t.when.isNever()
	})
}

// order is of terms that keep the same share: those without a limit first, then
// those that do not hold for everything.
func order(t *term) int {
	n := 0
	if t.limit != nil {
		n += 2
	}
	if t.when.isAlways() {
		n++
	}
	return n
}

// joinShares makes one term of all that keep a share of everything, and gives
// what keeps a share of something that of both together.
func joinShares(terms []term) []term {
	var base []term
	terms = slices.DeleteFunc(terms, func(t term) bool {
		isBase := len(t.draws) > 0 && t.limit == nil && t.when.isAlways()
		if isBase {
			base = append(base, t)
		}
		return isBase
	})
	if len(base) == 0 {
		return terms
	}
	joint := base[0]
	for _, t := range base[1:] {
		joint.draws = append(joint.draws, t.draws...)
		joint.notes = append(joint.notes, t.notes...)
	}
	if len(base) > 1 {
		joint.note("One share for %s: with the same hash_salt the largest of them, else what several draws let through together.", shares(base))
	}
	for i := range terms {
		t := &terms[i]
		together := share(slices.Concat(t.draws, joint.draws), nil)
		if len(t.draws) > 0 && isMore(together, t.keep()) && isMore(together, joint.keep()) {
			t.note("%s of policy %q together with %s of everything.", percent(t.keep()), t.name, percent(joint.keep()))
			t.draws = slices.Concat(t.draws, joint.draws)
		}
	}
	return append(terms, joint)
}

// isMore says that a share is larger than another, and not only by rounding.
func isMore(a, b float64) bool { return a > b+1e-12 }

// shares lists the terms' names, each with its share.
func shares(terms []term) string {
	var words []string
	for i := range terms {
		words = append(words, terms[i].name+" "+percent(terms[i].keep()))
	}
	return strings.Join(words, ", ")
}

// reached leaves out what comes after a rule that holds for everything. What
// that keeps is at least as much.
func (r *rules) reached(terms []term) []term {
	for i := range terms {
		if !terms[i].when.isAlways() {
			continue
		}
		for _, t := range terms[i+1:] {
			r.omitted = append(r.omitted, t.notes...)
			r.omitted = append(r.omitted, note{text: fmt.Sprintf("policy %q is left out: policy %q keeps %s of everything, %s.",
				t.name, terms[i].name, percent(terms[i].keep()), andThat(&terms[i]))})
		}
		return terms[:i+1]
	}
	return terms
}

func andThat(t *term) string {
	if t.limit != nil {
		return "within the budget; what it kept beyond the limit is not kept"
	}
	return "so it changes nothing"
}

// noteOverlaps says of which traces a share is kept here that is smaller than
// what two policies with different draws let through together.
func noteOverlaps(terms []term) {
	for i := range terms {
		for j := range i {
			a, b := &terms[i], &terms[j]
			if len(a.draws) == 0 || len(b.draws) == 0 || a.when.isAlways() {
				continue
			}
			if together := share(slices.Concat(a.draws, b.draws), nil); isMore(together, b.keep()) {
				a.note("Their draws differ: of traces for which rule %q holds, too, tail_sampling kept %s, here %s.",
					b.name, percent(together), percent(b.keep()))
			}
		}
	}
}

// thinned returns the rules with those drops worked in that drop only a share:
// before each rule stands one for traces for which both hold.
func (r *rules) thinned() []term {
	terms := r.keeps
	for _, d := range r.drops {
		if len(d.draws) == 0 {
			continue
		}
		var out []term
		for _, t := range terms {
			both := t
			both.name = t.name + " (" + d.name + ")"
			both.when = all(d.when, t.when)
			both.minus = slices.Concat(t.minus, d.draws)
			both.notes = slices.Clone(d.notes)
			both.note("policy %q drops %s of these.", d.name, percent(d.keep()))
			out = append(out, both, t)
		}
		terms = out
	}
	return terms
}

// percent writes a share.
func percent(share float64) string {
	rounded := math.Round(share*1e12) / 1e10
	if share < 1e-6 {
		return strconv.FormatFloat(share*100, 'g', 10, 64) + "%"
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64) + "%"
}

// node is the list of rules and the budget that their limits make.
func (r *rules) node(b *budgetOf) (list *yaml.Node, missing bool) {
	list = &yaml.Node{Kind: yaml.SequenceNode}
	names := map[string]bool{}
	terms := r.thinned()
	for _, t := range terms {
		b.mustKeep = b.mustKeep || t.limit == nil && isAll(t)
	}
	pending := r.omitted
	add := func(name string, w when, keep string, notes []note) {
		pending = append(pending, notes...)
		missing = missing || slices.ContainsFunc(pending, func(n note) bool { return n.missing })
		list.Content = append(list.Content, ruleNode(unique(names, name), w, keep, pending))
		pending = nil
	}
	total := false
	for _, d := range r.drops {
		if len(d.draws) == 0 {
			add(d.name, d.when, "0%", d.notes)
			total = total || d.when.isAlways()
		}
	}
	for _, t := range terms {
		keep := percent(t.keep())
		if t.limit != nil {
			b.add(t.limit)
			if isAll(t) && b.mustKeep {
				keep = almostAll
				t.note("Not 100%%, so that the budget can thin it.")
			}
		}
		add(t.name, t.when, keep, t.notes)
		total = total || t.when.isAlways()
	}
	if !total {
		add(rest, always, "0%", nil)
	}
	return list, missing
}

func isAll(t term) bool { return len(t.draws) == 0 && len(t.minus) == 0 }

// almostAll is what rules keep that are limited, beside others that are not:
// what keeps 100 % is never thinned.
const almostAll = "99.9%"

func ruleNode(name string, w when, keep string, notes []note) *yaml.Node {
	node := mappingNode("name", textNode(name))
	if !w.isAlways() {
		put(node, "when", w.node())
	}
	put(node, "keep", plainNode(keep))
	node.HeadComment = comment(texts(notes))
	return node
}

func texts(notes []note) []string {
	var all []string
	for _, n := range notes {
		if !slices.Contains(all, n.text) {
			all = append(all, n.text)
		}
	}
	return all
}

// unique returns a name that no other rule has.
func unique(taken map[string]bool, name string) string {
	name = cmp.Or(name, "unnamed")
	own := name
	for n := 2; taken[own]; n++ {
		own = name + " " + strconv.Itoa(n)
	}
	taken[own] = true
	return own
}
