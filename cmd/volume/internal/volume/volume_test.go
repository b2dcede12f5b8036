package volume

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/cost"
	"github.com/otelcol-journey/otelcol-journey/cmd/internal/truth"
)

var began = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

func spanIDs(n int) SpanIDs {
	ids := SpanIDs{}
	for i := range n {
		ids[fmt.Sprintf("%016x", i+1)] = struct{}{}
	}
	return ids
}

// received is a trace as the Jaeger for all has it.
func received(operation string, spans int) Trace {
	return Trace{Spans: spanIDs(spans), RootService: "gateway", RootOperation: operation, Start: began, Duration: 5 * time.Millisecond}
}

// stored is a checkout with what the processor wrote on it.
func stored(spans int) Trace {
	t := received(post, spans)
	t.Journey, t.SpanCount = "checkout", spans
	return t
}

const (
	post = "POST /api/checkout"
	get  = "GET /api/orders"
)

// reading is one in which everything agrees: of checkout c1 (failed), c2 and
// c3, the first two are stored; of order history o1, nothing.
func reading() Reading {
	failed := received(post, 4)
	failed.Failed = true
	return Reading{
		All: &Store{
			URL: "http://all", Spans: Known(15), Bytes: Known(1500),
			Traces: map[string]Trace{"c1": failed, "c2": received(post, 4), "c3": received(post, 4), "o1": received(get, 3)},
		},
		Kept: Store{
			URL: "http://kept", Spans: Known(8), Bytes: Known(900),
			Traces: map[string]Trace{"c1": stored(4), "c2": stored(4)},
		},
		Collector: &Collector{
			Spans:      Flow{Received: Known(15), Kept: Known(8), Dropped: Known(7), Pending: Known(0), Lost: Known(0)},
			LogRecords: Flow{Received: Known(6), Kept: Known(3), Dropped: Known(3)},
		},
		AllLogs:  &Logs{File: "all.jsonl", ByTrace: map[string]Volume{"c1": {2, 200}, "c2": {1, 100}, "c3": {1, 100}, "o1": {1, 100}, "": {1, 50}}},
		KeptLogs: &Logs{File: "kept.jsonl", ByTrace: map[string]Volume{"c1": {2, 200}, "c2": {1, 100}}},
		Truth: &truth.Truth{Started: began, Entries: []truth.Entry{
			{TraceID: "c1", Journey: "checkout", Class: "failed", MustKeep: true, At: began.Add(time.Second)},
			{TraceID: "c2", Journey: "checkout", Class: "ok", At: began.Add(2 * time.Second)},
			{TraceID: "c3", Journey: "checkout", Class: "ok", At: began.Add(3 * time.Second)},
			{TraceID: "o1", Journey: "order history", Class: "ok", At: began.Add(10 * time.Second)},
		}},
	}
}

var list = cost.Prices{MillionSpans: 0.20, GiBLogs: 0.50}

func rowOf(t *testing.T, table Table, journey string) Row {
	t.Helper()
	for _, row := range table.Rows {
		if row.Journey == journey {
			return row
		}
	}
	t.Fatalf("no row %q in %+v", journey, table.Rows)
	return Row{}
}

func wantPair(t *testing.T, what string, got Pair, received, stored int64) {
	t.Helper()
	if !got.Known || got.Received != received || got.Stored != stored {
		t.Errorf("%s: got %+v, want %d received, %d stored", what, got, received, stored)
	}
}

func TestRowsCountBothSides(t *testing.T) {
	table := Judge(reading(), list)
	checkout := rowOf(t, table, "checkout")
	wantPair(t, "journeys", checkout.Journeys, 3, 2)
	wantPair(t, "spans", checkout.Spans, 12, 8)
	wantPair(t, "must keep", checkout.MustKeep, 1, 1)
	wantPair(t, "log records", checkout.LogRecords, 4, 3)
	wantPair(t, "log bytes", checkout.LogBytes, 400, 300)
	wantPair(t, "bytes by spans", checkout.SpanBytes, 1200, 900)
	if !checkout.SpanBytes.Estimated || table.Total.SpanBytes.Estimated {
		t.Error("bytes of a journey are estimated, those of the total are not")
	}
	history := rowOf(t, table, "order history")
	wantPair(t, "journeys", history.Journeys, 1, 0)
	wantPair(t, "spans", history.Spans, 3, 0)
	nowhere := rowOf(t, table, noTrace)
	wantPair(t, "records without a trace", nowhere.LogRecords, 1, 0)
	if nowhere.Journeys.Known {
		t.Error("what belongs to no trace is no journey")
	}
	wantPair(t, "total spans", table.Total.Spans, 15, 8)
	wantPair(t, "total bytes", table.Total.SpanBytes, 1500, 900)
	wantPair(t, "total records", table.Total.LogRecords, 6, 3)
	for _, check := range table.Checks {
		if !check.Passed {
			t.Errorf("check failed: %s", check.Text)
		}
	}
}

func TestCostIsExtrapolatedFromTheTruthsWindow(t *testing.T) {
	table := Judge(reading(), list)
	if table.Window != 10*time.Second {
		t.Fatalf("window %s, want the ten seconds up to the last journey", table.Window)
	}
	// 262,800 windows of 10 s in 730 h; 15 spans and 550 bytes of logs in each.
	want := 262800 * (15/1e6*0.20 + 550./(1<<30)*0.50)
	if got := table.Total.Cost.Received; math.Abs(got-want) > 1e-9 {
		t.Errorf("received costs %f, want %f", got, want)
	}
	if saved := table.Total.Cost.Saved(); saved <= 0 || saved != table.Total.Cost.Received-table.Total.Cost.Stored {
		t.Errorf("saved %f", saved)
	}
}

func TestDisagreementsAreFoundAndSaidWithNumbers(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*Reading)
		kind  Kind
		want  string
	}{
		{"kept and stored differ", func(r *Reading) { r.Kept.Spans = Known(7) }, Counters, "8 ≠ spans stored in the kept Jaeger: 7 (-1)"},
		{"received and all differ", func(r *Reading) { r.All.Spans = Known(16) }, Counters, "15 ≠ spans stored in the Jaeger for all: 16 (+1)"},
		{"the law is broken", func(r *Reading) { r.Collector.Spans.Dropped = Known(6) }, Counters, "received 15 ≠ kept 8 + dropped 6 + pending 0 + lost 0 = 14"},
		{"log records are missing", func(r *Reading) { delete(r.KeptLogs.ByTrace, "c2") }, Counters, "kept: 3 ≠ log records in kept.jsonl: 2"},
		{"a must-keep journey is not stored", func(r *Reading) { delete(r.Kept.Traces, "c1") }, Journeys, "c1 (checkout, failed) is not stored (it has 4 spans)"},
		{"it was not received either", func(r *Reading) { delete(r.All.Traces, "c1"); delete(r.Kept.Traces, "c1") }, Journeys, "c1 (checkout, failed) is not in the Jaeger that stores everything"},
		{"it is stored in part", func(r *Reading) { r.Kept.Traces["c1"] = stored(3) }, Journeys, "c1 (checkout, failed) is stored in part: 1 of its 4 spans are missing"},
		{"an ordinary trace is split", func(r *Reading) { r.Kept.Traces["c2"] = stored(2) }, Journeys, "c2 (checkout) is stored in part: 2 of its 4 spans are missing"},
		{"a stored trace has more than was received", func(r *Reading) { r.Kept.Traces["c2"] = stored(5) }, Journeys, "c2 (checkout) has 1 stored spans that were not received"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := reading()
			tt.spoil(&r)
			failed := Judge(r, list).Failed(tt.kind)
			if len(failed) == 0 || !strings.Contains(failed[0].Text, tt.want) {
				t.Errorf("got %+v, want %q", failed, tt.want)
			}
		})
	}
}

func TestALongListOfFaultsIsCounted(t *testing.T) {
	r := reading()
	for i := range 20 {
		r.Truth.Entries = append(r.Truth.Entries, truth.Entry{TraceID: fmt.Sprint("x", i), Journey: "checkout", Class: "slow", MustKeep: true})
	}
	failed := Judge(r, list).Failed(Journeys)
	if len(failed) != 1 || !strings.Contains(failed[0].Text, "20 of 21") || !strings.HasSuffix(failed[0].Text, "and 15 more") {
		t.Errorf("got %+v", failed)
	}
}

func TestWithoutATruthRootsNameTheJourneys(t *testing.T) {
	r := reading()
	r.Truth, r.Slow = nil, time.Second
	slow := received(get, 3)
	slow.Duration, slow.Start = 2*time.Second, began.Add(time.Minute)
	r.All.Traces["o2"] = slow
	table := Judge(r, list)
	wantPair(t, "named by what the processor wrote on a trace with the same root", rowOf(t, table, "checkout").Journeys, 3, 2)
	wantPair(t, "named by its root", rowOf(t, table, "gateway GET /api/orders").Journeys, 2, 0)
	wantPair(t, "failed or slow", table.Total.MustKeep, 2, 1)
	if len(table.Failed(Journeys)) != 0 {
		t.Error("without a truth a journey that is not stored is not wrong: the user's rules decide")
	}
	if table.Window != time.Minute {
		t.Errorf("window %s, want from the first to the last journey", table.Window)
	}
	if !strings.Contains(strings.Join(table.Notes, "\n"), "cannot be seen from outside") {
		t.Errorf("notes do not say what is not known: %q", table.Notes)
	}
}

func TestOneJaegerAndOneCollector(t *testing.T) {
	r := reading()
	r.All, r.AllLogs, r.KeptLogs = nil, nil, nil
	r.Collector.Journeys = map[string]Pair{"checkout": {Received: 3, Stored: 2}, "order history": {Received: 1}}
	r.Collector.JourneySpans = map[string]Pair{"checkout": {Received: 12, Stored: 8}, "order history": {Received: 3}}
	r.Collector.SpanBytes = Pair{Received: 1400, Stored: 800, Known: true}
	r.Collector.LogBytes = Pair{Received: 550, Stored: 300, Known: true}
	table := Judge(r, list)
	wantPair(t, "spans", rowOf(t, table, "checkout").Spans, 12, 8)
	wantPair(t, "journeys", rowOf(t, table, "order history").Journeys, 1, 0)
	wantPair(t, "total bytes", table.Total.SpanBytes, 1400, 800)
	wantPair(t, "total records", table.Total.LogRecords, 6, 3)
	wantPair(t, "must keep", table.Total.MustKeep, 1, 1)

	short := r.Kept.Traces["c1"]
	short.Spans = spanIDs(3) // of the four that journey.span_count says
	r.Kept.Traces["c1"] = short
	if failed := Judge(r, list).Failed(Journeys); len(failed) != 1 || !strings.Contains(failed[0].Text, "has 3 of its 4 spans") {
		t.Errorf("got %+v", failed)
	}
}

func TestWhatIsNotKnownIsSaid(t *testing.T) {
	r := Reading{Kept: Store{URL: "http://kept"}, All: &Store{URL: "http://all", Limits: []string{"only 200 were read"}}}
	table := Judge(r, list)
	notes := strings.Join(table.Notes, "\n")
	for _, want := range []string{"trace bytes are not available", "log records are not available", "costs are not available", "only 200 were read", "http://kept: spans are counted trace by trace"} {
		if !strings.Contains(notes, want) {
			t.Errorf("%q is not in the notes:\n%s", want, notes)
		}
	}
	if table.Total.SpanBytes.Known || table.Total.LogBytes.Known {
		t.Error("what was not read must not be known")
	}
}

func TestCounterAndAPIApartIsANote(t *testing.T) {
	r := reading()
	r.Kept.Spans, r.Collector.Spans.Kept, r.Collector.Spans.Received, r.All.Spans = Known(10), Known(10), Known(17), Known(17)
	table := Judge(r, list)
	wantPair(t, "the total is the counters'", table.Total.Spans, 17, 10)
	if notes := strings.Join(table.Notes, "\n"); !strings.Contains(notes, "counted 10 spans since it started, its API returned 8") {
		t.Errorf("notes: %s", notes)
	}
}

func TestPendingSpansAreSaid(t *testing.T) {
	r := reading()
	r.Collector.Spans.Pending, r.Collector.Spans.Dropped = Known(3), Known(4)
	if notes := strings.Join(Judge(r, list).Notes, "\n"); !strings.Contains(notes, "3 spans still wait") {
		t.Errorf("notes: %s", notes)
	}
}

func TestEveryJourneyIsInOneMomentAndOneBand(t *testing.T) {
	r := reading()
	slow := received(get, 3)
	slow.Duration, slow.Start = 20*time.Second, began.Add(time.Minute)
	r.All.Traces["o2"] = slow
	table := Judge(r, list)
	var overTime, byDuration Pair
	for _, m := range table.Moments {
		add(&overTime, m.Journeys)
	}
	for _, b := range table.Bands {
		add(&byDuration, b.Journeys)
	}
	wantPair(t, "over time", overTime, 5, 2)
	wantPair(t, "by duration", byDuration, 5, 2)
	wantPair(t, "first moment", table.Moments[0].Journeys, 4, 2)
	wantPair(t, "last moment", table.Moments[len(table.Moments)-1].Journeys, 1, 0)
	wantPair(t, "at most 5 ms", table.Bands[0].Journeys, 4, 2)
	wantPair(t, "longer than any band", table.Bands[len(table.Bands)-1].Journeys, 1, 0)
	r.All = nil
	if table := Judge(r, list); table.Moments != nil || table.Bands != nil {
		t.Error("not every trace was read, but they are told apart")
	}
}
