package journeysextension

import (
	"cmp"
	"maps"
	"slices"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// overview answers about all journeys together.
func (v *view) overview(processors []string) api.Overview {
	var all journey.Counts
	for i := range v.window.panes {
		for _, t := range v.window.panes[i].Tallies {
			all.Add(t.Counts)
		}
		all.Volume.Add(v.window.panes[i].Unattributed)
	}
	failed := max(all.Errors, 0) + max(all.Incomplete, 0)
	return api.Overview{
		Head:     v.head(),
		Journeys: v.journeys(&all),
		Spans:    v.volume(all.SpansReceived, all.SpansStored),
		Bytes:    v.volume(all.BytesReceived, all.BytesStored),
		Failed:   api.Failed{Existing: failed, Kept: all.FailedKept, Share: share(all.FailedKept, failed)},
		Money: api.Money{
			Currency: v.config.Prices.Currency, PricePerGB: v.config.Prices.PerGB,
			PricePerMillionSpans: v.config.Prices.PerMillionSpans,
			ReceivedPerMonth:     v.perMonth(all.SpansReceived, all.BytesReceived),
			StoredPerMonth:       v.perMonth(all.SpansStored, all.BytesStored),
			SavedPerMonth:        v.saved(&all.Volume),
		},
		Trend:      v.trend(&v.all[v.which]),
		Limits:     v.reached(),
		Processors: processors,
		HasLinks:   v.config.TraceLink != "",
	}
}

// reached lists the limits.
func (v *view) reached() []api.Limit {
	c, cuts := &v.config.Limits, &v.cuts
	return []api.Limit{
		{Name: "journeys", Value: int64(c.Journeys), Reached: cuts.Journeys},
		{Name: "services", Value: int64(c.Services), Reached: cuts.Services},
		{Name: "edges", Value: int64(c.Edges), Reached: cuts.Edges},
		{Name: "paths", Value: int64(c.Paths), Reached: cuts.Paths},
		{Name: "name_length", Value: int64(c.NameLength), Reached: cuts.Names},
		{Name: "memory", Value: int64(c.MemoryMiB) << 20, Reached: cuts.Memory},
		{Name: "mapped_spans", Value: int64(c.MappedSpans)},
	}
}

// line is what the table needs of a journey.
type line struct {
	name string
	journey.Counts
	durations journey.Sketch
}

// table answers about all journeys, one by one.
func (v *view) table() api.Table {
	lines := make(map[string]*line)
	for i := range v.window.panes {
		for name, t := range v.window.panes[i].Tallies {
			l := lines[name]
			if l == nil {
				l = &line{name: name}
				lines[name] = l
			}
			l.Add(t.Counts)
			l.durations.Merge(&t.Durations)
		}
	}
	sorted := slices.SortedFunc(maps.Values(lines), func(a, b *line) int {
		return cmp.Or(cmp.Compare(b.Journeys(), a.Journeys()), cmp.Compare(a.name, b.name))
	})
	t := api.Table{
		Head: v.head(), TrendStart: v.trendStart(), TrendStepSeconds: v.window.step().Seconds(),
		Rows: make([]api.Row, 0, len(sorted)),
	}
	for _, l := range sorted {
		t.Rows = append(t.Rows, v.row(l))
	}
	return t
}

func (v *view) row(l *line) api.Row {
	r := api.Row{
		Name: l.name, Journeys: v.journeys(&l.Counts), Trend: []int64{},
		P50MS: quantile(&l.durations, 0.5), P95MS: quantile(&l.durations, 0.95), P99MS: quantile(&l.durations, 0.99),
		Spans: v.volume(l.SpansReceived, l.SpansStored), Bytes: v.volume(l.BytesReceived, l.BytesStored),
		SavedPerMonth: v.saved(&l.Volume),
	}
	if b := v.books[l.name]; b != nil {
		r.Trend = b.trends[v.which].values(v.step(), journeysOf)
	}
	return r
}
