package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/load"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/report"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/visitors"
)

const (
	// requestsPart begins the name of a part that is no file: of a system
	// +requests_10000 the bench asks the journeys API 10,000 times a second.
	requestsPart = "requests_"
	pagePart     = "page"
	// connections to the API: more than it answers at once by default, so that
	// its limit is seen if it is reached.
	connections = 100
	// lookedUp is among how many of the latest traces one is looked up.
	lookedUp = 100
)

// requestsOf is how many requests a second a system's API gets; 0 for none.
func requestsOf(system string) (perSecond int, err error) {
	parts := strings.Split(system, "+")
	for _, part := range parts {
		text, ok := strings.CutPrefix(part, requestsPart)
		if !ok {
			continue
		}
		if perSecond, err = strconv.Atoi(text); err != nil || perSecond < 1 {
			return 0, fmt.Errorf("system %q: %s is followed by how many a second, got %q", system, requestsPart, text)
		}
		if !slices.Contains(parts, pagePart) {
			return 0, fmt.Errorf("system %q: %s needs +%s, whose API is asked", system, part, pagePart)
		}
	}
	return perSecond, nil
}

// visit asks a system's API in the background, if it is to be asked. What is
// returned ends that and writes what it came to into the run.
func (c *campaign) visit(ctx context.Context, target *collector, r *report.Run) (end func()) {
	perSecond, err := requestsOf(r.System)
	if err != nil || perSecond == 0 { // newCampaign has refused errors
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan visitors.Outcome, 1)
	decided := c.lookUps(c.waitOf(r.System))
	go func() {
		ended <- visitors.Visit(ctx, visitors.Settings{
			Address: target.journeys(), PerSecond: perSecond, Connections: connections, Path: decided.path,
		})
	}()
	return func() {
		cancel()
		r.Visits = visitsOf(<-ended)
	}
}

func visitsOf(o visitors.Outcome) *report.Visits {
	v := &report.Visits{
		Seconds: o.Took.Seconds(), Statuses: o.Statuses, Failed: o.Failed, Unasked: o.Unasked,
		P50Seconds: o.P50.Seconds(), P99Seconds: o.P99.Seconds(), LongestSeconds: o.Longest.Seconds(),
	}
	for status, n := range o.Statuses {
		switch status {
		case http.StatusOK, http.StatusNotFound: // of a trace that is not decided yet
			v.Answered += n
		case http.StatusServiceUnavailable, http.StatusTooManyRequests:
			v.Refused += n
		default:
			v.Failed += n
		}
	}
	return v
}

// lookUps are the traces that must be kept, in the order in which they are due.
type lookUps struct {
	ids  []pcommon.TraceID
	due  []time.Duration
	lap  time.Duration // 0 if the load is sent once
	wait time.Duration // until a trace is decided and known
}

func (c *campaign) lookUps(wait time.Duration) *lookUps {
	l := &lookUps{wait: wait + settle}
	if c.laps != nil {
		l.lap = c.load.Length()
	}
	for id := range c.load.MustKeep {
		l.ids = append(l.ids, id)
	}
	dueOf := func(id pcommon.TraceID) time.Duration { return c.load.MustKeep[id].Due }
	slices.SortFunc(l.ids, func(a, b pcommon.TraceID) int { return int(dueOf(a) - dueOf(b)) })
	for _, id := range l.ids {
		l.due = append(l.due, dueOf(id))
	}
	return l
}

// path is what the nth request asks for: the page's figures, its table, a
// journey and a trace that was decided lately, in turns.
func (l *lookUps) path(n int, elapsed time.Duration) string {
	turn := n/connections + n // each connection asks for all of them
	switch turn % 4 {
	case 0:
		return "/api/v1/overview?window=5m"
	case 1:
		return "/api/v1/journeys?window=5m"
	case 2:
		return "/api/v1/journey?name=checkout"
	default:
		return "/api/v1/traces/" + l.trace(turn/4, elapsed).String()
	}
}

// trace is one of the latest that are decided by then.
func (l *lookUps) trace(n int, elapsed time.Duration) pcommon.TraceID {
	at, lap := max(0, elapsed-l.wait), 0
	if l.lap > 0 {
		at, lap = at%l.lap, int(at/l.lap)
	}
	decided := sort.Search(len(l.due), func(i int) bool { return l.due[i] > at })
	id := l.ids[max(0, decided-1-n%lookedUp)]
	if l.lap > 0 {
		id = load.IDInLap(id, lap)
	}
	return id
}

// account reads what the collector says has become of the spans.
func (c *campaign) account(ctx context.Context, target *collector, r *report.Run) error {
	own, err := target.counters(ctx)
	if err != nil {
		return err
	}
	if counts := countsOf(own); counts.Received > 0 { // else it has no journey processor
		r.Counts = &counts
	}
	return nil
}

// checkRequests reports every system that cannot be asked as it says.
func checkRequests(systems []string) error {
	var errs []error
	for _, system := range systems {
		_, err := requestsOf(system)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
