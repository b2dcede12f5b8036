package journeyprocessor

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/match"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

// What an entry of the ledger holds of a stranger's texts. With its other
// texts (journey and root span, cut by facts to 512 bytes each) and itself that
// makes at most 4 KiB, and some 750 bytes of a usual journey: see
// TestSizeOfALedgerEntry.
const (
	maxLedgerPath     = 16
	maxLedgerPathText = 1 << 10
	maxLedgerReason   = 512
)

// ledger remembers the latest decisions. Each shard writes to a part of its
// own, so its locks are only shared with who looks something up.
type ledger struct {
	parts []*ledgerPart
}

var _ journey.Ledger = (*ledger)(nil)

// newLedger makes a ledger of at most size decisions; 0 remembers none.
func newLedger(size, shards int) *ledger {
	l := &ledger{parts: make([]*ledgerPart, shards)}
	for i := range l.parts {
		l.parts[i] = &ledgerPart{size: size / shards, places: make(map[pcommon.TraceID]int)}
	}
	return l
}

// Lookup implements journey.Ledger.
func (l *ledger) Lookup(id pcommon.TraceID) (journey.Decision, bool) {
	p := l.parts[shardOf(id, len(l.parts))]
	p.mu.Lock()
	place, ok := p.places[id]
	if !ok {
		p.mu.Unlock()
		return journey.Decision{}, false
	}
	e := p.ring[place]
	p.mu.Unlock()
	return e.decided(), true
}

// Recent implements journey.Ledger.
func (l *ledger) Recent(n int) []journey.Decision {
	if n <= 0 {
		return nil
	}
	var latest []ledgerEntry
	for _, p := range l.parts {
		latest = p.appendLatest(latest, n)
	}
	slices.SortStableFunc(latest, func(a, b ledgerEntry) int { return cmp.Compare(b.at.UnixNano(), a.at.UnixNano()) })
	var decisions []journey.Decision
	for i := range latest[:min(n, len(latest))] {
		decisions = append(decisions, latest[i].decided())
	}
	return decisions
}

// adopt enters what an earlier ledger has, before anything else is entered. The
// other is not written to any more.
func (l *ledger) adopt(other *ledger) {
	var all []ledgerEntry
	for _, p := range other.parts {
		all = p.appendLatest(all, len(p.ring))
	}
	slices.Reverse(all)
	slices.SortStableFunc(all, func(a, b ledgerEntry) int { return a.at.Compare(b.at) })
	for i := range all {
		p := l.parts[shardOf(all[i].id, len(l.parts))]
		p.mu.Lock()
		if p.size > 0 {
			p.enter(all[i])
		}
		p.mu.Unlock()
	}
}

// ledgerPart is the ledger of one shard.
type ledgerPart struct {
	size int // 0: remembers nothing

	mu sync.Mutex
	// ring grows to size; after that next is the oldest entry, which the next
	// decision takes the place of.
	ring   []ledgerEntry
	next   int
	places map[pcommon.TraceID]int // of a trace's latest entry
}

// ledgerEntry is a decision as it was made. What it refers to does not change
// any more, so that making it copies nothing; words are made of it when
// somebody asks.
type ledgerEntry struct {
	id       pcommon.TraceID
	at       time.Time
	decision policy.Decision
	early    string
	held     match.Bits
	path     []facts.Service
	root     facts.Span // with hasRoot
	hasRoot  bool
	spans    int
	bytes    int64
	duration uint64 // ns
	late     int    // spans
}

// add enters the decision about a trace, which is not changed any more.
func (p *ledgerPart) add(t *trace, d *policy.Decision, early string, now time.Time) {
	if p.size == 0 {
		return
	}
	e := ledgerEntry{
		id: t.id, at: now, decision: *d, early: early, held: t.facts.Held,
		path:  shortPath(t.facts.Services),
		spans: t.facts.Spans, bytes: t.spans.bytes, duration: t.facts.Duration(),
	}
	if root := t.facts.Root(); root != nil { // a copy: a pointer would hold all of the facts
		e.root, e.hasRoot = *root, true
	}
	e.decision.Reason = shortReason(d.Reason)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.enter(e)
}

// enter adds an entry in place of the oldest. The lock is held.
func (p *ledgerPart) enter(e ledgerEntry) {
	if len(p.ring) < p.size {
		p.places[e.id] = len(p.ring)
		p.ring = append(p.ring, e)
		return
	}
	old := &p.ring[p.next]
	if p.places[old.id] == p.next {
		delete(p.places, old.id)
	}
	*old = e
	p.places[e.id] = p.next
	p.next = (p.next + 1) % p.size
}

// revise replaces what was decided about a trace. What was known of it then
// stays.
func (p *ledgerPart) revise(t *trace, d *policy.Decision, now time.Time) {
	p.mu.Lock()
	place, ok := p.places[t.id]
	if ok {
		is := &p.ring[place].decision
		is.Kept, is.Outcome, is.Why = d.Kept, d.Outcome, d.Why
		is.Rule, is.Reason, is.Probability = d.Rule, shortReason(d.Reason), d.Probability
	}
	p.mu.Unlock()
	if !ok {
		p.add(t, d, "", now)
	}
}

// shortReason is the part of a reason that the ledger holds; usually all of it.
func shortReason(reason string) string {
	if len(reason) <= maxLedgerReason {
		return reason
	}
	return strings.ToValidUTF8(strings.Clone(reason[:maxLedgerReason]), "")
}

// shortPath is the part of the path that the ledger holds; usually all of it.
func shortPath(path []facts.Service) []facts.Service {
	text := 0
	for i := range path {
		if text += len(path[i].Name); i == maxLedgerPath || text > maxLedgerPathText {
			return slices.Clone(path[:i])
		}
	}
	return path
}

// late counts spans that followed the trace's decision.
func (p *ledgerPart) late(id pcommon.TraceID, spans int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if place, ok := p.places[id]; ok {
		p.ring[place].late += spans
	}
}

// appendLatest appends the part's latest entries, at most n, latest first.
func (p *ledgerPart) appendLatest(to []ledgerEntry, n int) []ledgerEntry {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range min(n, len(p.ring)) {
		// Before the oldest is the latest; while the ring grows, the last is.
		to = append(to, p.ring[(p.next-1-i+2*len(p.ring))%len(p.ring)])
	}
	return to
}

// decided puts an entry into words.
func (e *ledgerEntry) decided() journey.Decision {
	d := journey.Decision{
		TraceID: e.id, At: e.at, Journey: e.decision.Journey,
		Outcome: e.decision.Outcome.String(), OutcomeReason: e.decision.Why,
		Kept: e.decision.Kept, Rule: e.decision.Rule, Reason: e.decision.Reason,
		Probability: e.decision.Probability, Early: e.early, LateSpans: e.late,
		Summary: journey.Summary{
			Complete: e.decision.Complete, Spans: e.spans, Bytes: e.bytes, Duration: time.Duration(e.duration),
		},
	}
	for _, service := range e.path {
		d.Path = append(d.Path, service.Name)
	}
	if e.hasRoot {
		d.RootService, d.RootSpan = e.root.Service, e.root.Name
	}
	d.StepsReached, d.StepsMissing = e.decision.StepNames(&facts.Facts{Held: e.held})
	return d
}
