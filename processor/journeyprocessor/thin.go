package journeyprocessor

import (
	"context"
	"strconv"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/budget"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/weight"
)

// Reasons for which a journey is kept with less than its rule's probability,
// as the metrics and the sampling reason name them.
const (
	thinnedOverload = "overload"
	thinnedBudget   = "budget"
)

var thinnedWords = map[string]string{thinnedOverload: "overload", thinnedBudget: "the budget"}

// thinner lowers the probabilities that rules give: for want of memory, then
// for the budget. What it goes by is known without looking at the randomness
// of the journey at hand, so the weights stay right. Any goroutine may use it.
type thinner struct {
	telemetry *telemetry // nil for a shadow's: nothing is counted
	now       func() time.Time
	buffer    *buffer
	budget    *budget.Budget // nil: none is set
	price     price
	// unmatched is the budget's rule for what no rule matches: the last one.
	unmatched int
	rules     []string  // names, with that of unmatched
	keeps     []float64 // their probabilities
	unit      string    // of the budget
	// options are made once, because making them costs more than counting.
	options map[thinned][]metric.AddOption
}

// thinned is what journeys are counted by that a rule would have kept.
type thinned struct{ rule, reason string }

func newThinner(c *BudgetConfig, rules []policy.Rule, t *telemetry, b *buffer, now func() time.Time) (*thinner, error) {
	n := &thinner{telemetry: t, now: now, buffer: b, unmatched: len(rules), options: make(map[thinned][]metric.AddOption), keeps: keepsOf(rules)}
	settings := budget.Settings{}
	for i := range rules {
		n.rules = append(n.rules, rules[i].Name)
		settings.Rules = append(settings.Rules, budget.Rule{First: rules[i].Threshold == sampling.AlwaysSampleThreshold})
	}
	n.rules = append(n.rules, policy.NoRuleName)
	settings.Rules = append(settings.Rules, budget.Rule{})
	for _, rule := range n.rules {
		for _, reason := range []string{thinnedOverload, thinnedBudget} {
			n.options[thinned{rule, reason}] = []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(
				attribute.String("rule", rule), attribute.String("reason", reason)))}
		}
	}
	if c == nil {
		return n, nil
	}
	var unit string
	settings.PerSecond, n.price, unit = c.perSecond()
	settings.Carry = c.Carry.d
	for i := range settings.Rules {
		settings.Rules[i].Fixed = settings.Rules[i].First && c.MustKeep == "wins"
	}
	n.budget, n.unit = budget.New(settings, now()), unit
	if t == nil {
		return n, nil
	}
	return n, t.observeBudget(n, unit, rules)
}

// thin lowers the decision's probability, decides again if that changed it,
// and charges what is kept. At is when the trace was due, or now.
func (n *thinner) thin(t *trace, d *policy.Decision, at time.Time) {
	arrived := sampling.AlwaysSampleThreshold
	if t.facts.HasThreshold {
		arrived = t.facts.Threshold
	}
	if sampling.ThresholdGreater(arrived, d.Threshold) {
		// It stands for more than the rule says. Whether the rule keeps it
		// does not change by that.
		d.Threshold, d.Probability = arrived, arrived.Probability()
	}
	if d.Probability == 0 {
		return
	}
	if !d.MustKeep {
		n.lower(t, d, n.buffer.thin(), thinnedOverload)
	}
	if n.budget == nil {
		return
	}
	rule := d.RuleIndex
	if rule == policy.NoRule {
		rule = n.unmatched
	}
	share := d.Probability / arrived.Probability() // of such journeys that came, how many the rule keeps
	n.lower(t, d, n.budget.Factor(at, budget.Class{Rule: rule, Journey: d.Journey}, n.costOf(t, d)*share), thinnedBudget)
	if d.Kept {
		n.budget.Spend(rule, n.costOf(t, d)) // of its reason, too, which may have become longer
	}
}

// drain prepares for deciding about everything that waits: each trace counts as
// decided when it would have been.
func (n *thinner) drain() {
	if n.budget != nil {
		n.budget.Drain(n.now())
	}
}

// lower multiplies the decision's probability with factor, and counts the
// journey if that is what it is dropped for.
func (n *thinner) lower(t *trace, d *policy.Decision, factor float64, reason string) {
	if factor >= 1 {
		return
	}
	threshold := weight.Thinned(d.Threshold, factor)
	if threshold == d.Threshold {
		return // too little to be written
	}
	d.Threshold = threshold
	d.Probability = d.Threshold.Probability()
	d.Reason += ", thinned to " + strconv.FormatFloat(100*d.Probability, 'g', 3, 64) + "% by " + thinnedWords[reason]
	if !d.Kept || d.Threshold.ShouldSample(weight.Randomness(t.id, t.facts.Randomness, t.facts.HasRandomness)) {
		return
	}
	d.Kept = false
	if n.telemetry == nil {
		return
	}
	options := n.options[thinned{d.Rule, reason}]
	n.telemetry.ProcessorJourneyThinnedJourneys.Add(context.Background(), 1, options...)
	n.telemetry.ProcessorJourneyThinnedSpans.Add(context.Background(), int64(t.facts.Spans), options...)
}

// costOf is what the trace costs if it is kept, with what is written on it (as
// released.written has it, before there is anything released).
func (n *thinner) costOf(t *trace, d *policy.Decision) float64 {
	written := (t.spans.count + t.logs.count) * (writtenOnEach + len(d.Journey))
	if t.spans.count > 0 {
		written += writtenOnOne + len(d.Reason)
		for _, service := range t.facts.Services {
			written += writtenOnPath + len(service.Name)
		}
	}
	bytes := t.spans.bytes + t.logs.bytes + int64(written)
	return n.price.span*float64(t.spans.count) + n.price.byte*float64(bytes)
}

// follows charges what leaves without a decision of its own: late spans, and
// log records that are kept in any case.
func (n *thinner) follows(v *released, logs bool) {
	if n.budget == nil {
		return
	}
	cost := n.price.byte * float64(v.bytes+v.written())
	if !logs {
		cost += n.price.span * float64(v.count)
	}
	n.budget.SpendFixed(n.now(), cost)
}

// sizeOfTraces is the size of a batch if bytes cost something.
func (n *thinner) sizeOfTraces(td ptrace.Traces) int {
	if n.price.byte == 0 {
		return 0
	}
	return (&ptrace.ProtoMarshaler{}).TracesSize(td)
}

// sizeOfLogs is the same of a batch of log records.
func (n *thinner) sizeOfLogs(ld plog.Logs) int {
	if n.price.byte == 0 {
		return 0
	}
	return (&plog.ProtoMarshaler{}).LogsSize(ld)
}

// left charges the difference between the size that a batch has left with and
// the one that was charged when its records were decided about. Resources and
// scopes are in the former only: how often they are sent depends on how many
// records leave together.
func (n *thinner) left(size int, batch []*released) {
	if n.price.byte == 0 {
		return
	}
	bytes := int64(size)
	for _, v := range batch {
		bytes -= v.bytes + v.written()
	}
	n.budget.Correct(n.price.byte * float64(bytes))
}

// observeBudget registers the budget's gauges.
func (t *telemetry) observeBudget(n *thinner, unit string, rules []policy.Rule) error {
	inUnit := metric.WithAttributeSet(attribute.NewSet(attribute.String("unit", unit)))
	for _, number := range []struct {
		register func(metric.Float64Callback) error
		value    func(*budget.State) float64
	}{
		{t.RegisterProcessorJourneyBudgetLimitCallback, func(s *budget.State) float64 { return s.Limit }},
		{t.RegisterProcessorJourneyBudgetRateCallback, func(s *budget.State) float64 { return s.Rate }},
		{t.RegisterProcessorJourneyBudgetSpentCallback, func(s *budget.State) float64 { return s.Spent }},
		{t.RegisterProcessorJourneyBudgetExceededCallback, func(s *budget.State) float64 { return s.Exceeded.Seconds() }},
	} {
		err := number.register(func(_ context.Context, o metric.Float64Observer) error {
			s := n.budget.State(n.now())
			o.Observe(number.value(&s), inUnit)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return t.RegisterProcessorJourneyBudgetProbabilityCallback(func(_ context.Context, o metric.Float64Observer) error {
		s := n.budget.State(n.now())
		for i := range s.Factors {
			name, keeps := policy.NoRuleName, 1.0
			if i < len(rules) {
				name, keeps = rules[i].Name, rules[i].Threshold.Probability()
			}
			o.Observe(keeps*s.Factors[i], metric.WithAttributes(attribute.String("rule", name)))
		}
		return nil
	})
}
