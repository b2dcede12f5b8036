package tailconvert

import (
	"slices"
	"strings"
)

// composite reads a policy that divides a rate between others: the first that
// samples decides, and it samples no more than its share of the rate.
func (p *policy) composite() []term {
	total := p.own.integer("max_total_spans_per_second")
	subs := p.own.children("composite_sub_policy")
	order := p.own.texts("policy_order")
	shares, listed := p.allocations(total, len(subs))
	p.own.done()

	var terms []term
	var names, shareWords []string
	blocked := always // what no earlier policy has refused for good
	common := &limit{policy: p.name, kind: "composite", unit: unitSpans, perSecond: float64(total)}
	for _, m := range subs {
		sub, ok := readPolicy(m, "composite", inComposite, p.remarks)
		if !ok {
			continue
		}
		t := sub.single()
		names = append(names, t.name)
		if t.limit != nil {
			t.note("The %s inside of the composite policy is left out: the budget is over everything.", t.limit.kind)
		}
		rate := min(shares[t.name], total)
		if rate <= 0 {
			if len(t.draws) == 0 {
				blocked = all(blocked, not(t.when))
			}
			t.nothing("policy %q samples nothing: %s.", p.name+" "+t.name, noRate(total, listed, t.name))
		}
		shareWords = append(shareWords, t.name+" "+integerNode(rate).Value)
		t.when = all(blocked, t.when)
		t.limit = common
		t.name = strings.TrimSpace(p.name + " " + t.name)
		terms = append(terms, t)
	}
	if len(terms) == 0 {
		empty := term{name: p.name}
		empty.nothing("policy %q samples nothing: it has no composite_sub_policy.", p.name)
		return []term{empty}
	}
	common.notes = append(common.notes, "The shares of composite "+p.name+" ("+strings.Join(shareWords, ", ")+
		" spans/s) are not kept apart: the budget goes to the rules from the first to the last, and what one does not need is for the next.")
	if len(order) > 0 && !slices.Equal(order, names) {
		terms[0].note("policy_order is left out: tail_sampling v0.158.0 does not read it. The order is that of composite_sub_policy.")
	}
	return terms
}

// allocations returns the spans per second of each policy that rate_allocation
// lists. tail_sampling gives the others nothing.
func (p *policy) allocations(total int64, subs int) (rates map[string]int64, listed map[string]bool) {
	rates, listed = map[string]int64{}, map[string]bool{}
	for _, m := range p.own.children("rate_allocation") {
		name, percent := m.text("policy"), m.integer("percent")
		m.done()
		listed[name] = true
		rates[name] = int64(float64(percent) / 100 * float64(total))
		if percent <= 0 {
			rates[name] = int64(float64(total) / float64(max(subs, 1)))
		}
	}
	return rates, listed
}

func noRate(total int64, listed map[string]bool, name string) string {
	switch {
	case total <= 0:
		return "max_total_spans_per_second is not above 0"
	case !listed[name]:
		return "rate_allocation does not list it, and tail_sampling gives it no rate then"
	}
	return "its share is less than one span per second"
}
