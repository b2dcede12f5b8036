// Package truth reads the file a load generator writes about the journeys it
// set off: one JSON object a line, the first line a header.
package truth

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// version is the only format there is.
const version = 1

// maxLine is far above what a line needs (about 200 bytes).
const maxLine = 1 << 20

type header struct {
	Truth   int       `json:"truth"`
	Started time.Time `json:"started"`
}

// Truth is what the load generator knows about the journeys it set off.
type Truth struct {
	Started time.Time
	Entries []Entry
}

// Entry is one journey of the truth.
type Entry struct {
	TraceID  string    `json:"trace_id"`
	Journey  string    `json:"journey"`
	Class    string    `json:"class"`
	Outcome  string    `json:"outcome"`
	MustKeep bool      `json:"must_keep"`
	At       time.Time `json:"at"`
}

// ReadFile reads a truth file.
func ReadFile(path string) (*Truth, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read truth: %w", err)
	}
	defer f.Close()
	t, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("read truth %s: %w", path, err)
	}
	return t, nil
}

// Read reads a truth. A line that cannot be read is an error: a journey left
// out would be a journey not checked.
func Read(r io.Reader) (*Truth, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var t Truth
	for number := 1; lines.Scan(); number++ {
		if number == 1 {
			var h header
			if err := json.Unmarshal(lines.Bytes(), &h); err != nil || h.Truth != version {
				return nil, fmt.Errorf(`line 1 must be the header {"truth":%d,…}, got %q`, version, lines.Text())
			}
			t.Started = h.Started
			continue
		}
		var e Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if e.TraceID == "" || e.Journey == "" {
			return nil, fmt.Errorf("line %d: trace_id and journey must be set, got %q", number, lines.Text())
		}
		t.Entries = append(t.Entries, e)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if t.Started.IsZero() {
		return nil, fmt.Errorf("no header line")
	}
	return &t, nil
}
