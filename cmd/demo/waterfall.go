package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// apiTrace is the part of a trace in Jaeger's query API that is drawn.
type apiTrace struct {
	Spans     []apiSpan `json:"spans"`
	Processes map[string]struct {
		ServiceName string `json:"serviceName"`
	} `json:"processes"`
}

type apiSpan struct {
	SpanID     string `json:"spanID"`
	Name       string `json:"operationName"`
	References []struct {
		RefType string `json:"refType"`
		SpanID  string `json:"spanID"`
	} `json:"references"`
	Start     int64  `json:"startTime"` // µs since 1970
	Duration  int64  `json:"duration"`  // µs
	ProcessID string `json:"processID"`
	Tags      []struct {
		Key   string `json:"key"`
		Value any    `json:"value"`
	} `json:"tags"`
}

// fetchTrace asks a Jaeger for one trace.
func fetchTrace(ctx context.Context, base, id string) (apiTrace, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/traces/"+id, nil)
	if err != nil {
		return apiTrace{}, err
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return apiTrace{}, err
	}
	defer res.Body.Close()
	var answer struct {
		Data []apiTrace `json:"data"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return apiTrace{}, err
	}
	if len(answer.Data) == 0 {
		return apiTrace{}, fmt.Errorf("trace %s: %s", id, res.Status)
	}
	return answer.Data[0], nil
}

// drawing is a trace while its tree is written.
type drawing struct {
	trace    apiTrace
	children map[string][]apiSpan // by parent; "" for those whose parent is not there
	begin    int64
	lines    []string
}

// waterfall writes a trace as a tree, a span a line: when it began after the
// first, how long it took, service, name, and what is wrong with it.
func (t apiTrace) waterfall() []string {
	d := drawing{trace: t, children: map[string][]apiSpan{}}
	present := map[string]bool{}
	for _, s := range t.Spans {
		present[s.SpanID] = true
		if d.begin == 0 || s.Start < d.begin {
			d.begin = s.Start
		}
	}
	for _, s := range t.Spans {
		parent := s.parent()
		if !present[parent] {
			parent = ""
		}
		d.children[parent] = append(d.children[parent], s)
	}
	d.draw("", 0)
	return d.lines
}

func (s apiSpan) parent() string {
	for _, r := range s.References {
		if r.RefType == "CHILD_OF" {
			return r.SpanID
		}
	}
	return ""
}

func (d *drawing) draw(parent string, depth int) {
	spans := d.children[parent]
	slices.SortStableFunc(spans, func(a, b apiSpan) int { return cmp.Compare(a.Start, b.Start) })
	for _, s := range spans {
		name := strings.Repeat("  ", depth) + d.trace.Processes[s.ProcessID].ServiceName + ": " + s.Name
		d.lines = append(d.lines, fmt.Sprintf("%10s %10s  %s%s", "+"+millis(s.Start-d.begin), millis(s.Duration), name, s.remark()))
		d.draw(s.SpanID, depth+1)
	}
}

// millis writes microseconds as milliseconds.
func millis(us int64) string { return fmt.Sprintf("%.1f ms", float64(us)/1000) }

// remark is what a reader should not overlook.
func (s apiSpan) remark() string {
	var text string
	for _, tag := range s.Tags {
		switch tag.Key {
		case "otel.status_code":
			if tag.Value == "ERROR" {
				text += "  ERROR"
			}
		case "amqp.time_in_queue_ms":
			text += fmt.Sprintf("  (%.1f ms in the queue)", tag.Value)
		}
	}
	return text
}
