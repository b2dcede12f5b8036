package jaeger

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/volume"
)

// trace is the part of the API's JSON that is read.
type trace struct {
	TraceID   string             `json:"traceID"`
	Spans     []span             `json:"spans"`
	Processes map[string]process `json:"processes"`
}

type process struct {
	ServiceName string `json:"serviceName"`
}

type span struct {
	SpanID        string      `json:"spanID"`
	OperationName string      `json:"operationName"`
	References    []reference `json:"references"`
	StartTime     int64       `json:"startTime"` // µs since 1970
	Duration      int64       `json:"duration"`  // µs
	Tags          []tag       `json:"tags"`
	ProcessID     string      `json:"processID"`
}

type reference struct {
	RefType string `json:"refType"`
	TraceID string `json:"traceID"`
}

type tag struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

// text is the tag's value without the quotes of JSON.
func (t tag) text() string {
	var s string
	if json.Unmarshal(t.Value, &s) == nil {
		return s
	}
	return string(t.Value)
}

// id is the trace id in 32 digits; Jaeger leaves leading zeros out.
func (t trace) id() string {
	const digits = 32
	return strings.Repeat("0", max(0, digits-len(t.TraceID))) + t.TraceID
}

func (t trace) summary() volume.Trace {
	out := volume.Trace{Spans: make(volume.SpanIDs, len(t.Spans))}
	for _, s := range t.Spans {
		out.Spans[s.SpanID] = struct{}{}
		for _, tag := range s.Tags {
			applyTag(&out, tag)
		}
	}
	if root, ok := t.root(); ok {
		out.RootService = t.Processes[root.ProcessID].ServiceName
		out.RootOperation = root.OperationName
		out.Start = time.UnixMicro(root.StartTime)
		out.Duration = time.Duration(root.Duration) * time.Microsecond
	}
	return out
}

func applyTag(out *volume.Trace, tag tag) {
	switch tag.Key {
	case "journey.name":
		out.Journey = tag.text()
	case "journey.outcome":
		out.Outcome = tag.text()
	case "journey.span_count":
		if n, err := strconv.Atoi(tag.text()); err == nil {
			out.SpanCount = n
		}
	case "error":
		out.Failed = out.Failed || tag.text() == "true"
	case "otel.status_code":
		out.Failed = out.Failed || tag.text() == "ERROR"
	}
}

// root is the earliest span without a parent, or the earliest of all.
func (t trace) root() (span, bool) {
	var best span
	found, bestIsRoot := false, false
	for _, s := range t.Spans {
		isRoot := !s.hasParent(t.TraceID)
		switch {
		case found && bestIsRoot && !isRoot:
			continue
		case found && bestIsRoot == isRoot && s.StartTime >= best.StartTime:
			continue
		}
		best, found, bestIsRoot = s, true, isRoot
	}
	return best, found
}

// hasParent leaves out links, which the API lists as references too.
func (s span) hasParent(traceID string) bool {
	for _, r := range s.References {
		if r.RefType == "CHILD_OF" && r.TraceID == traceID {
			return true
		}
	}
	return false
}
