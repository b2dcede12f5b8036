package journeyprocessor

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/arena"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/wire"
)

func newTestStore() *store {
	b := &buffer{limit: 1 << 30, memory: arena.New(true)}
	s := newStore(b)
	return &s
}

// bound is what one trace holds, and the records that it should.
type bound struct {
	holdings
	records []string
}

// bindRandom binds records of many traces and a few headers, as batches bring
// them, into sealed bundles.
func bindRandom(rnd *rand.Rand, s *store) []*bound {
	w := binder{store: s}
	traces := make([]*bound, 1+rnd.IntN(30))
	for i := range traces {
		traces[i] = &bound{}
	}
	for range 1 + rnd.IntN(300) {
		t := traces[rnd.IntN(len(traces))]
		g := wire.Group{Resource: protowire.AppendString(protowire.AppendTag(nil, 3, protowire.BytesType), fmt.Sprint("service ", rnd.IntN(4)))}
		h := s.headers.take(&g, nil)
		payload := make([]byte, rnd.IntN(1000))
		for j := range payload {
			payload[j] = byte(rnd.IntN(7)) // compressible
		}
		record := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), payload)
		t.pieces = w.bind(t.pieces, h, record, 1)
		s.headers.release(h)
		t.count++
		t.bytes += int64(len(record))
		t.records = append(t.records, string(g.Resource)+string(record))
		if len(w.unsealed) > rnd.IntN(bundleSize) {
			w.seal(false)
		}
	}
	w.seal(false)
	return traces
}

// read returns the records of holdings, each after its resource.
func (h *holdings) read(t *testing.T, r *reader) []string {
	t.Helper()
	var all []string
	for i := range h.pieces {
		p := &h.pieces[i]
		records, err := r.records(p)
		require.NoError(t, err)
		for range p.count {
			_, _, n := protowire.ConsumeField(records)
			require.Positive(t, n)
			all = append(all, string(r.bundles.header(p).resource)+string(records[:n]))
			records = records[n:]
		}
		require.Empty(t, records)
	}
	return all
}

// TestRecordsAreReadAsTheyWere: whatever becomes of the traces they came with,
// parked or not, and cut in two or not.
func TestRecordsAreReadAsTheyWere(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	s := newTestStore()
	k := newParker(s)
	c := courier{releaser: &releaser{store: s}, reader: s.newReader()}
	dictionaries, parked := 0, 0
	for range 100 {
		var left []*bound
		for _, b := range bindRandom(rnd, s) {
			if rnd.IntN(3) > 0 {
				s.free(&b.holdings)
				continue
			}
			left = append(left, b)
		}
		for _, b := range left {
			if k.park(&b.holdings, which(rnd.IntN(2))); b.allParked(s.bundles) {
				parked++
			}
			if b.count > 1 && rnd.IntN(2) == 0 {
				first, second := c.cutAt(&released{holdings: b.holdings}, 1+rnd.IntN(b.count-1))
				require.Equal(t, b.count, first.count+second.count)
				require.Equal(t, b.bytes, first.bytes+second.bytes)
				require.ElementsMatch(t, b.records, append(first.read(t, &c.reader), second.read(t, &k.reader)...))
				s.free(&first.holdings)
				s.free(&second.holdings)
				continue
			}
			for i := range b.pieces {
				if s.bundles.at(b.pieces[i].bundle).dictionary != nil {
					dictionaries++
				}
			}
			require.ElementsMatch(t, b.records, b.read(t, &k.reader))
			s.free(&b.holdings)
		}
		require.Zero(t, s.memory().Blocks())
		require.Zero(t, s.bundles.inUse())
		require.Empty(t, s.headers.byKey)
	}
	require.Positive(t, dictionaries)
	require.Positive(t, parked)
}

// TestAJoinedBatchHasEveryRecordOnce reads the request as whoever gets it does.
func TestAJoinedBatchHasEveryRecordOnce(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 4))
	s := newTestStore()
	r := s.newReader() // one for all: ids of bundles come again
	for range 50 {
		var batch []*released
		var want []string
		for _, b := range bindRandom(rnd, s) {
			batch = append(batch, &released{holdings: b.holdings})
			want = append(want, b.records...)
		}
		request, err := r.join(batch)
		require.NoError(t, err)
		groups, err := wire.Split(request, nil)
		require.NoError(t, err)
		var got []string
		for _, g := range groups {
			for _, record := range g.Records {
				got = append(got, string(g.Resource)+string(record))
			}
		}
		require.ElementsMatch(t, want, got)
		require.LessOrEqual(t, len(groups), 4, "each resource once")
		for _, v := range batch {
			s.free(&v.holdings)
		}
	}
	require.Zero(t, s.memory().Blocks())
	require.Zero(t, s.bundles.inUse())
}

// TestDamagedRecordsAreLostAndCountedAndTheOthersLeave: nothing but a fault of
// memory damages them, so the test does it before the release gets them.
func TestDamagedRecordsAreLostAndCountedAndTheOthersLeave(t *testing.T) {
	inBubble(t, `{}`, func(t *testing.T, h *harness) {
		e := h.traces.(pipeline).engine
		w := binder{store: &e.store}
		for _, name := range []string{"sound", "damaged", "also sound"} {
			out := ptrace.NewSpan()
			heavy(name, 1).fill(out)
			header := e.store.headers.take(&wire.Group{}, nil)
			var v released
			v.id = out.TraceID()
			v.addPiece(w.bind(nil, header, wire.AppendSpan(nil, out), 1)[0])
			w.seal(false)
			e.store.headers.release(header)
			if name == "damaged" {
				e.store.bundles.at(v.pieces[0].bundle).block.Bytes()[0] ^= 0xff // the length
			}
			e.telemetry.spans.received(t.Context(), 1, v.bytes)
			e.telemetry.spans.pending.Add(1)
			e.spansOut.push(&v)
		}
		h.wait(time.Second)
		require.Equal(t, int64(1), h.value("processor_journey_spans_lost", "reason", lostDamaged))
		require.Len(t, h.sink.of("sound"), 1)
		require.Len(t, h.sink.of("also sound"), 1)
	})
}

func TestWhatWaitsLongIsParkedAndLeavesWhole(t *testing.T) {
	const config = `
completion: {quiet: 1s, missing_wait: 10m, message_wait: 10m, max_wait: 20m}
sampling: {rules: [{name: done, when: {match: {span: done}}, keep: 0%}, {name: rest, keep: 100%}]}
buffer: {park_after: 5s, recall: 0B}`
	inBubble(t, config, func(t *testing.T, h *harness) {
		const traces, rounds = 40, 4
		for round := range rounds {
			var spans []span
			var records []record
			for i := range traces {
				s := heavy(fmt.Sprint(i), uint64(round+2))
				s.Parent = 1 // the root comes last
				spans = append(spans, s)
				records = append(records, record{Trace: fmt.Sprint(i), Severity: "INFO", Body: noise(fmt.Sprint(round, i), 900)})
				for d := range 3 {
					name := fmt.Sprint("done ", round, i, d)
					s := heavy(name, 1)
					s.Name = "done"
					spans = append(spans, s)
					records = append(records, record{Trace: name, Severity: "INFO", Body: noise(name, 900)})
				}
			}
			h.send(spans...)
			h.sendLogs(records...)
			h.wait(4 * time.Second) // those that are done have gone
			before := h.value("processor_journey_buffer_bytes")
			h.wait(20 * time.Second)
			require.Less(t, h.value("processor_journey_buffer_bytes"), before*3/4)
			require.Equal(t, int64((round+1)*traces), h.value("processor_journey_parked_traces"))
		}
		for i := range traces {
			h.send(span{Trace: fmt.Sprint(i), ID: 1, Name: "GET /"})
		}
		h.wait(3 * time.Second)
		for i := range traces {
			require.Len(t, h.sink.of(fmt.Sprint(i)), rounds+1)
		}
		require.Len(t, h.sink.bodies(), rounds*traces)
	})
}

func TestWhatIsDecidedInAMomentIsNotParked(t *testing.T) {
	inBubble(t, `{completion: {quiet: 10s}, buffer: {park_after: 9s}}`, func(t *testing.T, h *harness) {
		h.send(heavy("a", 1))
		h.wait(12 * time.Second)
		require.Len(t, h.sink.of("a"), 1)
		require.Zero(t, h.value("processor_journey_parked_traces"))
	})
}

// fewLeft sends batches of which all traces but one are decided at once, and
// kept or not.
func (h *harness) fewLeft(batches int, done string) {
	h.t.Helper()
	for i := range batches {
		left := heavy(fmt.Sprint("waits ", i), 2)
		left.Parent = 1
		spans := []span{left}
		for n := range 19 {
			s := heavy(fmt.Sprint("done ", i, n), 1)
			s.Name = done
			spans = append(spans, s)
		}
		h.send(spans...)
		h.wait(100 * time.Millisecond)
	}
	h.wait(2 * time.Second)
}

const fewLeftConfig = `
completion: {quiet: 500ms, missing_wait: 10m, message_wait: 10m}
sampling: {rules: [{name: done, when: {match: {span: done}}, keep: 0%}, {name: rest, keep: 100%}]}
buffer: {memory: 8MiB, trace: 1MiB, park_after: 1h}`

func TestShortOfMemoryTheOldestAreParkedBeforeAnythingIsDecidedEarly(t *testing.T) {
	inBubble(t, fewLeftConfig, func(t *testing.T, h *harness) {
		h.fewLeft(800, "done") // what waits pins 16 MiB, if it stays where it came
		require.Positive(t, h.value("processor_journey_parked_traces"))
		require.Zero(t, h.value("processor_journey_early_decisions"))
		require.Zero(t, h.value("processor_journey_spans_refused"))
		require.Equal(t, int64(800), h.value("processor_journey_traces_pending"))
	})
}

// TestTheFewThatAreHeldForRecallDoNotHoldWhatTheyCameWith: where nearly all is
// kept, the recall's limit would otherwise be a twentieth of what it takes.
func TestTheFewThatAreHeldForRecallDoNotHoldWhatTheyCameWith(t *testing.T) {
	inBubble(t, `
completion: {quiet: 500ms, missing_wait: 500ms}
sampling: {rules: [{name: done, when: {match: {span: done}}, keep: 100%}, {name: rest, keep: 0%}]}
buffer: {memory: 64MiB, trace: 1MiB, recall: 4MiB}`, func(t *testing.T, h *harness) {
		h.fewLeft(800, "done")
		h.wait(10 * time.Second)
		require.Equal(t, int64(800), h.value("processor_journey_spans_recallable"))
		require.Less(t, h.value("processor_journey_buffer_bytes"), int64(6<<20))
	})
}

// TestWhatIsKeptDoesNotHoldWhatWasDroppedWhileTheNextComponentIsAway: it can be
// away for long, and what it will get is a part of what came.
func TestWhatIsKeptDoesNotHoldWhatWasDroppedWhileTheNextComponentIsAway(t *testing.T) {
	inBubble(t, `
completion: {quiet: 500ms, missing_wait: 500ms}
sampling: {rules: [{name: done, when: {match: {span: done}}, keep: 0%}, {name: rest, keep: 100%}]}
buffer: {memory: 8MiB, trace: 1MiB, recall: 0B}`, func(t *testing.T, h *harness) {
		h.sink.refuse(errBusy)
		h.fewLeft(800, "done")
		h.wait(10 * time.Second)
		require.Zero(t, h.value("processor_journey_spans_refused"))
		require.Less(t, h.value("processor_journey_buffer_bytes"), int64(3<<20))
		h.sink.refuse(nil)
		h.wait(time.Minute)
		require.Len(t, h.sink.all(), 800)
	})
}

func TestTheOverloadLevelDoesNotFlicker(t *testing.T) {
	b := &buffer{limit: 1000}
	for _, step := range []struct {
		used int64
		want overload
	}{
		{400, calm},
		{500, parking},
		{460, parking},
		{440, calm},
		{800, deciding},
		{760, deciding},
		{740, parking},
		{900, thinning},
		{860, thinning},
		{840, deciding},
		{1000, refusing},
		{960, refusing},
		{940, thinning},
		{100, calm},
	} {
		b.used.Store(step.used)
		require.Equal(t, step.want, b.observe(), "at %d", step.used)
	}
	b.used.Store(2000)
	require.Equal(t, refusing, b.observe())
	require.InDelta(t, thinnest, b.thin(), 1e-9)
	b.used.Store(10)
	require.Equal(t, calm, b.observe(), "several levels at once")
	require.InDelta(t, 1, b.thin(), 1e-9)
}

func TestTenantsAreNotMixed(t *testing.T) {
	inBubble(t, `{completion: {quiet: 1s}, release: {metadata_keys: [X-Tenant]}, buffer: {park_after: 100ms}}`, func(t *testing.T, h *harness) {
		for i := range 30 {
			tenant := fmt.Sprint("tenant ", i%3)
			require.NoError(t, h.traces.ConsumeTraces(withTenant(h.t.Context(), tenant), batch([]span{{Trace: fmt.Sprint(i), ID: 1, Name: tenant}, {Trace: "shared", ID: uint64(i + 1), Name: tenant}})))
		}
		h.send(span{Trace: "nobody's", ID: 1, Name: ""})
		h.wait(5 * time.Second)
		require.Len(t, h.sink.of("shared"), 30)
		for i, s := range h.sink.all() {
			require.Equal(t, s.Name(), h.sink.tenants[i])
		}
	})
}

func TestFreedMemoryIsOverwrittenInTests(t *testing.T) {
	s := newTestStore()
	block := s.memory().Alloc(100)
	copy(block.Bytes(), bytes.Repeat([]byte{1}, 100))
	s.memory().Free(block)
	require.NotContains(t, block.Bytes(), byte(1))
}
