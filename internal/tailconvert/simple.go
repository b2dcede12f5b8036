package tailconvert

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

func alwaysSample(*policy) term { return term{when: always} }

func latency(p *policy) term {
	t := term{}
	over, upTo := p.own.integer("threshold_ms"), p.own.integer("upper_threshold_ms")
	switch {
	case upTo != 0 && upTo <= over:
		t.nothing("policy %q samples nothing: no duration is over %d ms and at most %d ms.", p.name, over, upTo)
		return t
	case over < 0:
		t.when = always
	default:
		t.when = p.longerThan(over)
	}
	if upTo != 0 {
		t.when = all(t.when, not(p.longerThan(upTo)))
		t.note("tail_sampling compares with upper_threshold_ms after each span, so a longer trace passes if some of its spans alone are within. Here the whole trace counts.")
	}
	return t
}

// longerThan is about milliseconds, of which tail_sampling counts whole ones.
func (p *policy) longerThan(ms int64) when {
	p.remarks.milliseconds = true
	d := time.Duration(ms) * time.Millisecond
	if ms == 0 {
		d = time.Millisecond - time.Nanosecond // 0 would ask for nothing
	}
	return leaf("longer_than", plainNode(durationText(d)))
}

// durationText leaves out units of which there are none: 1h30m, not 1h30m0s.
func durationText(d time.Duration) string {
	text := d.String()
	if strings.Contains(text, "µ") {
		return strconv.FormatInt(d.Nanoseconds(), 10) + "ns"
	}
	if short, ok := strings.CutSuffix(text, "m0s"); ok {
		text = short + "m"
	}
	if short, ok := strings.CutSuffix(text, "h0m"); ok {
		text = short + "h"
	}
	return text
}

// standardSalt is tail_sampling's own when none is set.
const standardSalt = "default-hash-seed"

func probabilistic(p *policy) term {
	t := term{when: always}
	percentage, salt := p.own.number("sampling_percentage"), cmp.Or(p.own.text("hash_salt"), standardSalt)
	switch {
	case !(percentage > 0):
		t.nothing("policy %q samples nothing: sampling_percentage is not above 0.", p.name)
	case percentage < 100:
		t.draws = []draw{{salt: {0, percentage / 100}}}
		p.remarks.chance = true
		p.salted(salt)
	}
	return t
}

// maxSalts bounds the work of computing what independent draws let through
// together, which grows with its power.
const maxSalts = 6

func (p *policy) salted(salt string) {
	if p.remarks.salts == nil {
		p.remarks.salts = map[string]bool{}
	}
	p.remarks.salts[salt] = true
	if len(p.remarks.salts) == maxSalts+1 {
		p.add(p.own.node, "%s: more than %d different hash_salts", p.own.path, maxSalts)
	}
}

func statusCode(p *policy) term {
	statuses := map[string]when{
		"ERROR": leaf("outcome", textNode("error")),
		"OK":    leaf("match", mappingNode("status", textNode("ok"))),
		"UNSET": leaf("match", mappingNode("status", textNode("unset"))),
	}
	var conditions []when
	codes := p.own.texts("status_codes")
	if len(codes) == 0 {
		p.add(p.own.node, "%s: status_codes must name at least one of OK, ERROR, UNSET", p.own.path)
	}
	for _, code := range codes {
		w, ok := statuses[code]
		if !ok {
			p.add(p.own.fields["status_codes"], "%s: unknown status code %q, known are OK, ERROR, UNSET", p.own.at("status_codes"), code)
		}
		conditions = append(conditions, w)
	}
	return term{when: anyOf(conditions...)}
}

func spanCount(p *policy) term {
	t := term{when: always}
	from, upTo := p.own.integer("min_spans"), p.own.integer("max_spans")
	if upTo != 0 && upTo < max(from, 1) {
		t.nothing("policy %q samples nothing: no trace has at least %d and at most %d spans.", p.name, from, upTo)
		return t
	}
	if from > 1 {
		t.when = leaf("spans_over", integerNode(from-1))
	}
	if upTo != 0 {
		t.when = all(t.when, not(leaf("spans_over", integerNode(upTo))))
	}
	return t
}

// maxTraceState is how long key and value of an entry may be in tail_sampling.
const maxTraceState = 255

func traceState(p *policy) term {
	key := p.own.text("key")
	var tests []string
	for _, value := range p.own.texts("values") {
		if value != "" && len(key)+len(value) <= maxTraceState {
			tests = append(tests, fmt.Sprintf("trace_state[%s] == %s", strconv.Quote(key), strconv.Quote(value)))
		}
	}
	t := term{}
	if len(tests) == 0 {
		t.nothing("policy %q samples nothing: it has no value that an entry of a tracestate can have.", p.name)
		return t
	}
	t.when = condition("condition", strings.Join(tests, " or "))
	return t
}

// traceFlags asks for the lowest bit, which OTTL has no operator for.
func traceFlags(*policy) term {
	return term{when: condition("condition", "flags - flags / 2 * 2 == 1")}
}

// condition is a match by OTTL.
func condition(key, text string) when {
	return leaf("match", mappingNode(key, textNode(text)))
}

func ottlCondition(p *policy) term {
	t := term{}
	mode := strings.ToLower(p.own.text("error_mode"))
	spans, events := p.own.texts("span"), p.own.texts("spanevent")
	if !slices.Contains([]string{"", "ignore", "silent", "propagate"}, mode) {
		p.add(p.own.fields["error_mode"], "%s must be ignore, silent or propagate, got %q", p.own.at("error_mode"), mode)
	}
	if len(spans)+len(events) == 0 {
		p.add(p.own.node, "%s must have a condition in span or spanevent", p.own.path)
	}
	if mode == "propagate" {
		t.note("error_mode: propagate has no equivalent that is better: here a condition that fails does not hold for that span, is counted, and the other spans are still looked at.")
	}
	var conditions []when
	for key, texts := range map[string][]string{"condition": spans, "event_condition": events} {
		if len(texts) > 0 {
			conditions = append(conditions, condition(key, either(texts)))
		}
	}
	slices.SortFunc(conditions, func(a, b when) int { return strings.Compare(a.key(), b.key()) })
	t.when = anyOf(conditions...)
	return t
}

// key is the first key of a match.
func (w when) key() string { return w.leaf.Content[1].Content[0].Value }

// either joins OTTL conditions of which one must hold.
func either(texts []string) string {
	if len(texts) == 1 {
		return texts[0]
	}
	return "(" + strings.Join(texts, ") or (") + ")"
}

func rateLimiting(p *policy) term {
	return p.limited(unitSpans, "spans_per_second")
}

func bytesLimiting(p *policy) term {
	return p.limited(unitBytes, "bytes_per_second")
}

func (p *policy) limited(unit, key string) term {
	t := term{when: always}
	rate, burst := p.own.integer(key), p.own.integer("burst_capacity")
	if burst <= 0 {
		burst = 2 * rate
	}
	if rate <= 0 {
		t.nothing("policy %q samples nothing: %s is not above 0.", p.name, key)
		return t
	}
	t.limit = &limit{policy: p.name, kind: p.kind, unit: unit, perSecond: float64(rate), burst: float64(burst)}
	return t
}
