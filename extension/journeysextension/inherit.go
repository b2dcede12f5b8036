package journeysextension

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/internal/reload"
)

// histories are those of extensions that were stopped for a reload, until the
// next one of the same id takes over. A reload makes new factories, so that
// nothing shorter-lived can hold them.
var histories reload.Estates[history]

// leave adds what is still reported and, over a reload, leaves the history to
// the next extension of this id. Nothing runs any more.
func (x *journeysExtension) leave() {
	for {
		select {
		case report := <-x.reports:
			x.addReport(report, x.now())
			continue
		default:
		}
		break
	}
	if x.isReload() {
		histories.Leave(x.id, x.history, func() {}) // nobody shows it any more
	}
}

// inherit takes over what another history has, by the limits of this one: what
// they have no room for is counted under OtherJourneys or left out, and the
// journeys that are most frequent go first. The other must not be used any more;
// its panes are let go of one by one, so that both are never held whole.
func (h *history) inherit(old *history, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started, h.swept, h.cuts, h.all = old.started, now, old.cuts, old.all
	names := h.inheritBooks(old)
	for i := range old.windows {
		w := &old.windows[i]
		w.forget(now)
		for n := range w.panes {
			sum := journey.NewAggregate(h.limits, &h.room)
			for _, name := range names.order {
				if t := w.panes[n].Tallies[name]; t != nil {
					sum.Tally(names.now[name]).Merge(t)
				}
			}
			sum.Unattributed = w.panes[n].Unattributed
			h.cuts.Add(sum.Cuts)
			sum.Cuts = journey.Cuts{}
			h.windows[i].panes = append(h.windows[i].panes, pane{w.panes[n].place, sum})
			w.panes[n] = pane{}
		}
	}
}

// inheritedNames are the names of journeys before a reload, in the order in which
// they take room, and what they are counted under now.
type inheritedNames struct {
	order []string
	now   map[string]string
}

// inheritBooks takes over what is known of each journey besides aggregates.
func (h *history) inheritBooks(old *history) inheritedNames {
	frequency := make(map[string]int64)
	for i := range old.windows[windows-1].panes {
		for name, t := range old.windows[windows-1].panes[i].Tallies {
			frequency[name] += t.Journeys()
		}
	}
	frequency[journey.OtherJourneys] = -1 // last: there is always room for them
	names := inheritedNames{now: make(map[string]string), order: slices.SortedFunc(maps.Keys(old.books), func(a, b string) int {
		return cmp.Or(cmp.Compare(frequency[b], frequency[a]), cmp.Compare(a, b))
	})}
	for _, name := range names.order {
		short, _ := h.limits.Name(name)
		if h.books[short] == nil {
			short, _ = h.open(short)
		}
		names.now[name] = short
		h.books[short].merge(old.books[name], &h.limits)
	}
	return names
}

// merge adds what another book has.
func (b *book) merge(other *book, limits *journey.Limits) {
	if other.seen.After(b.seen) {
		b.seen = other.seen
	}
	b.kept = note(b.kept, other.kept, limits)
	b.failed = note(b.failed, other.failed, limits)
	for i := range b.trends {
		b.trends[i].merge(&other.trends[i])
	}
}

// merge adds what another trend has counted.
func (t *trend) merge(other *trend) {
	t.advance(other.last)
	for step := max(other.last-stepsPerWindow+1, t.last-stepsPerWindow+1, 0); step <= other.last; step++ {
		t.points[step%stepsPerWindow].Add(other.points[step%stepsPerWindow])
	}
}
