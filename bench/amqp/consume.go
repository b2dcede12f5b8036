package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/report"
	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// drained is one consumer's run in one round.
type drained struct {
	Consumer string `json:"consumer"`
	Round    int    `json:"round"`
	used
}

func (d *drained) cpu() float64         { return d.CPUSeconds / float64(d.Messages) * 1e6 }
func (d *drained) perSecond() float64   { return float64(d.Messages) / d.Seconds }
func (d *drained) allocations() float64 { return float64(d.Allocations) / float64(d.Messages) }
func (d *drained) bytes() float64       { return float64(d.AllocBytes) / float64(d.Messages) }

// drainWithin bounds one run of a consumer.
const drainWithin = 10 * time.Minute

// consume has each consumer empty the same queue, filled by the same traffic, in turns.
func consume(ctx context.Context, b *bench) (*results, error) {
	if err := b.makeQueue(ctx); err != nil {
		return nil, err
	}
	app, err := newApplication(b.broker.URL, b.body)
	if err != nil {
		return nil, err
	}
	defer app.close()
	var runs []drained
	for round := 1; round <= b.rounds; round++ {
		order := []string{bare, receiver}
		if round%2 == 0 {
			order = []string{receiver, bare}
		}
		for _, who := range order {
			d, err := b.drain(ctx, app, who, round)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", who, round, err)
			}
			fmt.Fprintf(os.Stdout, "round %d: %-10s %6.2f CPU µs a message\n", round, who, d.cpu())
			runs = append(runs, *d)
		}
	}
	return consumeResults(b, runs), nil
}

// makeQueue has the receiver declare and bind the queue that both read.
func (b *bench) makeQueue(ctx context.Context) error {
	p, _, err := b.child(ctx, "declare")
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if err := await(waiting, b.broker.URL, 0); err != nil {
		return err
	}
	return p.Stop(ctx)
}

func (b *bench) drain(ctx context.Context, app *application, who string, round int) (*drained, error) {
	ctx, cancel := context.WithTimeout(ctx, drainWithin)
	defer cancel()
	events := 2 * b.messages // each message is published, and delivered once
	args := []string{"-consumer", who, "-messages", strconv.Itoa(events)}
	if b.profile != "" && who == receiver && round == 1 {
		path, err := filepath.Abs(b.profile)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", b.profile, err)
		}
		args = append(args, "-profile", path)
	}
	read := func() (p *stack.Process, output string, err error) { return b.child(ctx, who, args...) }
	p, output, err := b.play(ctx, app, read)
	if err != nil {
		return nil, err
	}
	u, err := readerResult(ctx, p, output)
	if err != nil {
		return nil, err
	}
	if err := await(ctx, b.broker.URL, 0); err != nil {
		return nil, err
	}
	if who == receiver && u.Spans != u.Messages {
		return nil, fmt.Errorf("%d events gave %d spans", u.Messages, u.Spans)
	}
	return &drained{Consumer: who, Round: round, used: *u}, nil
}

// play has the reader read what was published before, or while it is published.
func (b *bench) play(ctx context.Context, app *application, read func() (*stack.Process, string, error)) (p *stack.Process, output string, err error) {
	if !b.atPace {
		if err := app.publish(ctx, b.messages, 0); err != nil {
			return nil, "", err
		}
		if err := await(ctx, b.broker.URL, 2*b.messages); err != nil {
			return nil, "", err
		}
		return read()
	}
	if p, output, err = read(); err != nil {
		return nil, "", err
	}
	if err := awaitConsumer(ctx, b.broker.URL); err != nil {
		return nil, "", errors.Join(err, p.Kill())
	}
	return p, output, app.publish(ctx, b.messages, b.rate)
}

func consumeResults(b *bench, runs []drained) *results {
	pace := "in a queue that was filled beforehand"
	if b.atPace {
		pace = fmt.Sprintf("as %d messages/s were published", b.rate)
	}
	r := &results{title: fmt.Sprintf("%d firehose events (half publish, half deliver), bodies of %d B, %s. "+
		"CPU of the reading process only. Medians of %d rounds (lowest–highest); the ratio is taken within a round.", 2*b.messages, b.body, pace, b.rounds)}
	for i := range runs {
		r.lines = append(r.lines, &runs[i])
	}
	of := func(who string, f func(*drained) float64) (values []float64) {
		for i := range runs {
			if runs[i].Consumer == who {
				values = append(values, f(&runs[i]))
			}
		}
		return values
	}
	r.table = func(p *report.Printer) {
		p.Row("consumer", "CPU µs / message", "× bare", "messages/s", "allocations / message", "B allocated / message")
		p.Rule(6)
		for _, who := range []string{bare, receiver} {
			p.Row(who, report.Spread(of(who, (*drained).cpu), "%.2f"),
				report.Spread(report.Ratios(of(who, (*drained).cpu), of(bare, (*drained).cpu)), "%.2f"),
				report.Spread(of(who, (*drained).perSecond), "%.0f"),
				report.Spread(of(who, (*drained).allocations), "%.1f"), report.Spread(of(who, (*drained).bytes), "%.0f"))
		}
		p.Line("\nOne span a message for amqp_trace, handed to a consumer that counts them; bare decodes, and acknowledges. Both prefetch 1,000 and acknowledge 100 at once.")
	}
	return r
}
