package volume

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kind is what a check is about; it decides the exit code.
type Kind int

const (
	// Counters are two counts of the same thing.
	Counters Kind = iota
	// Journeys are journeys that have to be stored whole.
	Journeys
)

// Check is one comparison and how it came out.
type Check struct {
	Kind   Kind
	Passed bool
	Text   string // with the numbers, for people
}

// maxListed is how many traces a check names; the rest is counted.
const maxListed = 5

// Failed is the checks of a kind that did not pass.
func (t Table) Failed(kind Kind) []Check {
	return slices.DeleteFunc(slices.Clone(t.Checks), func(c Check) bool { return c.Passed || c.Kind != kind })
}

func (j *judge) checks() []Check {
	var checks []Check
	if c := j.Collector; c != nil {
		checks = append(checks, c.Spans.law("spans")...)
		checks = append(checks, c.LogRecords.law("log records")...)
		checks = append(checks, equal("spans the collector kept", c.Spans.Kept, "spans stored in the kept Jaeger", j.Kept.Spans)...)
		if j.All != nil {
			checks = append(checks, equal("spans the collector received", c.Spans.Received, "spans stored in the Jaeger for all", j.All.Spans)...)
		}
		if j.AllLogs != nil {
			checks = append(checks, equal("log records the collector received", c.LogRecords.Received, "log records in "+j.AllLogs.File, j.AllLogs.count())...)
		}
		if j.KeptLogs != nil {
			checks = append(checks, equal("log records the collector kept", c.LogRecords.Kept, "log records in "+j.KeptLogs.File, j.KeptLogs.count())...)
		}
	}
	if j.Truth != nil {
		checks = append(checks, j.mustKeepCheck())
	}
	if j.All != nil {
		checks = append(checks, j.splitCheck())
	}
	return checks
}

// law checks received = kept + dropped + pending + lost.
func (f Flow) law(what string) []Check {
	if !f.Received.Known {
		return nil
	}
	sum := f.Kept.N + f.Dropped.N + f.Pending.N + f.Lost.N
	return []Check{{
		Kind: Counters, Passed: sum == f.Received.N,
		Text: fmt.Sprintf("%s: received %d %s kept %d + dropped %d + pending %d + lost %d = %d",
			what, f.Received.N, sign(sum == f.Received.N), f.Kept.N, f.Dropped.N, f.Pending.N, f.Lost.N, sum),
	}}
}

func equal(nameA string, a Count, nameB string, b Count) []Check {
	if !a.Known || !b.Known {
		return nil
	}
	text := fmt.Sprintf("%s: %d %s %s: %d", nameA, a.N, sign(a.N == b.N), nameB, b.N)
	if a.N != b.N {
		text += fmt.Sprintf(" (%+d)", b.N-a.N)
	}
	return []Check{{Kind: Counters, Passed: a.N == b.N, Text: text}}
}

func sign(same bool) string {
	if same {
		return "="
	}
	return "≠"
}

func (l *Logs) count() Count {
	var sum Volume
	for _, v := range l.ByTrace {
		sum = sum.plus(v)
	}
	return Known(sum.Records)
}

// mustKeepCheck wants every journey of the truth that has to be kept to be
// stored with the spans it has.
func (j *judge) mustKeepCheck() Check {
	var faults []string
	for _, m := range j.mustKeep {
		if !m.whole {
			faults = append(faults, fmt.Sprintf("%s (%s, %s) %s", m.traceID, m.journey, m.class, m.fault))
		}
	}
	if len(faults) == 0 {
		return Check{
			Kind: Journeys, Passed: true,
			Text: fmt.Sprintf("all %d journeys that have to be kept are stored whole", len(j.mustKeep)),
		}
	}
	return Check{Kind: Journeys, Text: fmt.Sprintf("%d of %d journeys that have to be kept are not stored whole: %s",
		len(faults), len(j.mustKeep), listed(faults))}
}

// splitCheck wants a stored journey to be stored whole, whatever it is: a trace
// is never split between two answers.
func (j *judge) splitCheck() Check {
	var faults []string
	for _, id := range slices.Sorted(maps.Keys(j.Kept.Traces)) {
		if m := j.examine(id, j.name(id), ""); !m.whole {
			faults = append(faults, fmt.Sprintf("%s (%s) %s", id, m.journey, m.fault))
		}
	}
	if len(faults) == 0 {
		return Check{
			Kind: Journeys, Passed: true,
			Text: fmt.Sprintf("all %d stored traces have the spans that were received", len(j.Kept.Traces)),
		}
	}
	return Check{Kind: Journeys, Text: fmt.Sprintf("%d of %d stored traces differ from what was received: %s",
		len(faults), len(j.Kept.Traces), listed(faults))}
}

func listed(faults []string) string {
	text := strings.Join(faults[:min(maxListed, len(faults))], "; ")
	if more := len(faults) - maxListed; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}
