package journeyprocessor

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

// decisionCounts counts one shard's decisions, before anything is dropped: in
// itself, and in the metrics when it is flushed, because adding to a metric
// costs more than all the rest and a shard mostly decides several journeys at
// a time. Its shard's goroutine alone uses it.
type decisionCounts struct {
	telemetry *telemetry
	tallies   map[decisionKey]*tally
	counted   []*tally // since the last flush
}

func newDecisionCounts(t *telemetry) decisionCounts {
	return decisionCounts{telemetry: t, tallies: make(map[decisionKey]*tally)}
}

// decisionKey is what metrics tell apart. Its journey is a capped name, so
// there is a limit to how many there are.
type decisionKey struct {
	journey, rule string
	outcome       policy.Outcome
	kept          bool
}

// tally is what was decided alike, and the attributes it is counted under,
// which are made once because making them costs more than counting.
type tally struct {
	journeys, spans, bytes int64
	byDecision, byRule     []metric.AddOption
	durations              []metric.RecordOption
}

// add counts a decision, the spans it was made about, and their bytes.
func (c *decisionCounts) add(d *policy.Decision, spans int, bytes int64, nanoseconds uint64) {
	t := c.tally(decisionKey{journey: d.Journey, rule: d.Rule, outcome: d.Outcome, kept: d.Kept})
	if t.journeys == 0 {
		c.counted = append(c.counted, t)
	}
	t.journeys++
	t.spans += int64(spans)
	t.bytes += bytes
	c.telemetry.ProcessorJourneyDuration.Record(context.Background(), float64(nanoseconds)/1e9, t.durations...)
}

func (c *decisionCounts) tally(key decisionKey) *tally {
	if t, ok := c.tallies[key]; ok {
		return t
	}
	key.journey = c.telemetry.names.cap(key.journey)
	t, ok := c.tallies[key]
	if !ok {
		t = newTally(c.telemetry.series.cap(key))
		c.tallies[key] = t
	}
	return t
}

// flush adds what was counted to the metrics.
func (c *decisionCounts) flush() {
	ctx := context.Background()
	for _, t := range c.counted {
		c.telemetry.ProcessorJourneyJourneys.Add(ctx, t.journeys, t.byRule...)
		c.telemetry.ProcessorJourneyJourneySpans.Add(ctx, t.spans, t.byDecision...)
		c.telemetry.ProcessorJourneyJourneyBytes.Add(ctx, t.bytes, t.byDecision...)
		t.journeys, t.spans, t.bytes = 0, 0, 0
	}
	c.counted = c.counted[:0]
}

func newTally(key decisionKey) *tally {
	journey, decision := attribute.String("journey", key.journey), attribute.String("decision", decisionWord(key.kept))
	outcome, rule := attribute.String("outcome", key.outcome.String()), attribute.String("rule", key.rule)
	return &tally{
		byDecision: []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(journey, decision))},
		byRule:     []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(journey, decision, outcome, rule))},
		durations:  []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(journey, outcome, rule))},
	}
}

func decisionWord(kept bool) string {
	if kept {
		return "kept"
	}
	return "dropped"
}

// otherJourneys counts the journeys beyond telemetry::max_journeys.
const otherJourneys = "other"

// nameCap lets the first max names through, since names can come from spans
// and so from anybody.
type nameCap struct {
	max int

	mu   sync.Mutex
	seen map[string]struct{}
}

func (c *nameCap) cap(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.seen[name]; ok {
		return name
	}
	if len(c.seen) >= c.max {
		return otherJourneys
	}
	c.seen[name] = struct{}{}
	return name
}

// maxSeries is how many sets of attributes the metrics of decisions get. From
// 2,000 on OpenTelemetry's SDK would count what is new under no attributes at
// all; here it is under its outcome and rule.
const maxSeries = 1800

// seriesCap lets the first maxSeries keys through. The journey of later ones
// is other.
type seriesCap struct {
	mu   sync.Mutex
	seen map[decisionKey]struct{}
}

func (c *seriesCap) cap(key decisionKey) decisionKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.seen[key]; !ok && len(c.seen) >= maxSeries {
		key.journey = otherJourneys
	}
	c.seen[key] = struct{}{}
	return key
}
