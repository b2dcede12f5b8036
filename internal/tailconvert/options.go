package tailconvert

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"
)

// The defaults of both sides that the translation depends on.
const (
	standardDecisionWait = 30 * time.Second
	standardQuiet        = 10 * time.Second
	standardMissingWait  = 30 * time.Second
	standardMessageWait  = 15 * time.Minute
	standardMaxWait      = 30 * time.Minute
	exportInterval       = 5 * time.Second // of the SDKs' batch span processor

	standardMemory = 512 << 20
	standardTrace  = 32 << 20
	maxTraceShare  = 4 // a trace may take a quarter of the memory
)

// section is a part of the output: its key, its settings, and what stands above.
type section struct {
	key   string
	node  *yaml.Node
	notes []string
}

func (s *section) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// completion translates how long a trace waits.
func completion(m *mapping) section {
	s := section{key: "completion", node: mappingNode()}
	// tail_sampling counts in ticks of a second, of which it waits at least one.
	wait := max(m.duration("decision_wait", standardDecisionWait).Truncate(time.Second), time.Second)
	afterRoot := m.duration("decision_wait_after_root_received", 0)
	quiet := min(wait, standardQuiet)
	if afterRoot > 0 {
		quiet = min(max(afterRoot.Truncate(time.Second), time.Second), wait)
		s.note("decision_wait_after_root_received: `quiet` counts from the last span, not from the root, and only when no parent is missing.")
	}
	if m.has("decision_wait") {
		s.note("decision_wait: no fixed time after the first span. A trace is decided `quiet` after its last span if nothing is missing, `missing_wait` after it otherwise, and %s after its first span at the latest.",
			durationText(max(wait, standardMaxWait)))
	}
	if quiet < exportInterval {
		s.note("%s is less than the %s after which SDKs send their spans: parts of a trace may come after its decision. They follow it.",
			durationText(quiet), durationText(exportInterval))
	}
	for _, one := range []struct {
		key             string
		value, standard time.Duration
	}{
		{"quiet", quiet, standardQuiet},
		{"missing_wait", max(wait, quiet), standardMissingWait},
		{"max_wait", max(wait, standardMaxWait), standardMaxWait},
	} {
		if one.value != one.standard {
			put(s.node, one.key, plainNode(durationText(one.value)))
		}
	}
	return s
}

// buffer translates how much may wait.
func buffer(m *mapping) section {
	s := section{key: "buffer", node: mappingNode()}
	if m.has("num_traces") {
		m.count("num_traces")
		s.note("num_traces: what waits is bounded in bytes, %s if `memory` is not set. When it is full nothing is evicted undecided.", bytesText(standardMemory))
	}
	if m.has("expected_new_traces_per_sec") {
		m.count("expected_new_traces_per_sec")
		s.note("expected_new_traces_per_sec is not needed: nothing is allocated ahead.")
	}
	if m.has("block_on_overflow") {
		m.boolean("block_on_overflow")
		s.note("block_on_overflow is not needed: at the end of `memory`, after deciding earlier and keeping less, batches are refused with an error after which senders try again.")
	}
	size := m.count("maximum_trace_size_bytes")
	if size == 0 {
		return s
	}
	s.note("maximum_trace_size_bytes: a trace that reaches the size is not dropped but decided at once, by what is known of it; what comes later follows.")
	if size*maxTraceShare > standardMemory {
		put(s.node, "memory", plainNode(bytesText(float64(size*maxTraceShare))))
	}
	if size != standardTrace {
		put(s.node, "trace", plainNode(bytesText(float64(size))))
	}
	return s
}

// decisions translates the memory of decisions.
func decisions(m *mapping) section {
	s := section{key: "decisions", node: mappingNode()}
	c := m.child("decision_cache")
	for _, one := range []struct{ from, to string }{
		{"sampled_cache_size", "kept"}, {"non_sampled_cache_size", "dropped"},
	} {
		if size := c.count(one.from); size > 0 {
			put(s.node, one.to, integerNode(size))
		}
	}
	c.done()
	return s
}

// others reads the options that have nothing to set here.
func others(m *mapping) []string {
	var notes []string
	note := func(text string) { notes = append(notes, text) }
	if m.boolean("sample_on_first_match") {
		note("sample_on_first_match: rules are always read like that.")
	}
	switch strategy := m.text("sampling_strategy"); strategy {
	case "", "trace-complete":
	case "span-ingest":
		note("sampling_strategy: span-ingest has no equivalent. Spans are looked at once, as they arrive, but a trace is decided when it is finished, with all its spans, and so `drop` policies and limiters work.")
	default:
		m.add(m.fields["sampling_strategy"], "%s must be trace-complete or span-ingest, got %q", m.at("sampling_strategy"), strategy)
	}
	if m.has("drop_pending_traces_on_shutdown") {
		m.boolean("drop_pending_traces_on_shutdown")
		note("drop_pending_traces_on_shutdown: what waits is decided at shutdown, or saved for the next start if `storage` names a storage extension.")
	}
	if id := m.text("tail_storage"); id != "" {
		note(fmt.Sprintf("tail_storage: %s is left out. What waits long is compressed; `storage` names a storage extension in which a stop saves what waits.", id))
	}
	return notes
}
