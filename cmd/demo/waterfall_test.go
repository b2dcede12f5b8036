package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

const drawn = `{"data":[{"spans":[
 {"spanID":"b","operationName":"deliver mailer-queue","references":[{"refType":"CHILD_OF","spanID":"a"}],"startTime":1002000,"duration":3500,"processID":"p2",
  "tags":[{"key":"amqp.time_in_queue_ms","value":3.5}]},
 {"spanID":"c","operationName":"charge","references":[{"refType":"CHILD_OF","spanID":"a"}],"startTime":1001000,"duration":500,"processID":"p1","tags":[{"key":"otel.status_code","value":"ERROR"}]},
 {"spanID":"a","operationName":"POST /api/checkout","references":[],"startTime":1000000,"duration":10000,"processID":"p1","tags":[]},
 {"spanID":"d","operationName":"orphan","references":[{"refType":"CHILD_OF","spanID":"gone"}],"startTime":1009000,"duration":1,"processID":"p1","tags":[]}],
 "processes":{"p1":{"serviceName":"gateway"},"p2":{"serviceName":"rabbitmq"}}}]}`

func TestWaterfallShowsHopsAndTheTimeInTheQueue(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(drawn)) }))
	defer server.Close()
	trace, err := fetchTrace(t.Context(), server.URL, "1")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"   +0.0 ms    10.0 ms  gateway: POST /api/checkout",
		"   +1.0 ms     0.5 ms    gateway: charge  ERROR",
		"   +2.0 ms     3.5 ms    rabbitmq: deliver mailer-queue  (3.5 ms in the queue)",
		"   +9.0 ms     0.0 ms  gateway: orphan",
	}
	if got := trace.waterfall(); !slices.Equal(got, want) {
		got, _ := json.MarshalIndent(got, "", " ")
		t.Errorf("got %s", got)
	}
}

func TestATraceThatIsNotThere(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"data":null}`)) }))
	defer server.Close()
	if _, err := fetchTrace(t.Context(), server.URL, "1"); err == nil {
		t.Error("want an error")
	}
}
