package shopper

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// planned is how much is planned at a time when there is no end.
const planned = time.Minute

// Main is the whole main function. Exit code 0 means that the whole plan was
// sent and that the shop behaved as planned; 1 that it did not; 2 wrong settings.
func Main(args []string) int {
	settings, err := ParseSettings(args, os.LookupEnv)
	switch {
	case errors.Is(err, errListed), errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(os.Stderr, "shopper: %v\n", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := Run(ctx, settings, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "shopper: %v\n", err)
		return 1
	}
	return 0
}

// Run waits for the shop, sends the plan, waits for the queues that hold
// messages back, and prints the table.
func Run(ctx context.Context, s Settings, w io.Writer) error {
	plan, err := plans(s)
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	shop := NewShop(s)
	defer shop.Close()
	if err := shop.AwaitReady(ctx, s.Wait); err != nil {
		return err
	}
	started := time.Now()
	truth, err := createTruth(s.TruthFile, Header{Truth: 1, Seed: s.Seed, RatePerSecond: s.JourneysPerSec, Started: started})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "shopping: %g journeys/s, %s, seed %d, truth in %s\n", s.JourneysPerSec, howLong(s.Duration), s.Seed, s.TruthFile)
	answers := make(chan Answer)
	go func() {
		defer close(answers)
		load{perSecond: s.JourneysPerSec, send: shop.Send, answers: answers}.run(ctx, plan)
	}()
	books := newLedger(started)
	err = keep(books, truth, answers, w, s)
	if ctx.Err() == nil && s.Tail > 0 {
		fmt.Fprintf(w, "all answered; waiting %s for retries and delayed messages\n", s.Tail)
		sleepUntil(ctx, time.Now().Add(s.Tail))
	}
	return errors.Join(err, truth.close(), books.write(w), books.verdict(s.total()))
}

// total is how many journeys there are, 0 if there is no end.
func (s Settings) total() int {
	return visits(s.JourneysPerSec, s.Duration)
}

// plans yields one plan, or plan after plan when there is no end. The first is
// made at once, so that shares that cannot be met are found before anything is sent.
func plans(s Settings) (iter.Seq[Visit], error) {
	n := s.total()
	if n == 0 {
		n = visits(s.JourneysPerSec, planned)
	}
	plan, err := Plan(n, s.Mix, s.Seed)
	if err != nil {
		return nil, err
	}
	return func(yield func(Visit) bool) {
		for seed := s.Seed + 1; ; seed++ {
			for _, v := range plan {
				if !yield(v) {
					return
				}
			}
			if s.Duration > 0 {
				return
			}
			plan, _ = Plan(n, s.Mix, seed) // of the same size and mix, so it can be made
		}
	}, nil
}

// keep takes all answers: it must go on after an error, or sending would hang.
func keep(books *ledger, truth *truthFile, answers <-chan Answer, w io.Writer, s Settings) error {
	ticker := time.NewTicker(s.progressInterval)
	defer ticker.Stop()
	var failed error
	for {
		select {
		case a, ok := <-answers:
			if !ok {
				return failed
			}
			books.add(a)
			if err := truth.add(a); err != nil && failed == nil {
				failed = err
			}
		case now := <-ticker.C:
			fmt.Fprintln(w, books.progress(now, s.total()))
			if err := truth.flush(); err != nil && failed == nil {
				failed = fmt.Errorf("write truth file: %w", err)
			}
		}
	}
}

func howLong(d time.Duration) string {
	if d == 0 {
		return "until stopped"
	}
	return "for " + d.String()
}
