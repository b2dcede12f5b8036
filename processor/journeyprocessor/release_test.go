package journeyprocessor

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// choosy is a storage that refuses every batch in which some span is called
// "poison", the way Badger does it: as if it were away.
func choosy(err error) func(ptrace.Traces) error {
	return func(td ptrace.Traces) error {
		for _, rs := range td.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, s := range ss.Spans().All() {
					if s.Name() == "poison" {
						return err
					}
				}
			}
		}
		return nil
	}
}

// TestOneRecordThatStorageCannotTakeHoldsUpNothing: more poison than there are
// consumers, in the middle of good traces, and traffic that goes on.
func TestOneRecordThatStorageCannotTakeHoldsUpNothing(t *testing.T) {
	for name, refusal := range map[string]error{
		"said to pass":  errBusy,
		"said for good": consumererror.NewPermanent(errors.New("key too long")),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, "{completion: {quiet: 1s}, release: {consumers: 2}}", func(t *testing.T, h *harness) {
				h.sink.choose(choosy(refusal))
				var spans []span
				for i := range 100 {
					trace := fmt.Sprint(i)
					spans = append(spans, span{Trace: trace, ID: 1, Name: "GET /"}, span{Trace: trace, ID: 2, Parent: 1, Name: "work"})
					if i%20 == 7 {
						spans = append(spans, span{Trace: trace, ID: 3, Parent: 1, Name: "poison"})
					}
				}
				h.send(spans...)
				h.wait(5 * time.Minute)
				require.Len(t, h.sink.all(), 200, "all but the poison itself")
				for i := range 10 {
					h.send(span{Trace: fmt.Sprint("later ", i), ID: 1, Name: "GET /"})
					h.wait(10 * time.Second)
					h.holdsTheLaw()
				}
				require.Len(t, h.sink.all(), 210)
				require.Equal(t, int64(5), h.value("processor_journey_spans_lost", "reason", lostRefused))
				require.Zero(t, h.value("processor_journey_buffer_bytes"))
			})
		})
	}
}

// TestNothingIsLostWhileNothingIsAccepted: what is refused by a backend that is
// away for an hour is not mistaken for poison.
func TestNothingIsLostWhileNothingIsAccepted(t *testing.T) {
	inBubble(t, "{completion: {quiet: 1s}}", func(t *testing.T, h *harness) {
		h.sink.refuse(errBusy)
		for i := range 300 {
			h.send(span{Trace: fmt.Sprint(i), ID: 1, Name: "GET /"}, span{Trace: fmt.Sprint(i), ID: 2, Parent: 1, Name: "work"})
			h.wait(12 * time.Second)
		}
		h.holdsTheLaw()
		h.sink.refuse(nil)
		h.wait(2 * time.Minute)
		require.Len(t, h.sink.all(), 600)
	})
}

func TestBatchesStayUnderTheirLimits(t *testing.T) {
	inBubble(t, "{completion: {quiet: 1s}, buffer: {trace: 100MiB}, release: {max_batch: 50, max_batch_bytes: 20KiB}}", func(t *testing.T, h *harness) {
		var largest, most int
		h.sink.choose(func(td ptrace.Traces) error {
			request, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
			largest, most = max(largest, len(request)), max(most, td.SpanCount())
			return err
		})
		for i := range 200 {
			h.send(heavy("one large trace", uint64(i+1)))
		}
		for i := range 200 {
			h.send(span{Trace: fmt.Sprint(i), ID: 1, Name: "GET /"})
		}
		h.wait(time.Minute)
		require.Len(t, h.sink.all(), 400)
		require.Len(t, h.sink.of("one large trace"), 200)
		require.LessOrEqual(t, most, 50)
		require.Greater(t, most, 10)
		require.LessOrEqual(t, largest, 20<<10)
		tagged := 0
		for _, s := range h.sink.of("one large trace") {
			if _, ok := s.Attributes().Get(attrID); ok {
				tagged++
			}
		}
		require.Equal(t, 1, tagged)
	})
}

// TestARefusalGivesBackAllThatItTook: spans of one trace that share a resource,
// refused often enough to be tried whole, in halves and one by one.
func TestARefusalGivesBackAllThatItTook(t *testing.T) {
	for refusals := range 40 {
		inBubble(t, "{completion: {quiet: 1s}}", func(t *testing.T, h *harness) {
			left := refusals
			h.sink.choose(func(ptrace.Traces) error {
				if left--; left >= 0 {
					return errBusy
				}
				return nil
			})
			td := ptrace.NewTraces()
			spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
			for id := range uint64(5) {
				span{Trace: "a", ID: id + 1, Parent: id, Name: "work"}.fill(spans.AppendEmpty())
			}
			require.NoError(t, h.traces.ConsumeTraces(h.t.Context(), td))
			h.wait(20 * time.Minute)
			require.Len(t, h.sink.of("a"), 5)
			require.Zero(t, h.value("processor_journey_buffer_bytes"), "after %d refusals", refusals)
		})
	}
}

func TestRetriesCanBeSwitchedOff(t *testing.T) {
	inBubble(t, "{completion: {quiet: 1s}, release: {retry: {enabled: false, max_interval: 0s}}}", func(_ *testing.T, h *harness) {
		h.sink.refuse(errBusy)
		h.send(span{Trace: "a", ID: 1, Name: "GET /"})
		h.wait(3 * time.Second)
		require.Equal(h.t, int64(1), h.value("processor_journey_spans_lost", "reason", lostRefused))
		require.Zero(h.t, h.value("processor_journey_release_retries"))
	})
}
