package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/cost"
	"github.com/otelcol-journey/otelcol-journey/cmd/plan/internal/plan"
)

var update = flag.Bool("update", false, "write the golden files anew")

func result() *plan.Result {
	began := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	pair := func(received, kept int64) plan.Pair {
		return plan.Pair{
			Received: plan.Amount{Journeys: received, Spans: 10 * received, SpanBytes: 3000 * received, LogRecords: received, LogBytes: 200 * received},
			Kept:     plan.Amount{Journeys: kept, Spans: 10 * kept, SpanBytes: 3000 * kept, LogRecords: kept, LogBytes: 200 * kept},
		}
	}
	with := plan.Side{
		Name: "new.yaml",
		Rows: []plan.Row{
			{Journey: "checkout", Rule: "failed", Pair: pair(12, 6), Cost: plan.Money{Received: 3, Kept: 1.5}},
			{Journey: "checkout", Rule: "the rest", Pair: pair(1200, 60), Cost: plan.Money{Received: 300, Kept: 15}},
			{Journey: "a\x1b[31m|b", Rule: "the rest", Pair: pair(10, 0)},
		},
		Rest:  plan.Pair{Received: plan.Amount{Spans: 4, SpanBytes: 900}, Kept: plan.Amount{Spans: 1, SpanBytes: 200}},
		Total: pair(1222, 66), SentBytes: 350_000, Thinned: 7, Upgraded: 1, Cost: plan.Money{Received: 303, Kept: 16.5},
		Losses: []plan.Loss{
			{Kind: plan.Failed, Exist: 12, Dropped: 6, Examples: []plan.Example{{TraceID: "0af7651916cd43dd8448eb211c80319c", Journey: "checkout", Rule: "failed"}}},
		},
	}
	against := with
	against.Name, against.Rows, against.Total, against.SentBytes = "current.yaml", with.Rows[:1], pair(1222, 100), 500_000
	return &plan.Result{
		Batches: 900, First: began, Last: began.Add(time.Hour), Window: time.Hour, ReceivedBytes: 9_000_000, Spans: 12_224, LogRecords: 1222,
		Prices: cost.Prices{MillionSpans: 0.2, GiBLogs: 0.5}, With: with, Against: &against,
		Changes: []plan.Change{{Journey: "checkout", Against: pair(1212, 100), With: pair(1212, 66), Both: 60, OnlyAgainst: 40, OnlyWith: 6, Neither: 1106}},
		Notes:   []string{"batches came when the recording says"},
	}
}

func TestGolden(t *testing.T) {
	limit := int64(500)
	r := result()
	checks := r.Check(plan.Limits{Spans: &limit, Keep: []plan.Kind{plan.Failed, plan.Incomplete}})
	for _, format := range Formats {
		var got bytes.Buffer
		require.NoError(t, Write(&got, format, r, checks))
		path := filepath.Join("testdata", format+".golden")
		if *update {
			require.NoError(t, os.WriteFile(path, got.Bytes(), 0o600))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), got.String(), "run with -update to accept")
	}
	require.Error(t, Write(&bytes.Buffer{}, "xml", r, nil))
}
