package journeysextension

import (
	"sync"
	"time"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// history is all that is known of journeys. Its memory is bounded by room,
// whatever is reported.
type history struct {
	limits  journey.Limits
	started time.Time

	mu      sync.Mutex // for all below
	room    journey.Room
	windows [windows]window
	books   map[string]*book
	all     [windows]trend // of all journeys
	cuts    journey.Cuts   // since the start
	swept   time.Time
}

// reserved is for the journeys that are counted together when there is no room
// for more: their book, and a tally in each pane.
const reserved int64 = bookSize + int64(windows)*(panesPerWindow+1)<<10

func newHistory(limits journey.Limits, memory int64, now time.Time) *history {
	h := &history{
		limits: limits, started: now, swept: now,
		room: journey.Room{Limit: memory, Used: reserved}, books: make(map[string]*book),
	}
	for i := range h.windows {
		h.windows[i] = window{windowSpec: &windowSpecs[i]}
	}
	return h
}

// add adds a report, and returns what was cut for it.
func (h *history) add(report *journey.Aggregate, now time.Time) journey.Cuts {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sweep(now)
	cuts := report.Cuts
	for _, t := range report.Tallies {
		name := h.note(t, now, &cuts)
		for i := range h.windows {
			pane := h.windows[i].current(now, h.limits, &h.room)
			pane.Tally(name).Merge(t)
		}
	}
	for i := range h.windows {
		pane := h.windows[i].current(now, h.limits, &h.room)
		pane.Unattributed.Add(report.Unattributed)
		cuts.Add(pane.Cuts)
		pane.Cuts = journey.Cuts{}
		h.all[i].at(place(now, h.windows[i].step())).Volume.Add(report.Unattributed)
	}
	h.cuts.Add(cuts)
	return cuts
}

// note adds to a journey's book, and returns the name under which there is one.
func (h *history) note(t *journey.Tally, now time.Time, cuts *journey.Cuts) string {
	name := t.Name
	b := h.books[name]
	if b == nil {
		if name, b = h.open(name); name != t.Name {
			cuts.Journeys++
		}
	}
	b.seen = now
	b.kept = note(b.kept, t.LatestKept, &h.limits)
	b.failed = note(b.failed, t.LatestFailed, &h.limits)
	for i := range h.windows {
		step := place(now, h.windows[i].step())
		b.trends[i].at(step).Add(t.Counts)
		h.all[i].at(step).Add(t.Counts)
	}
	return name
}

// open makes a book if there is room for one, else that of the others.
func (h *history) open(name string) (string, *book) {
	full := name == journey.OtherJourneys || len(h.books) >= h.limits.Journeys || h.room.Used+bookSize > h.room.Limit
	if full {
		name = journey.OtherJourneys
	}
	b := h.books[name]
	if b == nil {
		b = &book{}
		h.books[name] = b
		if !full {
			h.room.Used += bookSize
		}
	}
	return name, b
}

// sweepEvery is how often what is too long ago is looked for.
const sweepEvery = 30 * time.Second

// sweep lets go of what is too long ago, whether or not anything comes.
func (h *history) sweep(now time.Time) {
	if now.Sub(h.swept) < sweepEvery {
		return
	}
	h.swept = now
	for i := range h.windows {
		h.windows[i].forget(now)
	}
	longest := windowSpecs[windows-1].length
	for name, b := range h.books {
		if now.Sub(b.seen) > longest+longest/panesPerWindow {
			delete(h.books, name)
			if name != journey.OtherJourneys {
				h.room.Used -= bookSize
			}
		}
	}
}

// size is the memory in use and the number of names.
func (h *history) size() (bytes int64, names int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.room.Used, len(h.books)
}

// has says whether there is a journey of that name.
func (h *history) has(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.books[name] != nil
}
