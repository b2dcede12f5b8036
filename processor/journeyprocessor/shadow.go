package journeyprocessor

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/match"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

// shadow decides with the rules and the budget of sampling::shadow about the
// journeys that are decided, from the same facts, names, outcomes and
// randomness, and only counts. All shards share it; what it learns and its
// budget have their own locks, as those in use. A nil shadow does nothing.
//
// It is asked once for each journey. What comes late follows no decision of it
// and is not counted, nor does it charge the shadow's budget.
type shadow struct {
	policy    *policy.Policy
	learned   *policy.Learned
	thinner   *thinner
	telemetry *telemetry
	since     time.Time

	mu sync.Mutex
	// totals is what all shards have flushed, by the keys that any has. Guarded by mu.
	totals map[shadowKey]*shadowTally
}

// newShadow makes the shadow of the engine's configuration; nil without one.
// It adds to the engine's matches, so it is called before they are in use.
func newShadow(e *engine) (*shadow, error) {
	c := e.config.Sampling.Shadow
	if c == nil {
		return nil, nil
	}
	p, learned, err := compileShadow(e.config, e.policy, e.matches, e.telemetry.conditionFailed(e.logger))
	if err != nil {
		return nil, prefixed("sampling::shadow", err)
	}
	w := &shadow{
		policy: p, learned: learned, telemetry: e.telemetry, since: e.now(),
		totals: make(map[shadowKey]*shadowTally),
	}
	w.thinner, err = newThinner(c.Budget, p.Rules, nil, e.store.buffer, e.now)
	return w, err
}

// compileShadow makes the shadow's policy, which differs from the one in use in
// its rules alone. Shapes are then gathered if either asks for them.
func compileShadow(c *Config, active *policy.Policy, set *match.Set, failed conditionFailed) (*policy.Policy, *policy.Learned, error) {
	x := &compiler{set: set, failed: failed}
	p := *active
	p.Rules = nil
	rules := c.Sampling.Shadow.Rules
	if len(rules) == 0 {
		rules = c.Sampling.Rules
	}
	for i := range rules {
		rule, err := x.rule(&rules[i])
		if err != nil {
			return nil, nil, prefixed(fmt.Sprintf("rules::%d", i), err)
		}
		p.Rules = append(p.Rules, rule)
	}
	learned := p.NewLearned(c.learns())
	active.UsesShapes = active.UsesShapes || p.UsesShapes
	return &p, learned, nil
}

func (w *shadow) drain() {
	if w != nil {
		w.thinner.drain()
	}
}

// shadowKey is what a shadow's counts tell apart: the journey as it was
// decided, and what the shadow would have done.
type shadowKey struct {
	is, would decisionKey
}

// shadowTally is what was decided alike.
type shadowTally struct {
	journeys, spans, bytes int64
	key                    shadowKey
	mustKeep               bool // by the rule in use
	byDecision, byRule     []metric.AddOption
	byLoss                 []metric.AddOption
}

func (t *shadowTally) add(o *shadowTally) {
	t.journeys += o.journeys
	t.spans += o.spans
	t.bytes += o.bytes
}

// shadowCounts counts for one shard, whose goroutine alone uses it, until it
// flushes. Nil without a shadow: then it does nothing.
type shadowCounts struct {
	shadow  *shadow
	tallies map[shadowKey]*shadowTally
	counted map[shadowKey]*shadowTally // since the last flush
}

func (w *shadow) newCounts() *shadowCounts {
	if w == nil {
		return nil
	}
	return &shadowCounts{shadow: w, tallies: make(map[shadowKey]*shadowTally), counted: make(map[shadowKey]*shadowTally)}
}

// decide decides about a trace as the shadow would, beside the decision that
// was made. At is the time that the budget counts it at.
func (c *shadowCounts) decide(t *trace, is *policy.Decision, ending policy.Ending, now, at time.Time) {
	if c == nil {
		return
	}
	w := c.shadow
	d := w.policy.Decide(t.id, t.facts, ending, w.learned, now)
	w.learned.Learn(t.facts, &d, ending, now)
	w.thinner.thin(t, &d, at)
	tally := c.tally(shadowKey{is: keyOf(is), would: keyOf(&d)}, is.MustKeep)
	tally.add(&shadowTally{journeys: 1, spans: int64(t.facts.Spans), bytes: t.spans.bytes})
	c.counted[tally.key] = tally
}

func keyOf(d *policy.Decision) decisionKey {
	return decisionKey{journey: d.Journey, rule: d.Rule, outcome: d.Outcome, kept: d.Kept}
}

func (c *shadowCounts) tally(key shadowKey, mustKeep bool) *shadowTally {
	if t, ok := c.tallies[key]; ok {
		return t
	}
	key = c.shadow.cap(key)
	t, ok := c.tallies[key]
	if !ok {
		t = newShadowTally(key, mustKeep)
		c.tallies[key] = t
	}
	return t
}

// cap bounds how many keys there are, as those of the metrics are bounded: by
// telemetry::max_journeys and by maxSeries. The journey of the rest is other.
func (w *shadow) cap(key shadowKey) shadowKey {
	name := w.telemetry.names.cap(key.is.journey)
	key.is.journey, key.would.journey = name, name
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.totals[key]; !ok && len(w.totals) >= maxSeries {
		key.is.journey, key.would.journey = otherJourneys, otherJourneys
	}
	if w.totals[key] == nil {
		w.totals[key] = &shadowTally{}
	}
	return key
}

func newShadowTally(key shadowKey, mustKeep bool) *shadowTally {
	byRule := newTally(key.would)
	return &shadowTally{
		key: key, mustKeep: mustKeep, byDecision: byRule.byDecision, byRule: byRule.byRule,
		byLoss: []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(
			attribute.String("outcome", key.is.outcome.String()), attribute.String("rule", key.is.rule)))},
	}
}

// flush adds what was counted to the metrics and to what can be asked for.
func (c *shadowCounts) flush() {
	if c == nil || len(c.counted) == 0 {
		return
	}
	ctx, t := context.Background(), c.shadow.telemetry
	c.shadow.mu.Lock()
	defer c.shadow.mu.Unlock()
	for key, tally := range c.counted {
		t.ProcessorJourneyShadowJourneys.Add(ctx, tally.journeys, tally.byRule...)
		t.ProcessorJourneyShadowSpans.Add(ctx, tally.spans, tally.byDecision...)
		t.ProcessorJourneyShadowBytes.Add(ctx, tally.bytes, tally.byDecision...)
		if tally.mustKeep && key.is.kept && !key.would.kept {
			t.ProcessorJourneyShadowMustKeepLost.Add(ctx, tally.journeys, tally.byLoss...)
		}
		total := c.shadow.totals[key]
		total.mustKeep = tally.mustKeep
		total.add(tally)
		tally.journeys, tally.spans, tally.bytes = 0, 0, 0
	}
	clear(c.counted)
}

var _ journey.Shadower = (*engine)(nil)

// Shadow is what sampling::shadow would have kept until now, beside what was
// kept; false without a shadow. Any goroutine may ask.
func (e *engine) Shadow() (journey.Shadow, bool) {
	w := e.shadow
	if w == nil {
		return journey.Shadow{}, false
	}
	is := journey.Shadow{Since: w.since, Rules: ruleNames(e.policy.Rules), ShadowRules: ruleNames(w.policy.Rules)}
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, tally := range w.totals {
		if tally.journeys == 0 {
			continue // not flushed yet
		}
		is.Tallies = append(is.Tallies, journey.ShadowTally{
			Journey: key.is.journey, Outcome: key.is.outcome.String(), MustKeep: tally.mustKeep,
			Rule: key.is.rule, Kept: key.is.kept,
			ShadowRule: key.would.rule, ShadowKept: key.would.kept,
			Journeys: tally.journeys, Spans: tally.spans, Bytes: tally.bytes,
		})
	}
	return is, true
}

func ruleNames(rules []policy.Rule) []string {
	list := make([]string, 0, len(rules))
	for i := range rules {
		list = append(list, rules[i].Name)
	}
	return list
}
