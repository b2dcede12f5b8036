package plan

import (
	"cmp"
	"encoding/hex"
	"slices"
	"sync"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor"
)

const (
	// remembered is how many journeys that both sides have decided are still
	// known, in case a late error brings one back; at some 200 bytes each.
	remembered = 250_000
	// maxExamples is how many journeys of a loss are named.
	maxExamples = 5
	// maxRows bounds the names of journeys, which come from spans and so from
	// anybody. The rest is other.
	maxRows = 10_000
	other   = "(other journeys)"
)

// ledger adds up the decisions of all sides and joins them by trace. The sides
// tell it from their goroutines.
type ledger struct {
	mu      sync.Mutex
	sides   []*tally
	changes map[string]*Change // by journey as the first side names it
	truth   map[pcommon.TraceID]bool
	// open has the traces that a side has not decided yet, and finished those
	// that all have and a side has dropped, latest last: only those change.
	open     map[pcommon.TraceID]*joined
	finished map[pcommon.TraceID]*joined
	order    []pcommon.TraceID
	most     int // of finished
	failure  error
	each     func(side int, d *journeyprocessor.ReplayDecision) error // nil for none
}

// tally is what one side decided.
type tally struct {
	rows      map[Row]*Row // by journey and rule alone
	losses    map[Kind]*Loss
	forgotten int64
}

// joined is what the sides decided about one trace.
type joined struct {
	by [2]*journeyprocessor.ReplayDecision
}

func newLedger(sides int, truth map[pcommon.TraceID]bool) *ledger {
	l := &ledger{
		changes: make(map[string]*Change), truth: truth, most: remembered,
		open: make(map[pcommon.TraceID]*joined), finished: make(map[pcommon.TraceID]*joined),
	}
	for range sides {
		l.sides = append(l.sides, &tally{rows: make(map[Row]*Row), losses: make(map[Kind]*Loss)})
	}
	return l
}

// decided takes a side's decision.
func (l *ledger) decided(side int, d journeyprocessor.ReplayDecision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.each != nil && l.failure == nil {
		l.failure = l.each(side, &d)
	}
	if d.Spans == 0 { // log records whose spans have not come
		l.sides[side].count(1, amountOf(&d, 0), &d)
		return
	}
	if d.Revises {
		l.revise(side, &d)
		return
	}
	l.sides[side].add(1, &d, l.truth[d.TraceID])
	j := l.open[d.TraceID]
	if j == nil {
		j = &joined{}
		l.open[d.TraceID] = j
	}
	if j.by[side] != nil {
		return // decided anew, because the decision was forgotten: counted, not compared
	}
	j.by[side] = &d
	if j.isWhole(len(l.sides)) {
		l.compare(1, j)
		l.finish(d.TraceID, j)
	}
}

func (j *joined) isWhole(sides int) bool {
	return !slices.Contains(j.by[:sides], nil)
}

// finish remembers a trace that all have decided, if that can still change.
func (l *ledger) finish(id pcommon.TraceID, j *joined) {
	delete(l.open, id)
	if !slices.ContainsFunc(j.by[:len(l.sides)], func(d *journeyprocessor.ReplayDecision) bool { return !d.Kept }) {
		return
	}
	if l.finished[id] == nil {
		l.order = append(l.order, id)
	}
	l.finished[id] = j
	if len(l.order) > l.most {
		delete(l.finished, l.order[0])
		l.order = l.order[1:]
	}
}

// revise replaces a side's decision by the one that a late error made of it.
func (l *ledger) revise(side int, d *journeyprocessor.ReplayDecision) {
	j := l.finished[d.TraceID]
	if j == nil {
		j = l.open[d.TraceID]
	}
	t := l.sides[side]
	if j == nil || j.by[side] == nil {
		t.forgotten++
		t.add(1, d, l.truth[d.TraceID])
		return
	}
	was, compared := j.by[side], j.isWhole(len(l.sides))
	if compared {
		l.compare(-1, j)
	}
	t.add(-1, was, l.truth[d.TraceID])
	t.add(1, d, l.truth[d.TraceID])
	if d.LateAlone { // what came first is gone
		t.row(d).Received = t.row(d).Received.plus(1, amountOf(was, 0))
	}
	j.by[side] = d
	if compared {
		l.compare(1, j)
	}
}

func amountOf(d *journeyprocessor.ReplayDecision, journeys int64) Amount {
	return Amount{
		Journeys: journeys, Spans: int64(d.Spans), SpanBytes: d.SpanBytes,
		LogRecords: int64(d.LogRecords), LogBytes: d.LogBytes,
	}
}

// add counts a decision about a journey, or with -1 takes it back.
func (t *tally) add(sign int64, d *journeyprocessor.ReplayDecision, truth bool) {
	t.count(sign, amountOf(d, 1), d)
	for kind, holds := range map[Kind]bool{
		Failed: d.Outcome == "error", Incomplete: d.Outcome == "incomplete", MustKeep: d.MustKeep, Truth: truth,
	} {
		if holds {
			t.lose(kind, sign, d)
		}
	}
}

func (t *tally) count(sign int64, a Amount, d *journeyprocessor.ReplayDecision) {
	t.row(d).add(sign, a, d.Kept)
}

func (t *tally) row(d *journeyprocessor.ReplayDecision) *Row {
	key := Row{Journey: d.Journey, Rule: d.Rule}
	if t.rows[key] == nil && len(t.rows) >= maxRows {
		key.Journey = other
	}
	if t.rows[key] == nil {
		t.rows[key] = &Row{Journey: key.Journey, Rule: key.Rule}
	}
	return t.rows[key]
}

// lose counts a journey that is expected to be kept.
func (t *tally) lose(kind Kind, sign int64, d *journeyprocessor.ReplayDecision) {
	loss := t.losses[kind]
	if loss == nil {
		loss = &Loss{Kind: kind}
		t.losses[kind] = loss
	}
	loss.Exist += sign
	if d.Kept {
		return
	}
	loss.Dropped += sign
	example := Example{TraceID: hex.EncodeToString(d.TraceID[:]), Journey: d.Journey, Rule: d.Rule}
	switch at := slices.Index(loss.Examples, example); {
	case sign < 0 && at >= 0:
		loss.Examples = slices.Delete(loss.Examples, at, at+1)
	case sign > 0 && len(loss.Examples) < maxExamples:
		loss.Examples = append(loss.Examples, example)
	}
}

// compare counts what happens to a journey between the second side and the
// first.
func (l *ledger) compare(sign int64, j *joined) {
	if len(l.sides) < 2 {
		return
	}
	with, against := j.by[0], j.by[1]
	c := l.change(with.Journey)
	c.With.add(sign, amountOf(with, 1), with.Kept)
	c.Against.add(sign, amountOf(against, 1), against.Kept)
	switch {
	case with.Kept && against.Kept:
		c.Both += sign
	case with.Kept:
		c.OnlyWith += sign
	case against.Kept:
		c.OnlyAgainst += sign
	default:
		c.Neither += sign
	}
	if against.Kept && against.MustKeep {
		l.sides[0].lose(Before, sign, with)
	}
}

func (l *ledger) change(journey string) *Change {
	if l.changes[journey] == nil && len(l.changes) >= maxRows {
		journey = other
	}
	if l.changes[journey] == nil {
		l.changes[journey] = &Change{Journey: journey}
	}
	return l.changes[journey]
}

// sorted are the rows, those of a journey together, journeys and rules with
// more spans first.
func (t *tally) sorted() []Row {
	var rows []Row
	spans := map[string]int64{}
	for _, row := range t.rows {
		if row.Pair != (Pair{}) {
			rows = append(rows, *row)
			spans[row.Journey] += row.Received.Spans
		}
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(
			cmp.Compare(spans[b.Journey], spans[a.Journey]), cmp.Compare(a.Journey, b.Journey),
			cmp.Compare(b.Received.Spans, a.Received.Spans), cmp.Compare(a.Rule, b.Rule))
	})
	return rows
}

func (t *tally) sortedLosses() []Loss {
	var losses []Loss
	for _, kind := range Kinds {
		if loss := t.losses[kind]; loss != nil && loss.Exist > 0 {
			losses = append(losses, *loss)
		}
	}
	return losses
}

// sortedChanges are what changes, the largest difference first.
func (l *ledger) sortedChanges() []Change {
	var changes []Change
	for _, c := range l.changes {
		if c.With != (Pair{}) || c.Against != (Pair{}) {
			changes = append(changes, *c)
		}
	}
	difference := func(c *Change) int64 {
		return max(c.With.Kept.Spans-c.Against.Kept.Spans, c.Against.Kept.Spans-c.With.Kept.Spans)
	}
	slices.SortFunc(changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(difference(&b), difference(&a)),
			cmp.Compare(b.With.Received.Spans, a.With.Received.Spans), cmp.Compare(a.Journey, b.Journey))
	})
	return changes
}
