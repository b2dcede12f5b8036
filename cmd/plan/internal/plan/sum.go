package plan

import (
	"fmt"
	"time"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/cost"
)

// sum makes the result of what was read and decided.
func (p *planner) sum() error {
	r := p.result
	r.Batches, r.First, r.Last = p.reader.Batches, p.reader.First, p.reader.Last()
	r.Spans, r.LogRecords = int64(p.reader.Spans), int64(p.reader.LogRecords)
	r.Window = p.Window
	if r.Window == 0 {
		r.Window = r.Last.Sub(r.First)
	}
	var sides []Side
	for i := range p.sides {
		side, err := p.sumSide(i)
		if err != nil {
			return err
		}
		sides = append(sides, side)
	}
	r.With = sides[0]
	if len(sides) > 1 {
		r.Against = &sides[1]
		r.Changes = p.ledger.sortedChanges()
	}
	r.TruthMissing = r.TruthJourneys
	for _, loss := range r.With.Losses {
		if loss.Kind == Truth {
			r.TruthMissing -= loss.Exist
		}
	}
	r.Notes = append(p.reader.Notes(), p.notes()...)
	return nil
}

func (p *planner) sumSide(i int) (Side, error) {
	c, err := p.sides[i].counters()
	if err != nil {
		return Side{}, err
	}
	t := p.ledger.sides[i]
	s := Side{
		Name: p.configurations[i].Name, Rows: t.sorted(), Losses: t.sortedLosses(),
		SentBytes: p.sides[i].sent.bytes, Forgotten: t.forgotten,
		Early: c.sum("early_decisions", "", ""), Thinned: c.sum("thinned_journeys", "", ""),
		Upgraded: c.sum("late_upgrades", "", ""),
		Refused:  c.sum("spans_refused", "reason", "full") + c.sum("log_records_refused", "reason", "full"),
	}
	var decided Pair
	for _, row := range s.Rows {
		decided.Received = decided.Received.plus(1, row.Received)
		decided.Kept = decided.Kept.plus(1, row.Kept)
	}
	s.Total = Pair{Received: c.amount("received"), Kept: c.amount("kept")}
	s.Total.Received.Journeys, s.Total.Kept.Journeys = decided.Received.Journeys, decided.Kept.Journeys
	s.Rest = Pair{Received: s.Total.Received.plus(-1, decided.Received), Kept: s.Total.Kept.plus(-1, decided.Kept)}
	s.Cost = Money{
		Received: p.monthly(s.Total.Received, p.result.ReceivedBytes),
		Kept:     p.monthly(s.Total.Kept, s.SentBytes),
	}
	for n := range s.Rows {
		row := &s.Rows[n]
		row.Cost = Money{
			Received: p.monthly(row.Received, portion(p.result.ReceivedBytes, row.Received, s.Total.Received)),
			Kept:     p.monthly(row.Kept, portion(s.SentBytes, row.Kept, s.Total.Kept)),
		}
	}
	return s, nil
}

// portion is the part of the bytes sent that goes with an amount.
func portion(sent int64, a, total Amount) int64 {
	if all := total.SpanBytes + total.LogBytes; all > 0 {
		return int64(float64(sent) * float64(a.SpanBytes+a.LogBytes) / float64(all))
	}
	return 0
}

// amount is what the processor counted as received or kept.
func (c *counters) amount(what string) Amount {
	return Amount{
		Spans: c.sum("spans_"+what, "", ""), SpanBytes: c.sum("span_bytes_"+what, "", ""),
		LogRecords: c.sum("log_records_"+what, "", ""), LogBytes: c.sum("log_bytes_"+what, "", ""),
	}
}

// monthly is what a month costs of which the window had that much. Prices by
// bytes are of all that is sent, with resources: they are shared out between
// spans and log records by the bytes of these.
func (p *planner) monthly(a Amount, sent int64) float64 {
	bytes := a.SpanBytes + a.LogBytes
	priced := cost.Amount{Spans: a.Spans}
	if bytes > 0 {
		priced.SpanBytes = int64(float64(sent) * float64(a.SpanBytes) / float64(bytes))
		priced.LogBytes = sent - priced.SpanBytes
	}
	return p.Prices.Monthly(priced, p.result.Window)
}

// notes say what somebody should know who relies on the plan.
func (p *planner) notes() []string {
	var notes []string
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	r := p.result
	if p.Window == 0 && r.Window < time.Minute && r.Batches > 0 {
		add("the recording is only %s long: a month made of it says little", r.Window.Round(time.Millisecond))
	}
	if r.TruthMissing > 0 {
		add("%d of %d journeys that the truth says must be kept are not in the recording", r.TruthMissing, r.TruthJourneys)
	}
	for i := range p.sides {
		s := &r.With
		if i == 1 {
			s = r.Against
		}
		if s.Refused > 0 {
			add("%s: %d spans and log records found no room in buffer::memory, and count as not received", s.Name, s.Refused)
		}
		if s.Early > 0 {
			add("%s: %d journeys were decided before their time for want of room in buffer", s.Name, s.Early)
		}
		if s.Forgotten > 0 {
			add("%s: %d journeys that a late error brought back are counted twice: more than %d came since", s.Name, s.Forgotten, remembered)
		}
	}
	return notes
}
