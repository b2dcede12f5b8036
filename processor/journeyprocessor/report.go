package journeyprocessor

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
	"go.opentelemetry.io/collector/component"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

// reportEvery is how often a shard hands over what it has counted.
const reportEvery = time.Second

// reporting is an engine's side of a reporter. Nil, it does nothing: nothing
// is collected then.
type reporting struct {
	reporter journey.Reporter
	limits   journey.Limits
	draw     mapDraw
	release  func() // what Attach returned
}

// findReporter looks the configured reporter up.
func (e *engine) findReporter(host component.Host) error {
	id := e.config.Reporter
	if id == nil {
		return nil
	}
	extension, ok := host.GetExtensions()[*id]
	if !ok {
		return fmt.Errorf("journey: reporter %q: there is no such extension under service::extensions", id)
	}
	reporter, ok := extension.(journey.Reporter)
	if !ok {
		return fmt.Errorf("journey: reporter %q: this extension shows no journeys; use journeys", id)
	}
	e.reporting = &reporting{reporter: reporter, limits: reporter.Limits()}
	e.reporting.draw.init(e.reporting.limits.MappedSpans, time.Now())
	return nil
}

func (r *reporting) attach(e *engine) {
	if r != nil {
		r.release = r.reporter.Attach(e.id.String(), e)
	}
}

// detach returns when nobody asks the engine any more. More than once is as good
// as once.
func (r *reporting) detach() {
	if r != nil && r.release != nil {
		r.release()
		r.release = nil
	}
}

// arrived takes note of spans that have come.
func (r *reporting) arrived(spans int) {
	if r != nil {
		r.draw.take(int64(spans))
	}
}

// ask asks for what reports need of a resource's spans.
func (r *reporting) ask(of *facts.Resource) {
	if r != nil {
		of.Report(r.draw.share.Load())
	}
}

// mapDraw says which share of the traces is drawn for maps: a power of 1/2,
// which changes seldom, because a trace that sees it change may be left out.
type mapDraw struct {
	limit    float64      // spans a second
	arrived  atomic.Int64 // since it was last adjusted
	halvings atomic.Int32
	share    atomic.Uint64
	since    time.Time // the first shard's goroutine's
}

func (d *mapDraw) init(limit int, now time.Time) {
	d.limit, d.since = float64(limit), now
	if limit > 0 {
		d.share.Store(math.MaxUint64)
	}
}

// burst is by how many seconds' worth of spans the share is halved at once.
const burst = 2

// take takes note of spans that have come. If they are far too many for this
// second, it does not wait for its end.
func (d *mapDraw) take(spans int64) {
	n, sum := d.halvings.Load(), float64(d.arrived.Add(spans))
	if d.limit > 0 && n < maxHalvings && sum > math.Ldexp(burst*d.limit, int(n)) && d.halvings.CompareAndSwap(n, n+1) {
		d.share.Store(math.MaxUint64 >> (n + 1))
	}
}

// maxHalvings leaves one trace of a million.
const maxHalvings = 20

// adjust brings the share to what the limit allows of what arrives now. It
// grows again only when there is room to spare.
func (d *mapDraw) adjust(now time.Time) {
	passed := now.Sub(d.since).Seconds()
	if d.limit <= 0 || passed < 0.5 {
		return
	}
	rate := float64(d.arrived.Swap(0)) / passed
	d.since = now
	n := int(d.halvings.Load())
	for n < maxHalvings && math.Ldexp(rate, -n) > d.limit {
		n++
	}
	for n > 0 && math.Ldexp(rate, 1-n) < 0.7*d.limit {
		n--
	}
	d.halvings.Store(int32(n)) //nolint:gosec // at most maxHalvings
	d.share.Store(math.MaxUint64 >> n)
}

// shardReport is what one shard has counted since it last handed it over. The
// shard's goroutine alone uses it. Nil, it does nothing.
type shardReport struct {
	*reporting
	aggregate *journey.Aggregate
	mapper    mapper
	due       time.Time
	inventory atomic.Pointer[inventory]
	first     bool // adjusts the draw
}

func (r *reporting) newShardReport(first bool) *shardReport {
	if r == nil {
		return nil
	}
	return &shardReport{
		reporting: r, aggregate: journey.NewAggregate(r.limits, nil), first: first, mapper: newMapper(),
	}
}

// send hands over what was counted, once in a while.
func (r *shardReport) send(s *shard, now time.Time) {
	if r == nil || now.Before(r.due) {
		return
	}
	r.due = now.Add(reportEvery)
	if r.first {
		r.draw.adjust(now)
	}
	r.flush(s)
}

// flush hands over what was counted. What the reporter has no room for now is
// kept, and goes along the next time.
func (r *shardReport) flush(s *shard) {
	if r == nil {
		return
	}
	r.inventory.Store(s.takeInventory())
	if !r.aggregate.IsEmpty() && r.reporter.Report(r.aggregate) {
		r.aggregate = journey.NewAggregate(r.limits, nil)
	}
}

// add counts a decision.
func (r *shardReport) add(e *engine, t *trace, d *policy.Decision, early string, now time.Time) {
	if r == nil {
		return
	}
	tally, f := r.aggregate.Tally(d.Journey), t.facts
	counts := journey.Counts{Volume: journey.Volume{SpansReceived: int64(f.Spans), BytesReceived: t.spans.bytes}}
	failed := d.Outcome != policy.OK
	if d.Kept {
		counts.Kept, counts.SpansStored, counts.BytesStored = 1, counts.SpansReceived, counts.BytesReceived
		if failed {
			counts.FailedKept = 1
		}
	}
	*outcomeOf(&counts, d.Outcome) = 1
	tally.Add(counts)
	tally.Durations.Add(f.Duration())
	r.addRule(tally, e, t, d, early)
	for i := range d.Steps {
		if s := tally.Step(i, d.Steps[i].Name); s != nil && f.Held.Has(d.Steps[i].Match) {
			s.Reached++
		}
	}
	addPath(tally, f, d)
	if failed {
		tally.Stop(stopOf(f, d), 1, shortReason(d.Why))
		tally.LatestFailed = journey.Latest(tally.LatestFailed, noted(t, d, now))
	}
	if d.Kept {
		tally.LatestKept = journey.Latest(tally.LatestKept, noted(t, d, now))
	}
	if hops := f.Hops(); hops != nil {
		r.mapper.add(tally, hops)
	}
}

func outcomeOf(c *journey.Counts, o policy.Outcome) *int64 {
	switch o {
	case policy.Error:
		return &c.Errors
	case policy.Incomplete:
		return &c.Incomplete
	default:
		return &c.OK
	}
}

func (r *shardReport) addRule(tally *journey.Tally, e *engine, t *trace, d *policy.Decision, early string) {
	rule := tally.Rule(d.Rule, ruleIndex(d))
	rule.Matched++
	if early != "" {
		rule.Early++
	}
	if isThinned(e.policy, t.facts, d) {
		rule.Thinned++
	}
	if d.Kept {
		rule.Kept++
		rule.SpansStored += int64(t.facts.Spans)
		rule.Reason = shortReason(d.Reason)
	}
}

// ruleIndex orders rules as they are configured; what none matches comes last.
func ruleIndex(d *policy.Decision) int {
	if d.RuleIndex == policy.NoRule {
		return math.MaxInt
	}
	return d.RuleIndex
}

// isThinned says whether the journey had less than its rule's probability for
// another reason than what it came with.
func isThinned(p *policy.Policy, f *facts.Facts, d *policy.Decision) bool {
	given := sampling.AlwaysSampleThreshold
	if d.RuleIndex != policy.NoRule {
		given = p.Rules[d.RuleIndex].Threshold
	}
	if f.HasThreshold && sampling.ThresholdGreater(f.Threshold, given) {
		given = f.Threshold
	}
	return sampling.ThresholdGreater(d.Threshold, given)
}

// addPath counts the services that the journey went through. In which order
// they began does not tell paths apart: calls side by side, and clocks that
// differ by a millisecond, would make many of one.
func addPath(tally *journey.Tally, f *facts.Facts, d *policy.Decision) {
	hash := uint64(0)
	for i := range f.Services {
		one := xxhash.Sum64String(f.Services[i].Name)
		hash += one*0x9e3779b97f4a7c15 ^ one>>29
	}
	p := tally.Path(hash, func() []string {
		names := make([]string, len(f.Services))
		for i := range f.Services {
			names[i] = f.Services[i].Name
		}
		return names
	})
	if p == nil {
		return
	}
	p.Count++
	p.Durations.Add(f.Duration())
	if d.Outcome == policy.Error {
		p.Errors++
	}
	if d.Kept {
		p.Kept++
	}
}

// stopOf says where a journey that failed ended.
func stopOf(f *facts.Facts, d *policy.Decision) journey.StopKey {
	key := journey.StopKey{Outcome: d.Outcome.String()}
	if failed := f.LastFailed(); failed != nil && d.Outcome == policy.Error {
		key.Service, key.Operation = failed.Service, failed.Name
	}
	for i := range d.Steps {
		if !f.Held.Has(d.Steps[i].Match) {
			key.Missing = d.Steps[i].Name
			break
		}
	}
	return key
}

func noted(t *trace, d *policy.Decision, now time.Time) journey.Trace {
	one := journey.Trace{
		ID: t.id, At: now, Outcome: d.Outcome.String(), OutcomeReason: d.Why, Kept: d.Kept, Rule: d.Rule,
		Reason: shortReason(d.Reason), Probability: d.Probability,
		Duration: time.Duration(t.facts.Duration()), Spans: int64(t.facts.Spans), //nolint:gosec // not 292 years
	}
	if failed := t.facts.LastFailed(); failed != nil {
		one.Service, one.Operation = failed.Service, failed.Name
	}
	return one
}

// late counts spans that came after the decision about their trace, of which
// only the name may be known ("": not even that). What is brought back is
// counted as stored by upgrade.
func (r *shardReport) late(name string, f *fragment, stored bool) {
	if r == nil {
		return
	}
	v := journey.Volume{SpansReceived: int64(f.count), BytesReceived: f.bytes}
	if stored {
		v.SpansStored, v.BytesStored = v.SpansReceived, v.BytesReceived
	}
	if name == "" {
		r.aggregate.Unattributed.Add(v)
		return
	}
	r.aggregate.Tally(name).Volume.Add(v)
}

// upgrade counts a journey, that was counted as dropped and with another
// outcome, as kept. Before is that outcome.
func (r *shardReport) upgrade(before policy.Outcome, t *trace, d *policy.Decision, now time.Time) {
	if r == nil {
		return
	}
	tally := r.aggregate.Tally(d.Journey)
	*outcomeOf(&tally.Counts, before)--
	*outcomeOf(&tally.Counts, d.Outcome)++
	tally.Kept++
	tally.FailedKept++
	tally.SpansStored += int64(t.spans.count)
	tally.BytesStored += t.spans.bytes
	rule := tally.Rule(d.Rule, ruleIndex(d))
	rule.Kept++
	rule.Late++
	rule.SpansStored += int64(t.spans.count)
	rule.Reason = shortReason(d.Reason)
	tally.Stop(stopOf(t.facts, d), 1, shortReason(d.Why))
	one := noted(t, d, now)
	one.Probability = 0
	tally.LatestKept = journey.Latest(tally.LatestKept, one)
	tally.LatestFailed = journey.Latest(tally.LatestFailed, one)
}

// journey is the name under which a trace was decided; "" if that is forgotten.
func (p *ledgerPart) journey(id [16]byte) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if place, ok := p.places[id]; ok {
		return p.ring[place].decision.Journey
	}
	return ""
}

// outcome is the one that a trace was decided with; OK, as most are, if that
// is forgotten.
func (p *ledgerPart) outcome(id [16]byte) policy.Outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	if place, ok := p.places[id]; ok {
		return p.ring[place].decision.Outcome
	}
	return policy.OK
}
