package journeysextension

import (
	"cmp"
	"slices"
	"time"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// maxLosses is how many lines of lost journeys are answered with.
const maxLosses = 50

// shadow compares a processor's shadow with what is in use; nil if it has none.
func shadow(of journey.Shadower, config *Config, now time.Time) *api.Shadow {
	counted, ok := of.Shadow()
	if !ok {
		return nil
	}
	covered := max(now.Sub(counted.Since), 0)
	c := comparison{
		limits: config.Limits.forProcessors(), losses: map[api.ShadowLoss]int64{},
		inUse: newShadowSide(counted.Rules), shadow: newShadowSide(counted.ShadowRules),
	}
	for i := range counted.Tallies {
		c.add(&counted.Tallies[i])
	}
	perMonth := func(spans, bytes int64) *float64 { return config.Prices.perMonth(spans, bytes, covered) }
	c.decided.PerMonth = perMonth(c.decided.Spans, c.decided.Bytes)
	return &api.Shadow{
		Since: counted.Since.UTC(), Seconds: rounded(covered.Seconds()), Currency: config.Prices.Currency,
		Decided: c.decided, InUse: c.inUse.answer(&c.decided, perMonth), Shadow: c.shadow.answer(&c.decided, perMonth),
		MustKeepLost: c.mustKeepLost, FailedLost: c.failedLost, Losses: c.sortedLosses(),
	}
}

// comparison sums up what a shadow has counted.
type comparison struct {
	limits                   journey.Limits
	decided                  api.ShadowDecided
	inUse, shadow            shadowSide
	mustKeepLost, failedLost int64
	losses                   map[api.ShadowLoss]int64 // by all but their count
}

func (c *comparison) add(t *journey.ShadowTally) {
	failed := int64(0)
	if t.Outcome != "ok" {
		failed = t.Journeys
	}
	c.decided.Journeys += t.Journeys
	c.decided.Failed += failed
	c.decided.Spans += t.Spans
	c.decided.Bytes += t.Bytes
	c.inUse.add(t, t.Rule, t.Kept, failed)
	c.shadow.add(t, t.ShadowRule, t.ShadowKept, failed)
	if !t.Kept || t.ShadowKept || !t.MustKeep && failed == 0 {
		return
	}
	c.failedLost += failed
	if t.MustKeep {
		c.mustKeepLost += t.Journeys
	}
	name, _ := c.limits.Name(t.Journey)
	c.losses[api.ShadowLoss{Journey: name, Outcome: t.Outcome, Rule: shownRule(t.Rule), MustKeep: t.MustKeep}] += t.Journeys
}

// sortedLosses are the journeys that would be missed, the most frequent first.
func (c *comparison) sortedLosses() []api.ShadowLoss {
	list := make([]api.ShadowLoss, 0, len(c.losses))
	for loss, count := range c.losses {
		loss.Count = count
		list = append(list, loss)
	}
	slices.SortFunc(list, func(a, b api.ShadowLoss) int {
		return cmp.Or(
			cmp.Compare(b.Count, a.Count), cmp.Compare(a.Journey, b.Journey),
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Outcome, b.Outcome),
		)
	})
	return list[:min(len(list), maxLosses)]
}

// shadowSide is what one of the two keeps.
type shadowSide struct {
	kept   api.ShadowSide
	places map[string]int // of its rules
}

// newShadowSide has all rules, in their order, because one that never matches
// is worth knowing.
func newShadowSide(rules []string) shadowSide {
	s := shadowSide{kept: api.ShadowSide{Rules: make([]api.ShadowRule, 0, len(rules))}, places: map[string]int{}}
	for _, name := range rules {
		s.rule(name)
	}
	return s
}

// rule returns a rule; what none of them matched comes last.
func (s *shadowSide) rule(name string) *api.ShadowRule {
	name = shownRule(name)
	at, ok := s.places[name]
	if !ok {
		at = len(s.kept.Rules)
		s.places[name] = at
		s.kept.Rules = append(s.kept.Rules, api.ShadowRule{Name: name})
	}
	return &s.kept.Rules[at]
}

func shownRule(name string) string {
	name, _ = journey.Text(name, maxMessage)
	return name
}

func (s *shadowSide) add(t *journey.ShadowTally, rule string, kept bool, failed int64) {
	r := s.rule(rule)
	r.Matched += t.Journeys
	if !kept {
		return
	}
	r.Kept += t.Journeys
	r.Spans += t.Spans
	r.Bytes += t.Bytes
	s.kept.Journeys += t.Journeys
	s.kept.Failed += failed
	s.kept.Spans += t.Spans
	s.kept.Bytes += t.Bytes
}

func (s *shadowSide) answer(of *api.ShadowDecided, perMonth func(spans, bytes int64) *float64) api.ShadowSide {
	k := s.kept
	k.JourneysShare, k.FailedShare = share(k.Journeys, of.Journeys), share(k.Failed, of.Failed)
	k.SpansShare, k.BytesShare = share(k.Spans, of.Spans), share(k.Bytes, of.Bytes)
	k.PerMonth = perMonth(k.Spans, k.Bytes)
	for i := range k.Rules {
		r := &k.Rules[i]
		r.Share, r.PerMonth = share(r.Kept, r.Matched), perMonth(r.Spans, r.Bytes)
	}
	return k
}
