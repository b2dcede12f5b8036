package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/cost"
	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/volume"
)

var update = flag.Bool("update", false, "write the golden files anew")

func table() volume.Table {
	known := func(received, stored int64) volume.Pair {
		return volume.Pair{Received: received, Stored: stored, Known: true}
	}
	about := func(received, stored int64) volume.Pair {
		return volume.Pair{Received: received, Stored: stored, Known: true, Estimated: true}
	}
	return volume.Table{
		Rows: []volume.Row{
			{
				Journey: "checkout", Journeys: known(720, 96), Spans: known(12345, 1600), SpanBytes: about(7_000_000, 900_000),
				MustKeep: known(30, 30), LogRecords: known(4300, 560), LogBytes: known(1_600_000, 210_000),
				Cost: volume.Money{Received: 1432.10, Stored: 212.5},
			},
			{Journey: "(no known trace)", LogRecords: known(9, 9), LogBytes: known(900, 900), Cost: volume.Money{Received: 0.23, Stored: 0.23}},
		},
		Total: volume.Row{
			Journey: "total", Journeys: known(720, 96), Spans: known(12345, 1600), SpanBytes: known(7_000_000, 900_000),
			MustKeep: known(30, 30), LogRecords: known(4309, 569), LogBytes: known(1_600_900, 210_900),
			Cost: volume.Money{Received: 1432.33, Stored: 212.73},
		},
		Classes: []volume.Class{{Name: "failed", Exist: 20, Stored: 20}, {Name: "slow", Exist: 10, Stored: 10}},
		Window:  time.Minute, WindowSource: "as given",
		Prices: cost.Prices{MillionSpans: 0.2, GiBLogs: 0.5},
		Notes:  []string{"trace bytes are what the Jaegers gave Badger to write"},
		Checks: []volume.Check{
			{Kind: volume.Counters, Passed: true, Text: "spans the collector kept: 1600 = spans stored in the kept Jaeger: 1600"},
			{Kind: volume.Journeys, Text: "1 of 30 journeys that have to be kept are not stored whole: 0af7 (checkout, slow) is not stored"},
		},
	}
}

func TestGolden(t *testing.T) {
	for _, format := range Formats {
		var got bytes.Buffer
		if err := Write(&got, format, table()); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", format+".golden")
		if *update {
			if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s (run with -update to accept):\n%s\nwant:\n%s", format, got.String(), want)
		}
	}
}

func TestJSONHasNullForWhatIsNotKnown(t *testing.T) {
	var got bytes.Buffer
	if err := Write(&got, "json", volume.Table{Total: volume.Row{Journey: "total"}}); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Total map[string]any `json:"total"`
	}
	if err := json.Unmarshal(got.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"spans", "span_bytes", "log_records", "usd_a_month"} {
		if value, there := doc.Total[name]; !there || value != nil {
			t.Errorf("%s is %v, want null", name, value)
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	if err := Write(&bytes.Buffer{}, "xml", volume.Table{}); err == nil {
		t.Error("want an error")
	}
}

func TestSizesForPeople(t *testing.T) {
	for pair, want := range map[volume.Pair]string{
		{Received: 1023, Stored: 12, Known: true}:         "12 / 1023 B",
		{Received: 1 << 20, Stored: 1 << 19, Known: true}: "0.5 / 1.0 MiB",
		{Received: 2 << 30, Known: true, Estimated: true}: "~0.0 / 2.0 GiB",
		{Received: 1 << 50, Stored: 1 << 50, Known: true}: "1024.0 / 1024.0 TiB",
		{}: "-",
	} {
		if got := sizes(pair); got != want {
			t.Errorf("%+v is written %s, want %s", pair, got, want)
		}
	}
}
