package volume

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/truth"
)

// judge holds a reading together with what is worked out of it once.
type judge struct {
	Reading
	truth    map[string]truth.Entry // by trace id
	names    map[string]string      // journey by root service and operation, from the kept side
	mustKeep []mustKeep
}

// mustKeep is one journey that has to be stored with all its spans.
type mustKeep struct {
	traceID, journey, class string
	whole                   bool
	fault                   string // in words, if not whole
}

func newJudge(r Reading) *judge {
	j := &judge{Reading: r, truth: map[string]truth.Entry{}, names: map[string]string{}}
	if r.Truth != nil {
		for _, e := range r.Truth.Entries {
			j.truth[e.TraceID] = e
		}
	}
	for _, t := range r.Kept.Traces {
		if t.Journey != "" {
			j.names[t.root()] = t.Journey
		}
	}
	j.mustKeep = j.findMustKeep()
	return j
}

func (t Trace) root() string { return t.RootService + " " + t.RootOperation }

// name is the journey a trace belongs to: by the truth, by what the processor
// wrote on it, by what it wrote on others with the same root, else the root.
func (j *judge) name(id string) string {
	if e, ok := j.truth[id]; ok {
		return e.Journey
	}
	t, kept := j.Kept.Traces[id]
	if t.Journey != "" {
		return t.Journey
	}
	if !kept {
		var received bool
		if j.All != nil {
			t, received = j.All.Traces[id]
		}
		if !received {
			return noTrace
		}
	}
	if name, ok := j.names[t.root()]; ok {
		return name
	}
	return t.root()
}

// mustKeepKnown says whether the reading can tell which journeys must be kept.
func (j *judge) mustKeepKnown() bool { return j.Truth != nil || j.All != nil }

// findMustKeep takes the truth's word. Without a truth these are the journeys
// that failed or were slow; that one is incomplete cannot be seen from outside.
func (j *judge) findMustKeep() []mustKeep {
	var found []mustKeep
	if j.Truth != nil {
		for _, e := range j.Truth.Entries {
			if e.MustKeep {
				found = append(found, j.examine(e.TraceID, e.Journey, className(e)))
			}
		}
		return found
	}
	if j.All == nil {
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(j.All.Traces)) {
		t := j.All.Traces[id]
		switch {
		case t.Failed:
			found = append(found, j.examine(id, j.name(id), "failed"))
		case j.Slow > 0 && t.Duration > j.Slow:
			found = append(found, j.examine(id, j.name(id), "slow"))
		}
	}
	return found
}

// className tells why an ordinary journey must be kept all the same: for being
// of its kind.
func className(e truth.Entry) string {
	if e.Class == "ok" {
		return e.Journey
	}
	return e.Class
}

// examine compares one journey's spans on both sides.
func (j *judge) examine(id, journey, class string) mustKeep {
	m := mustKeep{traceID: id, journey: journey, class: class}
	kept, stored := j.Kept.Traces[id]
	switch {
	case j.All != nil:
		all, received := j.All.Traces[id]
		switch {
		case !received:
			m.fault = "is not in the Jaeger that stores everything"
		case !stored:
			m.fault = fmt.Sprintf("is not stored (it has %d spans)", len(all.Spans))
		default:
			m.fault = all.Spans.differ(kept.Spans)
		}
	case !stored:
		m.fault = "is not stored"
	case len(kept.Spans) < kept.SpanCount:
		m.fault = fmt.Sprintf("has %d of its %d spans", len(kept.Spans), kept.SpanCount)
	}
	m.whole = m.fault == ""
	return m
}

// differ says in words how the stored spans differ from all of them; "" if not.
func (all SpanIDs) differ(stored SpanIDs) string {
	missing, extra := 0, 0
	for id := range all {
		if _, ok := stored[id]; !ok {
			missing++
		}
	}
	for id := range stored {
		if _, ok := all[id]; !ok {
			extra++
		}
	}
	switch {
	case missing > 0:
		return fmt.Sprintf("is stored in part: %d of its %d spans are missing", missing, len(all))
	case extra > 0:
		return fmt.Sprintf("has %d stored spans that were not received on the other side", extra)
	default:
		return ""
	}
}

// classes counts the must-keep journeys by class.
func (j *judge) classes() []Class {
	byName := map[string]*Class{}
	for _, m := range j.mustKeep {
		c := byName[m.class]
		if c == nil {
			c = &Class{Name: m.class}
			byName[m.class] = c
		}
		c.Exist++
		if m.whole {
			c.Stored++
		}
	}
	var classes []Class
	for _, c := range byName {
		classes = append(classes, *c)
	}
	slices.SortFunc(classes, func(a, b Class) int {
		return cmp.Or(cmp.Compare(b.Exist, a.Exist), cmp.Compare(a.Name, b.Name))
	})
	return classes
}

// notes say what the reader of the table should know.
func (j *judge) notes(t Table) []string {
	_, source := j.spanBytes()
	notes := []string{source}
	if t.Total.SpanBytes.Known {
		notes = append(notes, "~ a journey's trace bytes are its share of the total by spans: nobody counts them by journey")
	}
	if j.Truth == nil && j.All != nil {
		notes = append(notes, fmt.Sprintf(
			"without a truth file, must keep means failed (a span with an error) or slower than %s; that a journey is incomplete cannot be seen from outside", j.Slow))
	}
	if j.Truth == nil && j.All == nil {
		notes = append(notes, "which journeys must be kept is not known: give -all or -truth")
	}
	switch {
	case !t.Total.LogBytes.Known:
		notes = append(notes, "log records are not available and not in the cost: give -all-logs and -kept-logs, or -collector")
	case j.AllLogs != nil && j.KeptLogs != nil:
		notes = append(notes, "log bytes are those of each record in OTLP JSON with its resource and scope, as a backend stores it")
	default:
		notes = append(notes, "log bytes are OTLP bytes as the journey processor counted them, in total only")
	}
	if t.Window <= 0 {
		notes = append(notes, "costs are not available: the measured time is not known (set -window)")
	}
	if j.Collector != nil && j.Collector.Spans.Pending.N > 0 {
		notes = append(notes, fmt.Sprintf(
			"%d spans still wait for their decision: with live traffic counts differ for a moment, and journeys are not yet stored", j.Collector.Spans.Pending.N))
	}
	for _, s := range j.stores() {
		notes = append(notes, s.Limits...)
		notes = append(notes, s.unread()...)
	}
	return notes
}

func (j *judge) stores() []*Store {
	if j.All == nil {
		return []*Store{&j.Kept}
	}
	return []*Store{j.All, &j.Kept}
}

// unread compares what the API returned with what the Jaeger counted.
func (s *Store) unread() []string {
	if !s.Spans.Known {
		return []string{fmt.Sprintf("%s: spans are counted trace by trace; its own counter was not given", s.URL)}
	}
	var read int64
	for _, t := range s.Traces {
		read += int64(len(t.Spans))
	}
	if read == s.Spans.N {
		return nil
	}
	return []string{fmt.Sprintf(
		"%s: counted %d spans since it started, its API returned %d in this window; the rows hold the latter, the total the former",
		s.URL, s.Spans.N, read)}
}
