package journeyprocessor

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/internal/reload"
)

const tornConfig = `
completion: {quiet: 2s, missing_wait: 30s}
buffer: {park_after: 1s}
sampling: {rules: [{name: failed, when: {outcome: error}, keep: 100%}, {name: half, keep: 50%}]}
`

// tornTraces is how many traces the tests of tearing send.
const tornTraces = 60

// half sends a half (0 or 1) of each trace. Every third fails in its second.
func (h *harness) half(part int) {
	h.t.Helper()
	for i := range tornTraces {
		name := fmt.Sprint("unlucky ", i)
		a, b := heavy(name, uint64(2*part+1)), heavy(name, uint64(2*part+2))
		a.Parent, b.Parent = uint64(2*part), 1
		if part == 1 && i%3 == 0 {
			b.Error = "broken"
		}
		h.send(a, b)
		h.sendLogs(record{Trace: name, Severity: "INFO", Body: fmt.Sprint(i, " ", part)})
	}
}

// requireWhole wants every third trace whole, with its log records, and no
// other.
func (h *harness) requireWhole() {
	h.t.Helper()
	for i := range tornTraces {
		want := 0
		if i%3 == 0 {
			want = 4
		}
		require.Len(h.t, h.sink.of(fmt.Sprint("unlucky ", i)), want, "trace %d", i)
	}
	require.Len(h.t, h.sink.bodies(), 2*tornTraces/3)
}

func TestAReloadTearsNoTrace(t *testing.T) {
	inBubble(t, tornConfig, func(t *testing.T, h *harness) {
		h.half(0)
		h.wait(1500 * time.Millisecond) // some are parked
		h.reload(tornConfig)
		require.Zero(t, h.value("processor_journey_early_decisions"))
		require.Empty(t, h.sink.all())
		h.half(1)
		h.wait(time.Minute)
		h.requireWhole()
		require.Equal(t, int64(2*tornTraces), h.value("processor_journey_spans_inherited"))
		require.Equal(t, int64(tornTraces), h.value("processor_journey_log_records_handed_over"))
	})
}

func TestChangedRulesHoldFromTheReloadOn(t *testing.T) {
	inBubble(t, `{completion: {quiet: 20s}, sampling: {rules: [{name: none, keep: 0%}]}}`, func(t *testing.T, h *harness) {
		h.send(span{Trace: "unlucky", ID: 1, Service: "stock", Name: "reserve"}, span{Trace: "other", ID: 1, Name: "GET /"})
		h.reload(`
completion: {quiet: 5s}
journeys: [{name: reservation, match: {service: stock}}]
sampling: {rules: [{name: reservations, when: {journey: reservation}, keep: 100%}, {name: none, keep: 0%}]}`)
		h.wait(10 * time.Second)
		require.Len(t, h.sink.all(), 1)
		name, _ := h.sink.of("unlucky")[0].Attributes().Get(attrName)
		require.Equal(t, "reservation", name.Str())
	})
}

// TestWhatIsSlowIsKnownAfterAReload learns what is usual before it, with storage
// and without.
func TestWhatIsSlowIsKnownAfterAReload(t *testing.T) {
	const config = `
completion: {quiet: 2s}
sampling: {percentiles: {min_journeys: 20}, rules: [{name: slow, when: {slower_than: p99}, keep: 100%}, {name: none, keep: 0%}]}
`
	for _, storage := range []string{"", "storage: file_storage\n"} {
		synctest.Test(t, func(t *testing.T) {
			h := start(t, config)
			if storage != "" {
				h.withShelf()
				h.reload(config + storage)
			}
			for i := range 20 {
				h.send(span{Trace: fmt.Sprint("usual ", i), ID: 1, Name: "GET /", Took: time.Millisecond})
			}
			h.wait(5 * time.Second)
			h.reload(config + storage)
			h.send(span{Trace: "slow", ID: 1, Name: "GET /", Took: time.Second}, span{Trace: "usual", ID: 1, Name: "GET /", Took: time.Millisecond})
			h.wait(5 * time.Second)
			require.Len(t, h.sink.all(), 1)
			require.Len(t, h.sink.of("slow"), 1)
			h.stop()
		})
	}
}

func TestDecisionsAreRememberedOverAReloadAndAStop(t *testing.T) {
	config := tornConfig + "storage: file_storage\n"
	synctest.Test(t, func(t *testing.T) {
		h := start(t, tornConfig)
		h.send(span{Trace: "unlucky", ID: 1, Name: "GET /"}, span{Trace: "lucky", ID: 1, Name: "GET /"})
		h.wait(5 * time.Second)
		h.reload(tornConfig)
		h.withShelf()
		h.reload(config)
		h.end()
		h.begin(config)
		h.send(span{Trace: "unlucky", ID: 2, Parent: 1, Name: "late"}, span{Trace: "lucky", ID: 2, Parent: 1, Name: "late"})
		h.wait(time.Second)
		require.Len(t, h.sink.of("lucky"), 2)
		require.Equal(t, "ot=th:8", h.sink.of("lucky")[1].TraceState().AsRaw())
		require.Empty(t, h.sink.of("unlucky"))
		require.Equal(t, int64(2), h.value("processor_journey_late_spans"))
		h.stop()
	})
}

func TestAStopWithStorageTearsNoTrace(t *testing.T) {
	config := tornConfig + "storage: file_storage\n"
	synctest.Test(t, func(t *testing.T) {
		h := start(t, tornConfig)
		s := h.withShelf()
		h.reload(config)
		h.half(0)
		h.end()
		require.NotEmpty(t, s.values)
		time.Sleep(time.Hour) // the collector is away
		h.begin(config)
		h.half(1)
		h.wait(time.Minute)
		h.requireWhole()
		require.Zero(t, h.value("processor_journey_early_decisions"))
		require.Len(t, s.values, 1, "only the number of the last generation is left: %v", s.values)
		h.stop()
	})
}

func TestWhatWasToBeKeptAndCouldNotLeaveIsHandedOver(t *testing.T) {
	config := `{completion: {quiet: 1s}, storage: file_storage, release: {metadata_keys: [x-tenant]}}`
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "{}")
		h.withShelf()
		h.reload(config)
		h.sink.refuse(errBusy)
		require.NoError(t, h.traces.ConsumeTraces(withTenant(t.Context(), "a"), batch([]span{heavy("a", 1), heavy("b", 1)})))
		h.sendLogs(record{Trace: "a", Severity: "INFO", Body: "kept"})
		h.wait(time.Minute) // in the queue, on their way and among the suspects
		begun := time.Now()
		h.end()
		require.Less(t, time.Since(begun), 10*time.Second)
		h.holdsTheLaw()
		require.Zero(t, h.value("processor_journey_spans_lost"))
		h.sink.refuse(nil)
		h.begin(config)
		h.wait(time.Second)
		require.Len(t, h.sink.all(), 2)
		require.Equal(t, "a", h.sink.tenants[0])
		require.Len(t, h.sink.bodies(), 1)
		name, _ := h.sink.of("a")[0].Attributes().Get(attrName)
		require.Equal(t, "gateway GET /", name.Str())
		require.NotEmpty(t, rootTags(t, h.sink.of("a")))
		h.stop()
	})
}

func TestDamagedStateIsSetAsideAndTheStartGoesOn(t *testing.T) {
	config := `{completion: {quiet: 10m, missing_wait: 10m}, storage: file_storage}`
	for name, damage := range map[string]func(*shelf){
		"a flipped bit": func(s *shelf) { s.values["1/0"][100] ^= 1 },
		"another's":     func(s *shelf) { s.values["1/0"] = []byte(strings.Repeat("something else ", 10)) },
		"gone":          func(s *shelf) { delete(s.values, "1/0") },
		"a newer version": func(s *shelf) {
			s.values["1/0"][len(chunkMark)]++
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, "{}")
				s := h.withShelf()
				h.reload(config)
				for i := range 3000 {
					h.send(heavyRandom(fmt.Sprint(i), 1))
				}
				h.end()
				chunks := len(s.values) - 2
				require.Greater(t, chunks, 1)
				damage(s)
				h.begin(config)
				pending := h.value("processor_journey_spans_pending")
				require.Less(t, pending, int64(3000))
				require.Greater(t, pending, int64(1000), "the other chunks are taken over")
				require.NotZero(t, h.logged.FilterMessageSnippet("set aside").Len())
				if name != "gone" {
					require.Contains(t, s.values, "1/0", "set aside")
				}
				require.NotContains(t, s.values, "1/1")
				h.end()
				require.Contains(t, s.values, "2/0", "does not write over it")
				h.begin("{}")
				h.end()
			})
		})
	}
}

func TestAStorageThatFailsLosesNothing(t *testing.T) {
	config := `{completion: {quiet: 10m, missing_wait: 10m}, storage: file_storage}`
	for _, broken := range []string{generationKey, "1/0", headKey} {
		t.Run(broken, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, "{}")
				s := h.withShelf()
				h.reload(config)
				h.send(heavy("a", 1), heavy("b", 1))
				s.fail = func(op, key string) error {
					if op == "set" && key == broken {
						return errors.New("disk full")
					}
					return nil
				}
				h.end()
				require.Len(t, h.sink.all(), 2, "decided and sent out instead")
				h.holdsTheLaw()
				require.NotZero(t, h.logged.FilterMessageSnippet("Could not save").Len())
			})
		})
	}
}

func TestAStorageThatIsNotThereIsAClearError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "{}")
		h.end()
		h.extensions = nil
		c, err := load("{storage: file_storage}")
		require.NoError(t, err)
		p, err := NewFactory().CreateTraces(t.Context(), h.settings, c, h.sink)
		require.NoError(t, err)
		require.EqualError(t, p.Start(t.Context(), h), `storage: extension "file_storage" is not among service::extensions`)
		require.NoError(t, p.Shutdown(t.Context()))
	})
}

func TestWhatNobodyClaimsAfterAReloadIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "{completion: {quiet: 10m, missing_wait: 10m}}")
		h.send(heavy("a", 1))
		h.traces.(pipeline).isReload = func() bool { return true }
		h.end()
		h.wait(2 * reload.ClaimTime)
		require.Equal(t, 1, h.logged.FilterMessageSnippet("Nobody took over").Len())
		require.Nil(t, bequests.Take(h.settings.ID))
	})
}

func TestAStopWithoutStorageSaysHowManyJourneysItCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "{}")
		h.send(span{Trace: "a", ID: 1}, span{Trace: "b", ID: 1})
		h.stop()
		said := h.logged.FilterMessageSnippet("before they were finished").All()
		require.Len(t, said, 1)
		require.EqualValues(t, 2, said[0].ContextMap()["journeys"])
	})
}

// FuzzReadChunk: whatever lies in storage gives entries or an error of ours.
func FuzzReadChunk(f *testing.F) {
	h := &handover{}
	h.add(&estate{ages: map[pcommon.TraceID]time.Duration{traceID("a"): time.Second}, spans: []requestOf{{[]byte("request"), newClientMetadata(map[string][]string{"k": {"v"}})}}})
	h.close()
	f.Add(h.chunks[0])
	f.Add([]byte(chunkMark))
	f.Fuzz(func(t *testing.T, chunk []byte) {
		err := readChunk(chunk, func(e *estate) error {
			e.append(nil)
			return nil
		})
		if err == nil && len(chunk) < len(chunkMark)+5 {
			t.Error("read a chunk that is too short")
		}
	})
}

func TestAStopTearsNoTraceOnAnotherNumberOfProcessors(t *testing.T) {
	config := tornConfig + "storage: file_storage\n"
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // shards
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "{}")
		h.withShelf()
		h.reload(config)
		h.send(span{Trace: "lucky", ID: 1, Name: "GET /"})
		h.wait(3 * time.Second)
		h.half(0)
		h.end()
		runtime.GOMAXPROCS(3)
		h.begin(config)
		h.half(1)
		h.send(span{Trace: "lucky", ID: 2, Parent: 1, Name: "late"})
		h.wait(time.Minute)
		require.Len(t, h.sink.of("lucky"), 2)
		require.Equal(t, int64(1), h.value("processor_journey_late_spans"))
		h.requireWhole()
		h.stop()
	})
}

// TestAReloadIsSafeWithStorageToo: what a reload hands over lies in storage as
// well, until the new processor has taken it over, and is then not taken twice.
func TestAReloadIsSafeWithStorageToo(t *testing.T) {
	config := tornConfig + "storage: file_storage\n"
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "{}")
		s := h.withShelf()
		h.reload(config)
		h.half(0)
		h.traces.(pipeline).isReload = func() bool { return true }
		h.end()
		require.Contains(t, s.values, headKey)
		h.begin(config)
		require.NotContains(t, s.values, headKey)
		h.half(1)
		h.wait(time.Minute)
		h.requireWhole()
		h.end()

		h.begin(config)
		h.half(0)
		h.reload(tornConfig) // without storage
		require.Equal(t, 1, h.logged.FilterMessageSnippet("The storage of before the reload still has").Len())
		h.half(1)
		h.wait(time.Minute)
		h.stop()
	})
}

func TestWhatCouldNotBeReadAtTheStartIsNotWrittenOver(t *testing.T) {
	config := `{completion: {quiet: 10m, missing_wait: 10m}, storage: file_storage}`
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "{}")
		s := h.withShelf()
		h.reload(config)
		h.send(heavy("a", 1))
		h.end()
		s.fail = func(op, key string) error {
			if op == "get" && key == "1/0" {
				return errors.New("input/output error")
			}
			return nil
		}
		h.begin(config)
		require.Equal(t, 1, h.logged.FilterMessageSnippet("it is left as it is").Len())
		s.fail = nil
		h.send(heavy("b", 1))
		h.end()
		require.Contains(t, s.values, "1/0")
		require.Equal(t, encodeNumbers(1, 2), s.values[headKey+"/1"])
	})
}

// TestAReloadWithLessMemoryLosesNothing: what is there already is taken over,
// and what is too much is then decided early.
func TestAReloadWithLessMemoryLosesNothing(t *testing.T) {
	const config = "completion: {quiet: 10m, missing_wait: 10m}\nbuffer: {trace: 64KiB, park_after: 1h, memory: "
	inBubble(t, config+"64MiB}", func(t *testing.T, h *harness) {
		for i := range 3000 {
			h.send(heavyRandom(fmt.Sprint(i), 1))
		}
		h.reload(config + "1MiB}")
		require.Equal(t, int64(3000), h.value("processor_journey_spans_inherited"))
		h.wait(time.Minute)
		require.Less(t, h.value("processor_journey_buffer_bytes"), int64(1<<20))
		require.Positive(t, h.value("processor_journey_early_decisions", "reason", earlyMemory))
		require.Zero(t, h.value("processor_journey_spans_lost"))
	})
}

// The ledger goes along, cut to what the new one has room for.
func TestWhatWasDecidedCanBeLookedUpAfterAReload(t *testing.T) {
	inBubble(t, tornConfig, func(t *testing.T, h *harness) {
		for i := range 40 {
			h.send(span{Trace: fmt.Sprint("lucky ", i), ID: 1, Name: "GET /"})
			h.wait(10 * time.Millisecond)
		}
		h.wait(5 * time.Second)
		h.send(span{Trace: "unlucky", ID: 1, Name: "GET /"})
		h.wait(5 * time.Second)
		before, found := h.ledger().Lookup(traceID("lucky 7"))
		require.True(t, found)
		h.reload(tornConfig)
		after, found := h.ledger().Lookup(traceID("lucky 7"))
		require.True(t, found)
		require.Equal(t, before, after)
		require.Len(t, h.ledger().Recent(100), 41)
		require.Equal(t, traceID("unlucky"), h.ledger().Recent(1)[0].TraceID)

		size := 8 * runtime.GOMAXPROCS(0)
		h.reload(tornConfig + fmt.Sprintf("decisions: {ledger: %d}", size))
		require.LessOrEqual(t, len(h.ledger().Recent(100)), size)
		require.Equal(t, traceID("unlucky"), h.ledger().Recent(1)[0].TraceID, "the latest stay")
		h.send(span{Trace: "lucky last", ID: 1, Name: "GET /"})
		h.wait(5 * time.Second)
		require.Equal(t, traceID("lucky last"), h.ledger().Recent(1)[0].TraceID)

		h.reload(tornConfig + "decisions: {ledger: 0}")
		require.Empty(t, h.ledger().Recent(100))
	})
}
