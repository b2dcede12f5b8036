package journeysextension

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// journey answers about one journey, and says whether there is such a one.
func (v *view) journey(name string) (api.Journey, bool) {
	sum := journey.NewAggregate(v.limits, nil)
	for i := range v.window.panes {
		if t := v.window.panes[i].Tallies[name]; t != nil {
			sum.Tally(name).Merge(t)
		}
	}
	book := v.books[name]
	if book == nil {
		return api.Journey{}, false
	}
	t := sum.Tally(name)
	return api.Journey{
		Head: v.head(), Row: v.row(&line{name: name, Counts: t.Counts, durations: t.Durations}),
		Trend: v.trend(&book.trends[v.which]), Flow: v.flow(t),
		Steps: steps(t), Stops: stops(t), Paths: paths(t), Rules: rules(t),
		Kept: v.traces(book.kept), Failures: v.traces(book.failed), Omitted: omitted(&sum.Cuts),
	}, true
}

// omitted names the lists that do not have all there was.
func omitted(c *journey.Cuts) []string {
	names := []string{}
	for _, l := range []struct {
		name string
		cut  int64
	}{{"services", c.Services}, {"edges", c.Edges}, {"paths", c.Paths}} {
		if l.cut > 0 {
			names = append(names, l.name)
		}
	}
	return names
}

func steps(t *journey.Tally) []api.Step {
	list := make([]api.Step, 0, len(t.Steps))
	for _, s := range t.Steps {
		list = append(list, api.Step{Name: s.Name, Reached: s.Reached, ReachedShare: share(s.Reached, t.Journeys())})
	}
	return list
}

func stops(t *journey.Tally) []api.Stop {
	list := make([]api.Stop, 0, len(t.Stops))
	for _, s := range t.Stops {
		list = append(list, api.Stop{
			Outcome: s.Outcome, Service: s.Service, Operation: s.Operation, Missing: s.Missing, Reason: s.Reason,
			Count: s.Count, Share: share(s.Count, t.Journeys()),
		})
	}
	slices.SortStableFunc(list, func(a, b api.Stop) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation))
	})
	return list
}

func paths(t *journey.Tally) []api.Path {
	list := make([]api.Path, 0, len(t.Paths))
	for _, p := range t.Paths {
		list = append(list, api.Path{
			Services: append([]string{}, p.Services...), Count: p.Count, Share: share(p.Count, t.Journeys()),
			Errors: p.Errors, Kept: p.Kept, P95MS: quantile(&p.Durations, 0.95),
		})
	}
	slices.SortFunc(list, func(a, b api.Path) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), slices.Compare(a.Services, b.Services))
	})
	return list
}

func rules(t *journey.Tally) []api.Rule {
	sorted := slices.SortedStableFunc(slices.Values(t.Rules), func(a, b journey.RuleTally) int { return cmp.Compare(a.Index, b.Index) })
	list := make([]api.Rule, 0, len(sorted))
	for _, r := range sorted {
		list = append(list, api.Rule{
			Name: r.Name, Matched: r.Matched, Kept: r.Kept, Thinned: r.Thinned, Early: r.Early, Late: r.Late,
			SpansStored: r.SpansStored, Reason: reason(r.Reason),
		})
	}
	return list
}

func reason(s string) string {
	text, _ := journey.Text(s, journey.MaxReason)
	return text
}

func (v *view) traces(latest []journey.Trace) []api.Trace {
	list := make([]api.Trace, 0, len(latest))
	for _, t := range slices.Backward(latest) {
		one := api.Trace{
			TraceID: t.ID.String(), At: t.At.UTC(), Outcome: t.Outcome, OutcomeReason: t.OutcomeReason, Kept: t.Kept,
			Rule: t.Rule, Reason: t.Reason, Probability: known(t.Probability),
			DurationMS: milliseconds(t.Duration), Spans: t.Spans, Service: t.Service, Operation: t.Operation,
		}
		if t.Kept {
			one.Link = v.config.link(one.TraceID)
		}
		list = append(list, one)
	}
	return list
}

// known is nil for a probability that is not known.
func known(probability float64) *float64 {
	if probability == 0 {
		return nil
	}
	return &probability
}

// flow puts the map into an answer. If not all journeys are on it, its counts
// are multiplied to stand for all.
func (v *view) flow(t *journey.Tally) api.Flow {
	f := api.Flow{Of: max(t.Journeys(), 0), Mapped: t.Flow.Mapped, Nodes: []api.FlowNode{}, Edges: []api.FlowEdge{}}
	scale := 1.0
	if f.Mapped > 0 {
		scale = max(float64(f.Of)/float64(f.Mapped), 1)
	}
	stands := func(n int64) int64 { return int64(scale*float64(n) + 0.5) }
	ids := make(map[journey.NodeKey]string, len(t.Flow.Nodes))
	for i, key := range slices.SortedFunc(maps.Keys(t.Flow.Nodes), compareNodes) {
		n := t.Flow.Nodes[key]
		ids[key] = "n" + strconv.Itoa(i)
		f.Nodes = append(f.Nodes, api.FlowNode{
			ID: ids[key], Kind: key.Kind.String(), Name: key.Name, System: key.System,
			Count: stands(n.Count), PerMinute: v.perMinute(stands(n.Count)),
			Errors: stands(n.Errors), ErrorShare: share(n.Errors, n.Count),
			P50MS: quantile(&n.Durations, 0.5), P95MS: quantile(&n.Durations, 0.95),
		})
	}
	for _, key := range slices.SortedFunc(maps.Keys(t.Flow.Edges), compareEdges) {
		e := t.Flow.Edges[key]
		f.Edges = append(f.Edges, api.FlowEdge{
			From: ids[key.From], To: ids[key.To], Protocol: key.Protocol.String(),
			Count: stands(e.Count), PerMinute: v.perMinute(stands(e.Count)),
			Errors: stands(e.Errors), ErrorShare: share(e.Errors, e.Count),
			P50MS: quantile(&e.Durations, 0.5), P95MS: quantile(&e.Durations, 0.95),
			WaitP50MS: quantile(&e.Waits, 0.5), WaitP95MS: quantile(&e.Waits, 0.95),
		})
	}
	return f
}

func compareNodes(a, b journey.NodeKey) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.System, b.System))
}

func compareEdges(a, b journey.EdgeKey) int {
	return cmp.Or(compareNodes(a.From, b.From), compareNodes(a.To, b.To), cmp.Compare(a.Protocol, b.Protocol))
}
