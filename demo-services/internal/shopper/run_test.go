package shopper

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/catalog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheRateDoesNotDependOnTheAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan Answer)
		var times []time.Duration
		done := make(chan struct{})
		go func() {
			defer close(done)
			for a := range answers {
				times = append(times, a.Took)
			}
		}()
		start := time.Now()
		send := func(context.Context, Visit) Answer {
			since := time.Since(start)
			time.Sleep(3 * time.Second) // fake time: a slow shop
			return Answer{Took: since}
		}
		plan := func(yield func(Visit) bool) {
			for range 40 {
				if !yield(Visit{}) {
					return
				}
			}
		}
		if sent := (load{perSecond: 40, send: send, answers: answers}).run(t.Context(), plan); sent != 40 {
			t.Errorf("%d sent, want 40", sent)
		}
		close(answers)
		<-done
		for i, at := range times {
			if want := time.Duration(i) * 25 * time.Millisecond; at != want {
				t.Errorf("visit %d began after %s, want %s", i, at, want)
			}
		}
	})
}

func TestAStopWaitsForTheAnswersOnTheirWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		answers := make(chan Answer, 100)
		send := func(ctx context.Context, _ Visit) Answer {
			time.Sleep(time.Second) // fake time
			return Answer{Err: ctx.Err()}
		}
		go func() {
			time.Sleep(500 * time.Millisecond)
			stop()
		}()
		endless := func(yield func(Visit) bool) {
			for yield(Visit{}) {
			}
		}
		sent := load{perSecond: 10, send: send, answers: answers}.run(ctx, endless)
		if len(answers) != sent || sent < 4 {
			t.Errorf("%d answers to %d visits", len(answers), sent)
		}
		for range sent {
			if a := <-answers; a.Err != nil {
				t.Errorf("a visit on its way was ended: %v", a.Err)
			}
		}
	})
}

// fakeShop answers as the real one does; broken makes every checkout fail.
func fakeShop(t *testing.T, broken bool) *httptest.Server {
	t.Helper()
	var traces atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set(traceHeader, fmt.Sprintf("%032x", traces.Add(1)))
		var body struct {
			Items []string `json:"items"`
		}
		_ = json.NewDecoder(req.Body).Decode(&body)
		switch {
		case req.URL.Path == "/readyz":
		case req.URL.Path == "/api/checkout" && (broken || catalog.Has(body.Items, catalog.Declined)):
			w.WriteHeader(http.StatusInternalServerError)
		case req.URL.Path == "/api/orders" && req.URL.Query().Get("user") == "999":
			w.WriteHeader(http.StatusNotFound)
		case req.URL.Path == "/api/giftcards":
			w.WriteHeader(http.StatusCreated)
		case req.Method == http.MethodPost:
			w.WriteHeader(http.StatusAccepted)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func shop(t *testing.T, url string, more ...string) (out string, truth []Record, err error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "run", "truth.jsonl")
	args := append([]string{
		"-gateway-url", url, "-stock-service-url", url, "-truth-file", file, "-tail", "0s", "-wait", "1s",
		"-rate", "500", "-duration", "200ms", "-checkout-classes", "failed=2,retried=1",
	}, more...)
	var buf bytes.Buffer
	err = Run(t.Context(), settings(t, args...), &buf)
	return buf.String(), readTruth(t, file), err
}

func readTruth(t *testing.T, path string) []Record {
	t.Helper()
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Scan()
	var h Header
	if err := json.Unmarshal(lines.Bytes(), &h); err != nil || h.Truth != 1 || h.Started.IsZero() {
		t.Fatalf("first line %s: %v", lines.Text(), err)
	}
	var records []Record
	for lines.Scan() {
		var r Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("line %s: %v", lines.Text(), err)
		}
		records = append(records, r)
	}
	return records
}

func TestARunAsPlannedEndsWellAndTellsTheTruth(t *testing.T) {
	out, truth, err := shop(t, fakeShop(t, false).URL)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(truth) != 100 {
		t.Errorf("%d journeys in the truth, want 100", len(truth))
	}
	traces := map[string]bool{}
	for _, r := range truth {
		traces[r.TraceID] = true
	}
	if len(traces) != 100 {
		t.Errorf("%d traces, want 100", len(traces))
	}
	if !strings.Contains(out, "gift card") || !strings.Contains(out, "retried") {
		t.Errorf("table:\n%s", out)
	}
}

func TestAShopThatMisbehavesIsAnError(t *testing.T) {
	out, truth, err := shop(t, fakeShop(t, true).URL)
	if err == nil || !strings.Contains(err.Error(), "did not go as planned") {
		t.Errorf("error %v, want one that says so", err)
	}
	if !strings.Contains(out, "status 500, want 202") {
		t.Errorf("output does not say what happened:\n%s", out)
	}
	unplanned := 0
	for _, r := range truth {
		if r.Class == Unplanned {
			unplanned++
		}
	}
	if unplanned == 0 {
		t.Error("the truth has no unplanned journey")
	}
}

func TestAShopThatIsNotThereIsAnErrorBeforeAnythingIsSent(t *testing.T) {
	_, truth, err := shop(t, "http://127.0.0.1:1", "-wait", "300ms")
	if err == nil || !strings.Contains(err.Error(), "not ready") || len(truth) != 0 {
		t.Errorf("error %v and %d journeys in the truth", err, len(truth))
	}
}

func TestAnAnswerWithoutATraceIsNotAsPlanned(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(traceHeader, "abc")
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	s := NewShop(Settings{GatewayURL: server.URL})
	defer s.Close()
	a := s.Send(t.Context(), Visit{Journey: Checkout, Class: OK})
	if a.AsPlanned() || a.Err == nil {
		t.Errorf("answer %+v", a)
	}
}
