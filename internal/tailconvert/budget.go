package tailconvert

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	unitSpans = "spans"
	unitBytes = "bytes"

	day = 24 * 60 * 60 // seconds

	// minCarry and standardCarry are of the journey processor's budget.
	minCarry      = 100 * time.Millisecond
	standardCarry = time.Second
)

// limit is what a limiter lets through.
type limit struct {
	policy, kind string
	unit         string
	perSecond    float64
	burst        float64 // 0: of a second
	notes        []string
}

// stricter returns the lower one of two limits for the same traces.
func (l *limit) stricter(other *limit) *limit {
	if other != nil && other.unit == l.unit && other.perSecond < l.perSecond {
		return other
	}
	return l
}

// budgetOf makes one budget of the limits that rules have.
type budgetOf struct {
	unit      string
	perSecond float64
	carry     time.Duration
	mustKeep  bool // some rule keeps everything and has no limit
	notes     []string
	missing   bool
	seen      map[*limit]bool
}

// add counts a limit in, once however many rules have it.
func (b *budgetOf) add(l *limit) {
	if b.seen[l] {
		return
	}
	b.seen[l] = true
	said := fmt.Sprintf("%s of policy %q: %s %s per second", l.kind, l.policy, number(l.perSecond), l.unit)
	switch b.unit {
	case "":
		b.unit = l.unit
		b.notes = append(b.notes, said+".")
	case l.unit:
		b.notes = append(b.notes, said+", added.")
	default:
		b.missing = true
		b.notes = append(b.notes, "NO EQUIVALENT: "+said+". A budget is in one unit; see money_per_month for one over spans and bytes. Left out.")
		return
	}
	b.perSecond += l.perSecond
	b.notes = append(b.notes, l.notes...)
	if l.burst > 0 {
		b.carry = max(b.carry, time.Duration(math.Round(l.burst/l.perSecond*1e3))*time.Millisecond)
		b.notes = append(b.notes, fmt.Sprintf(
			"A trace of more than %s %s never passed; here it may. Its spans are paid for like others.", number(l.burst), l.unit))
	}
}

// node is the budget's YAML with its notes.
func (b *budgetOf) node() (*yaml.Node, []string) {
	node := mappingNode("spans_per_second", plainNode(number(b.perSecond)))
	if b.unit == unitBytes {
		node = mappingNode("bytes_per_day", plainNode(bytesText(b.perSecond*day)))
		b.notes = append(b.notes, "Bytes are of OTLP as it leaves, with what the processor writes on spans, and of log records if it has any.")
	}
	notes := append([]string{
		"A limiter bounds what it lets through itself and knows nothing of other policies. This budget bounds everything that leaves:",
	}, b.notes...)
	if b.mustKeep {
		notes = append(notes, "Rules that keep 100% are paid for first and never thinned. In tail_sampling what they keep came on top: raise the budget by that, or leave it and have a bound that holds.")
	} else {
		put(node, "must_keep", textNode("within"))
	}
	if b.carry != 0 && max(b.carry, minCarry) != standardCarry {
		put(node, "carry", plainNode(durationText(max(b.carry, minCarry))))
	}
	return node, notes
}

func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// bytesText writes a number of bytes in the largest unit that divides it.
func bytesText(n float64) string {
	for _, unit := range []struct {
		name  string
		bytes float64
	}{{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}} {
		if n >= unit.bytes && math.Mod(n, unit.bytes) == 0 {
			return number(n/unit.bytes) + unit.name
		}
	}
	return number(n) + "B"
}
