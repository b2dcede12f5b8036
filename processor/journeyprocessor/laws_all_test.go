package journeyprocessor

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// regressions are seeds with which TestEverythingAtOnceIsAccountedFor has once
// failed, or that reach what others rarely do.
var regressions = []uint64{12406028546732241287, 1847298698324224470, 15760983998477076147, 3573207540712432258}

// TestEverythingAtOnceIsAccountedFor lets everything happen to one processor,
// at random and at once: more or less memory, any number of shards, late spans
// and late errors, log records, several tenants, a next component that refuses
// for a while, for good or now and then, reloads with other settings, restarts
// with and without storage, and storage that fails. Senders send again what is
// refused. The law holds all along; no span leaves twice; nothing is lost but
// what a stop gives up for want of all else, or what is refused for good; and a
// trace is in pieces only where a decision was forgotten, or a late error came.
func TestEverythingAtOnceIsAccountedFor(t *testing.T) {
	seeds := slices.Clone(regressions)
	for range 8 {
		seeds = append(seeds, rand.Uint64())
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newTurmoil(t, seed).rage() })
		})
	}
}

// turmoil is one run of it.
type turmoil struct {
	*rand.Rand
	h        *harness
	listener *listener
	traces   map[string][]span
	// waiting are batches that have not been taken yet.
	waiting [][]span
	// What no reload changes: a smaller memory would be exceeded for a moment,
	// and what was saved would not be looked for.
	memory, storage string
	// What has happened that excuses something.
	gaveUp, forgot, recallsNothing bool
	finallyRefused                 bool
}

func newTurmoil(t *testing.T, seed uint64) *turmoil {
	u := &turmoil{Rand: rand.New(rand.NewPCG(seed, 99))}
	u.traces = randomTraces(u.Rand, 20+u.IntN(100))
	u.memory, u.storage = []string{"1MiB", "64MiB"}[u.IntN(2)], []string{"", "storage: file_storage"}[u.IntN(2)]
	u.enlarge()
	u.waiting = interleave(u.Rand, u.traces)
	for i := range u.waiting { // some come late
		j := u.IntN(len(u.waiting))
		u.waiting[i], u.waiting[j] = u.waiting[j], u.waiting[i]
	}
	shards := runtime.GOMAXPROCS(1 + u.IntN(5))
	t.Cleanup(func() { runtime.GOMAXPROCS(shards) })
	u.h = start(t, "")
	u.h.end()
	u.listener = newListener(usualLimits)
	u.h.extensions[reporterID] = u.listener
	u.h.begin(u.config())
	return u
}

// enlarge gives some spans a payload, so that small buffers fill up.
func (u *turmoil) enlarge() {
	for _, name := range slices.Sorted(maps.Keys(u.traces)) {
		spans := u.traces[name]
		for i := range spans {
			if u.IntN(3) == 0 {
				spans[i].Payload = ByteSize(u.IntN(20_000))
			}
		}
	}
}

// config is one of many.
func (u *turmoil) config() string {
	one := func(of ...string) string { return of[u.IntN(len(of))] }
	recall := one("0B", "20KiB", "16MiB")
	// While memory is short nothing is held, whatever the setting.
	u.recallsNothing = u.recallsNothing || recall != "16MiB" || u.memory == "1MiB"
	return fmt.Sprintf(`
completion: {quiet: %s, missing_wait: 10s, message_wait: 20s, max_wait: 1m}
buffer: {memory: %s, trace: %s, park_after: %s, recall: %s}
release: {max_batch: %d, max_batch_bytes: %s, consumers: %d, metadata_keys: [x-tenant]}
sampling: {rules: [{name: failed, when: {outcome: error}, keep: 100%%}, {name: half, keep: 50%%}]}
reporter: journeys
%s`, one("1s", "3s", "8s"), u.memory, one("10KiB", "256KiB"), one("100ms", "2s", "1h"), recall,
		1+u.IntN(50), one("1KiB", "2MiB"), 1+u.IntN(4), u.storage)
}

// rage lets things happen until all has been sent, then let all that can settle.
func (u *turmoil) rage() {
	defer u.h.abandonFailed()
	for len(u.waiting) > 0 {
		u.something()
		u.h.holdsTheLaw()
		require.LessOrEqual(u.h.t, u.h.value("processor_journey_buffer_bytes"), u.h.value("processor_journey_buffer_limit_bytes")*11/10)
		u.h.wait(time.Duration(u.IntN(1000)) * time.Millisecond)
	}
	u.shelf().breakDown(nil)
	u.h.sink.refuse(nil)
	u.h.sink.choose(nil)
	u.h.wait(5 * time.Minute)
	require.Zero(u.h.t, u.h.value("processor_journey_traces_pending"))
	for _, what := range []string{"spans", "log_records"} {
		require.Equal(u.h.t, u.h.value("processor_journey_"+what+"_recallable"), u.h.value("processor_journey_"+what+"_pending"), what)
	}
	u.h.stop()
	u.check()
}

func (u *turmoil) something() {
	switch n := u.IntN(100); {
	case n < 70:
		u.send()
	case n < 80:
		u.log()
	case n < 85:
		u.h.sink.refuse([]error{nil, nil, errBusy}[u.IntN(3)])
	case n < 88:
		u.moody()
	case n < 90:
		u.shelf().breakDown([]error{nil, errors.New("disk full")}[u.IntN(2)])
	case n < 95:
		u.stop(func() { u.h.traces.(pipeline).isReload = func() bool { return true } })
	default:
		u.stop(func() {})
	}
}

// send offers the next batch, or the one after it.
func (u *turmoil) send() {
	i := u.IntN(min(3, len(u.waiting)))
	ctx := u.h.t.Context()
	if u.IntN(2) == 0 {
		ctx = withTenant(ctx, fmt.Sprint("tenant ", u.IntN(2)))
	}
	err := u.h.traces.ConsumeTraces(ctx, batch(u.waiting[i]))
	synctest.Wait()
	if err == nil {
		u.waiting = slices.Delete(u.waiting, i, i+1)
		return
	}
	require.ErrorIs(u.h.t, err, errFull)
	require.False(u.h.t, consumererror.IsPermanent(err))
	if u.IntN(5) == 0 {
		u.h.sink.refuse(nil) // or nobody gets on
	}
}

// log offers log records of any traces, decided or not.
func (u *turmoil) log() {
	records := make([]record, 1+u.IntN(20))
	for i := range records {
		batch := u.waiting[u.IntN(len(u.waiting))]
		records[i] = record{
			Trace: batch[u.IntN(len(batch))].Trace, Severity: []string{"INFO", "INFO", "WARN"}[u.IntN(3)],
			Body: strings.Repeat("x", u.IntN(3000)),
		}
	}
	u.h.offerLogs(records...)
}

// moody makes the sink refuse every so many batches, for now or for good.
func (u *turmoil) moody() {
	every, err := 2+u.IntN(5), errBusy
	if u.IntN(10) == 0 {
		err, u.finallyRefused = consumererror.NewPermanent(errBusy), true
	}
	n := 0
	u.h.sink.choose(func(ptrace.Traces) error {
		if n++; n%every == 0 {
			return err
		}
		return nil
	})
}

func (u *turmoil) shelf() *shelf { return u.h.extensions[shelfID].(*shelf) }

// stop ends the processor, and begins another with settings of its own.
func (u *turmoil) stop(prepare func()) {
	e := u.h.traces.(pipeline).engine
	prepare()
	handsOver := e.isReload() || e.saved != nil && !u.shelf().broken()
	u.forgot = u.forgot || !handsOver || e.saved != nil && u.shelf().broken()
	u.gaveUp = u.gaveUp || u.forgot // what does not leave in time
	u.recallsNothing = true
	u.h.end()
	u.h.wait(time.Duration(u.IntN(10)) * time.Second)
	u.h.begin(u.config())
}

// check looks at what has left in the end.
func (u *turmoil) check() {
	t := u.h.t
	if !u.gaveUp && !u.finallyRefused {
		require.Zero(t, u.h.value("processor_journey_spans_lost"))
		reported := u.listener.total()
		require.Equal(t, u.h.value("processor_journey_spans_received"), reported.SpansReceived, "reported")
		require.Equal(t, u.h.value("processor_journey_spans_kept"), reported.SpansStored, "reported as stored")
		require.LessOrEqual(t, reported.Kept, reported.Journeys())
		require.LessOrEqual(t, reported.FailedKept, reported.Errors+reported.Incomplete)
	}
	require.Zero(t, u.h.value("processor_journey_spans_lost", "reason", lostDamaged))
	for name, spans := range u.traces {
		times := map[uint64]int{}
		for _, s := range u.h.sink.of(name) {
			id := s.SpanID()
			times[uint64(id[7])]++
		}
		for id, n := range times {
			require.Equal(t, 1, n, "span %d of %s has left %d times", id, name, n)
		}
		failed := slices.ContainsFunc(spans, func(s span) bool { return s.Error != "" })
		if u.forgot || u.gaveUp || u.finallyRefused || failed && u.recallsNothing {
			continue
		}
		require.Contains(t, []int{0, len(spans)}, len(times), "%s is split", name)
		if failed {
			require.Len(t, times, len(spans), "%s failed", name)
		}
	}
}
