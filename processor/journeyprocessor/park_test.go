package journeyprocessor

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/arena"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/wire"
)

func newTestStore() *store {
	b := &buffer{limit: 1 << 30, memory: arena.New(true)}
	return &store{buffer: b, headers: newHeaderTable(b)}
}

func (s *store) randomPieces(rnd *rand.Rand) []piece {
	pieces := make([]piece, 1+rnd.IntN(12))
	for i := range pieces {
		g := wire.Group{Resource: []byte(fmt.Sprint("service ", rnd.IntN(4)))}
		records := make([]byte, rnd.IntN(3000))
		for j := range records {
			records[j] = byte(rnd.IntN(7)) // compressible
		}
		block := s.memory().Alloc(len(records))
		copy(block.Bytes(), records)
		pieces[i] = piece{header: s.headers.take(&g, nil, 1), records: block, count: rnd.IntN(20)}
	}
	return pieces
}

// byHeader is what must survive parking: for each header the records in the
// order in which they came.
func byHeader(pieces []piece) (records map[*header]string, counts map[*header]int) {
	records, counts = map[*header]string{}, map[*header]int{}
	for _, p := range pieces {
		records[p.header] += string(p.records.Bytes())
		counts[p.header] += p.count
	}
	return records, counts
}

func TestParkedRecordsComeBackAsTheyWere(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	s := newTestStore()
	k := parker{store: s}
	withDictionary := 0
	for range 500 {
		h := holdings{pieces: s.randomPieces(rnd)}
		records, counts := byHeader(h.pieces)
		h.parcels = append(h.parcels, k.pack(h.pieces))
		h.pieces = nil
		if h.parcels[0].dictionary != nil {
			withDictionary++
		}
		if rnd.IntN(3) == 0 {
			s.free(&h) // dropped while parked
			continue
		}
		require.NoError(t, k.unpack(&h))
		gotRecords, gotCounts := byHeader(h.pieces)
		require.Equal(t, records, gotRecords)
		require.Equal(t, counts, gotCounts)
		s.free(&h)
	}
	require.Positive(t, withDictionary)
	require.Zero(t, s.memory().Blocks())
	require.Empty(t, s.headers.byKey)
}

func TestDamagedParcelsAreAnErrorAndNotACrash(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	s := newTestStore()
	k := parker{store: s}
	damaged := 0
	for range 300 {
		h := holdings{pieces: s.randomPieces(rnd)}
		h.parcels = append(h.parcels, k.pack(h.pieces))
		h.pieces = nil
		block := h.parcels[0].block.Bytes()
		block[rnd.IntN(len(block))] ^= byte(1 + rnd.IntN(255))
		if err := k.unpack(&h); err != nil {
			require.ErrorIs(t, err, errParcel)
			damaged++
		}
		s.free(&h)
		require.Zero(t, s.memory().Blocks())
	}
	require.Positive(t, damaged)
}

func TestWhatWaitsLongIsParkedAndLeavesWhole(t *testing.T) {
	const config = `
completion: {quiet: 1s, missing_wait: 10m, message_wait: 10m, max_wait: 20m}
buffer: {park_after: 5s}`
	inBubble(t, config, func(t *testing.T, h *harness) {
		const traces, rounds = 40, 4
		id := uint64(2) // the root comes last
		for range rounds {
			for i := range traces {
				s := heavy(fmt.Sprint(i), id)
				s.Parent = 1
				h.send(s)
				h.sendLogs(record{Trace: fmt.Sprint(i), Severity: "INFO", Body: strings.Repeat("line ", 200)})
			}
			id++
			before := h.value("processor_journey_buffer_bytes")
			h.wait(20 * time.Second)
			require.Less(t, h.value("processor_journey_buffer_bytes"), before*3/4)
		}
		require.Equal(t, int64(2*rounds*traces), h.value("processor_journey_parked_parcels"))
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
		require.Zero(t, h.value("processor_journey_parked_parcels"))
	})
}

func TestShortOfMemoryTheOldestAreParkedBeforeAnythingIsDecidedEarly(t *testing.T) {
	inBubble(t, `
completion: {quiet: 10m, missing_wait: 10m, message_wait: 10m}
buffer: {memory: 8MiB, trace: 1MiB, park_after: 1h}`, func(t *testing.T, h *harness) {
		for i := range 2500 {
			h.send(heavy(fmt.Sprint(i), 1))
		}
		require.Positive(t, h.value("processor_journey_parked_parcels"))
		require.Zero(t, h.value("processor_journey_early_decisions"))
		require.Equal(t, int64(parking), h.value("processor_journey_overload_level"))
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
