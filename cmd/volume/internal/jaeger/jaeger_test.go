package jaeger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// fake answers like Jaeger: the traces of a service that began in the window,
// no more than the limit.
type fake struct {
	traces   []trace
	services []string
	asked    int
}

func (f *fake) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch path := req.URL.Path; path {
	case "/api/services":
		answer(w, f.services)
	case "/api/traces":
		f.asked++
		answer(w, f.find(req))
	default:
		for _, t := range f.traces {
			if "/api/traces/"+t.id() == path {
				answer(w, []trace{t})
				return
			}
		}
		http.Error(w, `{"data":null,"errors":[{"code":404,"msg":"trace not found"}]}`, http.StatusNotFound)
	}
}

func (f *fake) find(req *http.Request) []trace {
	number := func(name string) int64 {
		n, err := strconv.ParseInt(req.URL.Query().Get(name), 10, 64)
		if err != nil {
			panic(err)
		}
		return n
	}
	found := []trace{}
	for _, t := range f.traces {
		begin := t.Spans[0].StartTime
		if t.Processes["p1"].ServiceName == req.URL.Query().Get("service") &&
			begin >= number("start") && begin <= number("end") && len(found) < int(number("limit")) {
			found = append(found, t)
		}
	}
	return found
}

func answer(w http.ResponseWriter, data any) {
	if err := json.NewEncoder(w).Encode(map[string]any{"data": data}); err != nil {
		panic(err)
	}
}

// pageSize is small, so that few traces fill it.
const pageSize = 10

func client(t *testing.T, f http.Handler) *Client {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return &Client{URL: server.URL, HTTP: server.Client(), PageSize: pageSize}
}

func simple(id int, service string, at time.Time) trace {
	return trace{
		TraceID: fmt.Sprintf("%x", id), Processes: map[string]process{"p1": {service}},
		Spans: []span{{SpanID: "1", OperationName: "work", StartTime: at.UnixMicro(), ProcessID: "p1"}},
	}
}

var hour = Window{noon, noon.Add(time.Hour)}

func TestEveryPageIsReadByHalvingTheWindow(t *testing.T) {
	f := &fake{services: []string{"gateway", "jaeger", "stock"}}
	for i := range 250 {
		f.traces = append(f.traces, simple(i+1, "gateway", noon.Add(time.Duration(i)*time.Second)))
	}
	f.traces = append(f.traces, simple(1000, "stock", noon), simple(1001, "jaeger", noon))
	got, limits, err := client(t, f).Traces(t.Context(), hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 251 || len(limits) != 0 {
		t.Errorf("got %d traces, limits %q; want 251 and none", len(got), limits)
	}
	if _, own := got[fmt.Sprintf("%032x", 1001)]; own {
		t.Error("Jaeger's own traces were read")
	}
}

func TestALimitThatWasHitIsSaid(t *testing.T) {
	f := &fake{services: []string{"gateway"}}
	for i := range 30 {
		f.traces = append(f.traces, simple(i+1, "gateway", noon)) // all in one microsecond
	}
	got, limits, err := client(t, f).Traces(t.Context(), hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 10 || len(limits) == 0 || !strings.Contains(limits[0], "service gateway") {
		t.Errorf("got %d traces, limits %q", len(got), limits)
	}
}

func TestTraceByID(t *testing.T) {
	c := client(t, &fake{traces: []trace{simple(0xab, "gateway", noon)}})
	if _, err := c.Trace(t.Context(), fmt.Sprintf("%032x", 0xab)); err != nil {
		t.Error(err)
	}
	if _, err := c.Trace(t.Context(), fmt.Sprintf("%032x", 0xac)); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestAnUnhappyJaegerIsNamed(t *testing.T) {
	broken := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no space left", http.StatusInternalServerError)
	})
	c := client(t, broken)
	_, _, err := c.Traces(t.Context(), hour)
	if err == nil || !strings.Contains(err.Error(), c.URL) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Trace(ctx, "1"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

// answered is a trace as Jaeger v2 really answers, with the tags of a kept one.
const answered = `{"traceID":"b7ac0981850ff3956f8e279650418484","spans":[
 {"traceID":"b7ac0981850ff3956f8e279650418484","spanID":"1eb91c9f5b9a1ec8","operationName":"shop.Checkout/Charge","references":[{"refType":"CHILD_OF","traceID":"b7ac0981850ff3956f8e279650418484","spanID":"e5ba08e69d6121e9"}],"startTime":1795257369054000,"duration":4000,"tags":[{"key":"journey.name","type":"string","value":"checkout"}],"processID":"p2"},
 {"traceID":"b7ac0981850ff3956f8e279650418484","spanID":"e5ba08e69d6121e9","operationName":"POST /api/checkout","references":[{"refType":"FOLLOWS_FROM","traceID":"00000000000000000000000000000001","spanID":"2"}],"startTime":1795257369054964,"duration":10000,"tags":[{"key":"error","type":"bool","value":true},{"key":"journey.name","type":"string","value":"checkout"},{"key":"journey.outcome","type":"string","value":"error"},{"key":"journey.span_count","type":"int64","value":2}],"processID":"p1"}],
 "processes":{"p1":{"serviceName":"gateway","tags":[]},"p2":{"serviceName":"checkout","tags":[]}}}`

func TestSummaryOfARealAnswer(t *testing.T) {
	var raw trace
	if err := json.Unmarshal([]byte(answered), &raw); err != nil {
		t.Fatal(err)
	}
	got := raw.summary()
	if got.RootService != "gateway" || got.RootOperation != "POST /api/checkout" {
		t.Errorf("root %s %s: want the span without a parent, though it is not the earliest", got.RootService, got.RootOperation)
	}
	if got.Journey != "checkout" || got.Outcome != "error" || got.SpanCount != 2 || !got.Failed || len(got.Spans) != 2 {
		t.Errorf("got %+v", got)
	}
	if got.Duration != 10*time.Millisecond || got.Start.UnixMicro() != 1795257369054964 {
		t.Errorf("from %s for %s", got.Start, got.Duration)
	}
}
