package journeysextension

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// attached are the processors that can be asked.
type attached struct {
	// mu is read-locked while they are asked, so that detach can wait for it.
	mu   sync.RWMutex
	list []*attachedProcessor // by id
}

type attachedProcessor struct {
	id string
	journey.Processor
}

func (a *attached) add(id string, p journey.Processor) (detach func()) {
	one := &attachedProcessor{id, p}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, one)
	slices.SortStableFunc(a.list, func(a, b *attachedProcessor) int { return cmp.Compare(a.id, b.id) })
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.list = slices.DeleteFunc(a.list, func(other *attachedProcessor) bool { return other == one })
	}
}

func (a *attached) ids() []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	ids := make([]string, 0, len(a.list))
	for _, p := range a.list {
		ids = append(ids, p.id)
	}
	return slices.Compact(ids)
}

// states asks all of them.
func (a *attached) states(now time.Time, config *Config) []api.Processor {
	a.mu.RLock()
	defer a.mu.RUnlock()
	list := make([]api.Processor, 0, len(a.list))
	for _, p := range a.list {
		s := p.State(now)
		one := processor(p.id, &s)
		if shadower, ok := p.Processor.(journey.Shadower); ok {
			one.Shadow = shadow(shadower, config, now)
		}
		list = append(list, one)
	}
	return list
}

// live answers how things are now.
func (x *journeysExtension) live(now time.Time) api.Live {
	return api.Live{
		GeneratedAt: now.UTC(), IntervalSeconds: x.config.Interval.Seconds(),
		Processors: x.attached.states(now, x.config), Components: x.statuses.components(),
	}
}

func processor(id string, s *journey.State) api.Processor {
	p := api.Processor{
		ID: id, Traces: s.Traces, SpansPending: s.SpansPending, LogRecordsPending: s.LogRecordsPending,
		OldestWaitSeconds: rounded(s.OldestWait.Seconds()),
		Buffer:            api.Buffer{UsedBytes: s.UsedBytes, LimitBytes: s.LimitBytes, ResidentBytes: s.ResidentBytes},
		Generations:       make([]api.Generation, 0, len(s.Generations)),
		Overload:          api.Overload{Level: s.OverloadLevel, Name: s.Overload},
		Budget:            budget(s.Budget),
		Downstream:        make([]api.Downstream, 0, len(s.Downstream)),
	}
	if of := share(s.UsedBytes, s.LimitBytes); of != nil {
		p.Buffer.Share = *of
	}
	for _, g := range s.Generations {
		p.Generations = append(p.Generations, api.Generation(g))
	}
	for _, d := range s.Downstream {
		p.Downstream = append(p.Downstream, downstream(&d))
	}
	return p
}

func budget(s *journey.BudgetState) *api.Budget {
	if s == nil {
		return nil
	}
	b := &api.Budget{
		Unit: s.Unit, Limit: s.Limit, Rate: s.Rate, ExceededSeconds: rounded(s.Exceeded.Seconds()),
		Rules: make([]api.BudgetRule, 0, len(s.Rules)),
	}
	if s.Limit > 0 {
		b.Share = rounded(s.Rate / s.Limit)
	}
	for _, r := range s.Rules {
		name, _ := journey.Text(r.Name, maxMessage)
		b.Rules = append(b.Rules, api.BudgetRule{Name: name, Probability: r.Probability})
	}
	return b
}

func downstream(d *journey.Downstream) api.Downstream {
	message, _ := journey.Text(d.Error, maxMessage)
	one := api.Downstream{
		Signal: d.Signal, State: "ok", Queued: d.Queued, RetryingBatches: d.Retrying,
		RefusingSeconds: rounded(d.Refusing.Seconds()), Error: message,
	}
	if d.Refusing > 0 {
		one.State = "refusing"
	}
	return one
}
