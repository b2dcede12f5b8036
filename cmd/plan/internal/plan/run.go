package plan

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"

	"github.com/otelcol-journey/otelcol-journey/cmd/internal/cost"
	"github.com/otelcol-journey/otelcol-journey/cmd/internal/truth"
	"github.com/otelcol-journey/otelcol-journey/internal/recording"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor"
)

// Configuration is one side of a plan.
type Configuration struct {
	Name   string // as the user calls it
	Config *journeyprocessor.Config
}

// Settings is what a plan is made of.
type Settings struct {
	With      Configuration
	Against   *Configuration // nil: none
	Recording []string       // files
	Truth     *truth.Truth   // nil: none
	Prices    cost.Prices
	Window    time.Duration // that the recording stands for; 0: as long as it is
	// Decisions takes one line of JSON for each decision; nil: none.
	Decisions io.Writer
	Logger    *zap.Logger // what the processors have to say
}

// Run replays the recording through the configurations. It ends with ctx.
func Run(ctx context.Context, s Settings) (*Result, error) {
	reader, err := recording.Open(s.Recording)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	p := &planner{Settings: s, reader: reader, result: &Result{Prices: s.Prices}}
	p.configurations = []Configuration{s.With}
	if s.Against != nil {
		p.configurations = append(p.configurations, *s.Against)
	}
	mustKeep, err := p.mustKeep()
	if err != nil {
		return nil, err
	}
	p.ledger = newLedger(len(p.configurations), mustKeep)
	if s.Decisions != nil {
		p.ledger.each = p.writeDecision
	}
	err = p.replay(ctx)
	for _, side := range p.sides {
		side.stop()
	}
	if err := errors.Join(err, p.ledger.failure); err != nil {
		return nil, err
	}
	return p.result, p.sum()
}

// planner is a plan in the making.
type planner struct {
	Settings
	configurations []Configuration
	reader         *recording.Reader
	ledger         *ledger
	sides          []*side
	result         *Result
}

// mustKeep has the journeys that the truth says must be kept.
func (p *planner) mustKeep() (map[pcommon.TraceID]bool, error) {
	ids := make(map[pcommon.TraceID]bool)
	if p.Truth == nil {
		return ids, nil
	}
	for _, e := range p.Truth.Entries {
		if !e.MustKeep {
			continue
		}
		var id pcommon.TraceID
		if n, err := hex.Decode(id[:], []byte(e.TraceID)); err != nil || n != len(id) || len(e.TraceID) != 2*len(id) {
			return nil, fmt.Errorf("the truth has trace_id %q, which is not 32 hex digits", e.TraceID)
		}
		ids[id] = true
	}
	p.result.TruthJourneys = int64(len(ids))
	return ids, nil
}

// replay gives every batch to all sides, which only read it.
func (p *planner) replay(ctx context.Context) error {
	for {
		b, err := p.reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := p.begin(b.At); err != nil {
			return err
		}
		if b.IsLogs {
			p.result.ReceivedBytes += int64((&plog.ProtoMarshaler{}).LogsSize(b.Logs))
		} else {
			p.result.ReceivedBytes += int64((&ptrace.ProtoMarshaler{}).TracesSize(b.Traces))
		}
		for _, side := range p.sides {
			select {
			case side.in <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return p.begin(time.Time{}) // of an empty recording
}

// begin starts the sides at the time of the first batch.
func (p *planner) begin(at time.Time) error {
	if p.sides != nil {
		return nil
	}
	for i, c := range p.configurations {
		decided := func(d journeyprocessor.ReplayDecision) { p.ledger.decided(i, d) }
		side, err := start(c.Config, at, p.Logger.Named(c.Name), decided)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		p.sides = append(p.sides, side)
	}
	return nil
}

// decision is one line of the decisions' file; its names are part of the
// tool's interface.
type decision struct {
	Config      string    `json:"config"`
	TraceID     string    `json:"trace_id"`
	At          time.Time `json:"at"`
	Journey     string    `json:"journey"`
	Outcome     string    `json:"outcome"`
	Rule        string    `json:"rule"`
	Kept        bool      `json:"kept"`
	Probability float64   `json:"probability"`
	Spans       int       `json:"spans"`
	SpanBytes   int64     `json:"span_bytes"`
	LogRecords  int       `json:"log_records"`
	LogBytes    int64     `json:"log_bytes"`
	Revises     bool      `json:"revises,omitempty"`
}

func (p *planner) writeDecision(side int, d *journeyprocessor.ReplayDecision) error {
	line, err := json.Marshal(decision{
		Config: p.configurations[side].Name, TraceID: hex.EncodeToString(d.TraceID[:]), At: d.At.UTC(),
		Journey: d.Journey, Outcome: d.Outcome, Rule: d.Rule, Kept: d.Kept, Probability: d.Probability,
		Spans: d.Spans, SpanBytes: d.SpanBytes, LogRecords: d.LogRecords, LogBytes: d.LogBytes, Revises: d.Revises,
	})
	if err == nil {
		_, err = p.Decisions.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write decisions: %w", err)
	}
	return nil
}
