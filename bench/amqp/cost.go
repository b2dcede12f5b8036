package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/process"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/report"
	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// situation is one way to have a broker traced.
type situation struct {
	name    string
	tracing bool
	reader  []string // the reader's arguments; nil for none
}

var situations = []situation{
	{name: "not traced"},
	{name: "tracing on, nobody reads", tracing: true},
	{name: "firehose: publish and deliver", tracing: true, reader: []string{}},
	{name: "firehose: publish only", tracing: true, reader: []string{"-events", "publish"}},
	{name: "firehose: deliver only", tracing: true, reader: []string{"-events", "deliver"}},
	{name: "tap", reader: []string{"-tap", exchange}},
}

// spent is one situation's run in one round.
type spent struct {
	Situation  string  `json:"situation"`
	Round      int     `json:"round"`
	Messages   int     `json:"messages"`
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"broker_cpu_seconds"`
	ReaderCPU  float64 `json:"reader_cpu_seconds"`
}

func (s *spent) cpu() float64       { return s.CPUSeconds / float64(s.Messages) * 1e6 }
func (s *spent) perSecond() float64 { return float64(s.Messages) / s.Seconds }
func (s *spent) reader() float64    { return s.ReaderCPU / float64(s.Messages) * 1e6 }

// warmUp is how many messages go before the first run.
const warmUp = 5000

var errNotOurs = errors.New("cost needs a broker of its own, whose processor time it can read: unset AMQP_URL")

// cost publishes and consumes at the same rate in each situation, in turns.
func cost(ctx context.Context, b *bench) (*results, error) {
	if !b.broker.Owned() {
		return nil, errNotOurs
	}
	app, err := newApplication(b.broker.URL, b.body)
	if err != nil {
		return nil, err
	}
	defer app.close()
	if err := app.publish(ctx, warmUp, b.rate); err != nil {
		return nil, err
	}
	var runs []spent
	for round := 1; round <= b.rounds; round++ {
		for i := range situations {
			at := &situations[(i+round-1)%len(situations)]
			s, err := b.spend(ctx, app, at, round)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", at.name, round, err)
			}
			fmt.Fprintf(os.Stdout, "round %d: %-30s %6.0f µs of the broker a message\n", round, at.name, s.cpu())
			runs = append(runs, *s)
		}
	}
	return costResults(b, runs), nil
}

func (b *bench) spend(ctx context.Context, app *application, at *situation, round int) (s *spent, err error) {
	flag := map[bool]string{true: "trace_on", false: "trace_off"}[at.tracing]
	if out, err := b.broker.Control(ctx, flag); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", flag, err, out)
	}
	var reader *stack.Process
	if at.reader != nil {
		if reader, err = b.startReader(ctx, at.reader); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, reader.Stop(ctx), forget(b.broker.URL)) }()
	}
	s = &spent{Situation: at.name, Round: round, Messages: b.toPublish()}
	before, err := b.cpu(reader)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := app.publish(ctx, s.Messages, b.rate); err != nil {
		return nil, err
	}
	s.Seconds = time.Since(begun).Seconds()
	after, err := b.cpu(reader)
	if err != nil {
		return nil, err
	}
	s.CPUSeconds, s.ReaderCPU = (after[0] - before[0]).Seconds(), (after[1] - before[1]).Seconds()
	return s, nil
}

// toPublish is how many messages a run publishes.
func (b *bench) toPublish() int {
	if b.rate == 0 {
		return b.messages
	}
	return int(b.lasts.Seconds() * float64(b.rate))
}

// startReader returns when the queue is there and bound.
func (b *bench) startReader(ctx context.Context, args []string) (*stack.Process, error) {
	p, _, err := b.child(ctx, "reader", args...)
	if err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if err := awaitConsumer(waiting, b.broker.URL); err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return p, nil
}

// cpu is what the broker and the reader, if there is one, have used so far.
func (b *bench) cpu(reader *stack.Process) (used [2]time.Duration, err error) {
	broker, err := process.CPUOf(b.broker.PID())
	if err != nil {
		return used, err
	}
	used[0] = broker.Total()
	if reader != nil {
		own, err := process.CPUOf(reader.PID())
		if err != nil {
			return used, err
		}
		used[1] = own.Total()
	}
	return used, nil
}

func costResults(b *bench, runs []spent) *results {
	pace := fmt.Sprintf("%d messages/s", b.rate)
	if b.rate == 0 {
		pace = "as fast as they are consumed"
	}
	r := &results{title: fmt.Sprintf("%d messages for each run, %s, bodies of %d B, one queue, one consumer; CPU time of the broker's process per message published. "+
		"Medians of %d rounds (lowest–highest); the ratio is taken within a round.", b.toPublish(), pace, b.body, b.rounds)}
	for i := range runs {
		r.lines = append(r.lines, &runs[i])
	}
	of := func(name string, f func(*spent) float64) (values []float64) {
		for i := range runs {
			if runs[i].Situation == name {
				values = append(values, f(&runs[i]))
			}
		}
		return values
	}
	r.table = func(p *report.Printer) {
		p.Row("situation", "broker CPU µs / message", "× not traced", "messages/s", "receiver CPU µs / message")
		p.Rule(5)
		base := of(situations[0].name, (*spent).cpu)
		for i := range situations {
			name := situations[i].name
			cpu := of(name, (*spent).cpu)
			own := "–"
			if situations[i].reader != nil {
				own = report.Spread(of(name, (*spent).reader), "%.0f")
			}
			p.Row(name, report.Spread(cpu, "%.0f"), report.Spread(report.Ratios(cpu, base), "%.2f"), report.Spread(of(name, (*spent).perSecond), "%.0f"), own)
		}
	}
	return r
}
