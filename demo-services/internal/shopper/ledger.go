package shopper

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// mostComplaints bounds the lines about visits that went another way.
const mostComplaints = 10

// mostTimes bounds the times kept for the table, per journey and class.
const mostTimes = 100_000

// ledger counts answers. One goroutine owns it.
type ledger struct {
	started    time.Time
	answered   int
	unplanned  int
	complaints []string
	planned    map[line]int // answers as planned
	bad        map[line]int // the others
	times      map[line][]time.Duration
}

type line struct{ journey, class string }

func newLedger(started time.Time) *ledger {
	return &ledger{started: started, planned: map[line]int{}, bad: map[line]int{}, times: map[line][]time.Duration{}}
}

func (l *ledger) add(a Answer) {
	l.answered++
	key := line{a.Journey, a.Class}
	if a.AsPlanned() {
		l.planned[key]++
		l.remember(key, a.Took)
		return
	}
	l.unplanned++
	l.bad[key]++
	if len(l.complaints) < mostComplaints {
		l.complaints = append(l.complaints, complaint(a))
	}
}

// remember keeps the latest times only, so that a run of days has room.
func (l *ledger) remember(key line, took time.Duration) {
	times := l.times[key]
	if len(times) < mostTimes {
		l.times[key] = append(times, took)
		return
	}
	times[l.planned[key]%mostTimes] = took
}

func complaint(a Answer) string {
	what := fmt.Sprintf("%s %s (%s): ", a.Journey, a.Class, a.At.Format(time.TimeOnly))
	switch {
	case a.Err != nil:
		return what + a.Err.Error()
	case a.Status != expected(a.Visit):
		return what + fmt.Sprintf("status %d, want %d, trace %s", a.Status, expected(a.Visit), a.TraceID)
	default:
		return what + fmt.Sprintf("took %s, want a second or more, trace %s", a.Took, a.TraceID)
	}
}

// progress is the line printed now and then; of is 0 when there is no end.
func (l *ledger) progress(now time.Time, of int) string {
	elapsed := now.Sub(l.started)
	text := fmt.Sprintf("%4.0fs  %d", elapsed.Seconds(), l.answered)
	if of > 0 {
		text += fmt.Sprintf(" of %d", of)
	}
	return text + fmt.Sprintf(" journeys answered, %.1f/s, %d not as planned", float64(l.answered)/elapsed.Seconds(), l.unplanned)
}

// verdict is nil if all of total was answered as planned. A run without an end
// has no total.
func (l *ledger) verdict(total int) error {
	var errs []error
	if l.answered < total {
		errs = append(errs, fmt.Errorf("stopped after %d of %d journeys", l.answered, total))
	}
	if l.unplanned > 0 {
		errs = append(errs, fmt.Errorf("%d of %d journeys did not go as planned", l.unplanned, l.answered))
	}
	return errors.Join(errs...)
}

// write prints the table per journey and class, and what went another way.
func (l *ledger) write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "journey\tclass\tas planned\tnot as planned\tp50\tp95\tlongest")
	for _, key := range l.keys() {
		took := l.times[key]
		slices.Sort(took)
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%s\t%s\n", key.journey, key.class, l.planned[key], l.bad[key],
			quantile(took, 0.5), quantile(took, 0.95), quantile(took, 1))
	}
	fmt.Fprintf(table, "together\t\t%d\t%d\t\t\t\n", l.answered-l.unplanned, l.unplanned)
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	for _, c := range l.complaints {
		fmt.Fprintln(w, "not as planned:", c)
	}
	return nil
}

// keys are in the order of the journeys and classes in plan.go.
func (l *ledger) keys() []line {
	var keys []line
	for _, journey := range []string{Checkout, OrderHistory, Restock, GiftCard} {
		for _, class := range append([]string{OK}, classes[journey]...) {
			key := line{journey, class}
			if l.planned[key]+l.bad[key] > 0 {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// quantile is "-" of nothing. sorted is in rising order.
func quantile(sorted []time.Duration, q float64) string {
	if len(sorted) == 0 {
		return "-"
	}
	i := min(int(q*float64(len(sorted))), len(sorted)-1)
	return sorted[i].Round(time.Millisecond / 10).String()
}
