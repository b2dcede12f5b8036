package shopper

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Outcomes as the collector should find them.
const (
	outcomeOK         = "ok"
	outcomeError      = "error"
	outcomeIncomplete = "incomplete"
	outcomeUnknown    = "unknown"
)

// Header is the first line of a truth file.
type Header struct {
	Truth         int       `json:"truth"` // version of the format
	Seed          int64     `json:"seed"`
	RatePerSecond float64   `json:"rate_per_second"`
	Started       time.Time `json:"started"`
}

// Record is every further line: one journey that the shop has answered.
type Record struct {
	TraceID  string    `json:"trace_id"`
	Journey  string    `json:"journey"`
	Class    string    `json:"class"`
	Outcome  string    `json:"outcome"`
	MustKeep bool      `json:"must_keep"`
	At       time.Time `json:"at"`
	// Spans is 0: how many there are depends on the shop's caches.
	Spans int `json:"spans"`
}

// record says what has to be true of the journey behind an answer. One that
// went another way keeps its trace in the file, so that nothing in the stored
// spans is without an explanation; a server error of it has to be kept as any other.
func record(a Answer) Record {
	r := Record{TraceID: a.TraceID, Journey: a.Journey, Class: a.Class, At: a.At}
	if !a.AsPlanned() {
		r.Class, r.Outcome = Unplanned, outcomeUnknown
		if a.Status >= http.StatusInternalServerError {
			r.Outcome, r.MustKeep = outcomeError, true
		}
		return r
	}
	switch a.Class {
	case OK, Slow:
		r.Outcome = outcomeOK
	case Unroutable, Lost:
		r.Outcome = outcomeIncomplete
	default:
		r.Outcome = outcomeError
	}
	r.MustKeep = a.Class != OK || a.Journey == GiftCard
	return r
}

// truthFile is written line by line and complete after close. One goroutine owns it.
type truthFile struct {
	file *os.File
	buf  *bufio.Writer
	out  *json.Encoder
}

func createTruth(path string, h Header) (*truthFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // nothing in it is secret
		return nil, fmt.Errorf("create truth file: %w", err)
	}
	file, err := os.Create(path) //nolint:gosec // the user names it
	if err != nil {
		return nil, fmt.Errorf("create truth file: %w", err)
	}
	buf := bufio.NewWriter(file)
	t := &truthFile{file: file, buf: buf, out: json.NewEncoder(buf)}
	if err := t.out.Encode(h); err != nil {
		return nil, errors.Join(fmt.Errorf("write truth file: %w", err), file.Close())
	}
	return t, nil
}

// add leaves out an answer without a trace: nothing could be looked up.
func (t *truthFile) add(a Answer) error {
	if a.TraceID == "" {
		return nil
	}
	if err := t.out.Encode(record(a)); err != nil {
		return fmt.Errorf("write truth file: %w", err)
	}
	return nil
}

// flush makes what has been added visible to readers.
func (t *truthFile) flush() error { return t.buf.Flush() }

func (t *truthFile) close() error {
	return errors.Join(t.buf.Flush(), t.file.Close())
}
