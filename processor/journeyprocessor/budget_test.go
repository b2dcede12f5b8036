package journeyprocessor

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// journeyKind is what crowd makes traces of: a root and calls below it.
type journeyKind struct {
	name  string
	share float64 // of the traces
	calls int     // most spans below the root; at least none
	fails float64 // share of the traces in which one span fails
}

var kindsOfJourney = []journeyKind{
	{"checkout", 0.55, 6, 0.2}, {"search", 0.35, 2, 0.15}, {"rare", 0.1, 4, 0.3},
}

// counted is what there is, or is estimated to be, of one journey.
type counted struct{ journeys, spans, errors float64 }

func (c *counted) add(weight, spans, errors float64) {
	c.journeys += weight
	c.spans += weight * spans
	c.errors += weight * errors
}

// crowd sends traces of all kinds, and keeps count of them.
type crowd struct {
	rnd *rand.Rand
	h   *harness
	// earlier samples the traces before they come, at one of these
	// probabilities, by the same randomness; explicit puts that randomness
	// into the tracestate, and none into the trace id.
	earlier  []float64
	explicit bool
	truth    map[string]*counted
	errored  map[pcommon.TraceID]int // spans of traces that failed and arrived
}

func newCrowd(seed uint64, h *harness) *crowd {
	return &crowd{
		rnd: rand.New(rand.NewPCG(seed, 7)), h: h,
		truth: map[string]*counted{}, errored: map[pcommon.TraceID]int{},
	}
}

// send sends n traces in one batch.
func (c *crowd) send(n int) {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr(serviceName, "gateway")
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	for range n {
		c.trace(spans)
	}
	require.NoError(c.h.t, c.h.traces.ConsumeTraces(c.h.t.Context(), td))
}

func (c *crowd) trace(to ptrace.SpanSlice) {
	kind, u := kindsOfJourney[0], c.rnd.Float64()
	for _, kind = range kindsOfJourney {
		if u -= kind.share; u < 0 {
			break
		}
	}
	id, randomness := randomTraceID(c.rnd), c.rnd.Uint64()>>8
	if c.explicit {
		binary.BigEndian.PutUint64(id[8:], 0)
	} else {
		randomness = binary.BigEndian.Uint64(id[8:]) & (1<<56 - 1)
	}
	n, failed := 1+c.rnd.IntN(kind.calls+1), -1
	if c.rnd.Float64() < kind.fails {
		failed = c.rnd.IntN(n)
	}
	c.count(kind.name, n, failed)
	state, arrives := c.sampledEarlier(randomness)
	if !arrives {
		return
	}
	if failed >= 0 {
		c.errored[id] = n
	}
	for i := range n {
		s := to.AppendEmpty()
		span{ID: uint64(i + 1), Parent: uint64(min(i, 1)), Name: kind.name, State: state}.fill(s)
		s.SetTraceID(id)
		if i == failed {
			s.Status().SetCode(ptrace.StatusCodeError)
		}
	}
}

func (c *crowd) count(name string, spans, failed int) {
	truth := c.truth[name]
	if truth == nil {
		truth = &counted{}
		c.truth[name] = truth
	}
	errors := 0.0
	if failed >= 0 {
		errors = 1
	}
	truth.add(1, float64(spans), errors)
}

// sampledEarlier is the tracestate with which the trace arrives, if it does.
func (c *crowd) sampledEarlier(randomness uint64) (state string, arrives bool) {
	if c.explicit {
		state = fmt.Sprintf("rv:%014x", randomness)
	}
	if len(c.earlier) > 0 {
		th, err := sampling.ProbabilityToThresholdWithPrecision(c.earlier[c.rnd.IntN(len(c.earlier))], 4)
		require.NoError(c.h.t, err)
		r, err := sampling.UnsignedToRandomness(randomness)
		require.NoError(c.h.t, err)
		if !th.ShouldSample(r) {
			return "", false
		}
		if state != "" {
			state += ";"
		}
		state += "th:" + th.TValue()
	}
	if state != "" {
		state = "ot=" + state
	}
	return state, true
}

// estimates is what the spans in the sink say of each journey, and the variance
// of that: of a trace kept with probability p, (1-p)/p² times its square.
func estimates(t *testing.T, spans []ptrace.Span) (estimate, variance map[string]*counted) {
	type kept struct {
		name                  string
		weight, spans, errors float64
	}
	traces := map[pcommon.TraceID]*kept{}
	for _, s := range spans {
		w3c, err := sampling.NewW3CTraceState(s.TraceState().AsRaw())
		require.NoError(t, err)
		weight := w3c.OTelValue().AdjustedCount()
		k := traces[s.TraceID()]
		if k == nil {
			name, _ := s.Attributes().Get(attrName)
			k = &kept{name: name.Str(), weight: weight}
			traces[s.TraceID()] = k
		}
		require.InEpsilon(t, k.weight, weight, 1e-9, "spans of one trace have one weight")
		k.spans++
		if s.Status().Code() == ptrace.StatusCodeError {
			k.errors++
		}
	}
	estimate, variance = map[string]*counted{}, map[string]*counted{}
	for _, kind := range kindsOfJourney {
		estimate[kind.name], variance[kind.name] = &counted{}, &counted{}
	}
	for _, k := range traces {
		name := k.name[len("gateway "):]
		estimate[name].add(k.weight, k.spans, k.errors)
		variance[name].add(k.weight*(k.weight-1), k.spans*k.spans, k.errors*k.errors)
	}
	return estimate, variance
}

// agreement collects by how many standard errors estimates miss the truth.
type agreement struct {
	n, within, sum float64
}

func (a *agreement) add(estimate, truth, variance float64) {
	if variance == 0 {
		return // all were kept, or none was seen
	}
	z := (estimate - truth) / math.Sqrt(variance)
	a.n++
	a.sum += z
	if math.Abs(z) <= 2 {
		a.within++
	}
}

var weighedSeeds = []uint64{1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987, 1597}

// TestTheWeightsOfTheKeptSayWhatThereWas estimates journeys, spans and errors
// per journey from what is kept, and compares with what was sent.
//
// Of estimates that are right 95 % lie within two standard errors. For each
// way of sampling there are 16 seeds and 3 journeys, 48 samples that do not
// depend on each other. The bound of 81 % within two (fewer than 39 of 48) is
// one that right estimates fall below with probability 1e-4 for each quantity
// if seeds are drawn at random; the seeds are fixed, and what is left to
// chance is in which order shards ask the budget. A wrong weight, such as one
// for the rule's probability instead of the one that was used, is off by tens
// of standard errors.
func TestTheWeightsOfTheKeptSayWhatThereWas(t *testing.T) {
	t.Logf("seeds %v", weighedSeeds)
	const rules = "rules: [{name: others, when: {match: {span: '*r*'}}, keep: 15%}, {name: checkouts, keep: 50%}]"
	for _, test := range []struct {
		name, sampling string
		earlier        []float64
		explicit       bool
	}{
		{name: "rules", sampling: rules},
		{name: "a budget over a burst", sampling: "budget: {spans_per_second: 200}"},
		{name: "rules and a budget over a burst", sampling: rules + ", budget: {spans_per_second: 150}"},
		{name: "bytes", sampling: rules + ", budget: {bytes_per_day: 2.6GB}"},
		{name: "earlier samplers", sampling: rules, earlier: []float64{1, 0.6, 0.25}},
		{name: "earlier samplers and a budget", sampling: rules + ", budget: {spans_per_second: 120}", earlier: []float64{1, 0.6, 0.25}},
		{name: "explicit randomness", sampling: rules, explicit: true},
		{name: "all of it", sampling: rules + ", budget: {spans_per_second: 120}", earlier: []float64{1, 0.6, 0.25}, explicit: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var journeys, spans, errors agreement
			for _, seed := range weighedSeeds {
				inBubble(t, "{completion: {quiet: 1s}, sampling: {"+test.sampling+"}}", func(t *testing.T, h *harness) {
					c := newCrowd(seed, h)
					c.earlier, c.explicit = test.earlier, test.explicit
					for tick := range 80 {
						c.send(6 + 24*(min(tick/30, 1)-tick/60)) // 60 a second, and 300 from the third second to the sixth
						h.wait(100 * time.Millisecond)
					}
					h.wait(3 * time.Second)
					require.Equal(t, strings.Contains(test.sampling, "budget"),
						h.value("processor_journey_thinned_journeys", "reason", "budget") > 0)
					estimate, variance := estimates(t, h.sink.all())
					for name, truth := range c.truth {
						e, v := estimate[name], variance[name]
						journeys.add(e.journeys, truth.journeys, v.journeys)
						spans.add(e.spans, truth.spans, v.spans)
						errors.add(e.errors, truth.errors, v.errors)
					}
				})
			}
			for what, a := range map[string]agreement{"journeys": journeys, "spans": spans, "errors": errors} {
				t.Logf("%s: %.0f %% of %v within 2 standard errors, mean %+.2f", what, 100*a.within/a.n, a.n, a.sum/a.n)
				require.GreaterOrEqual(t, a.within, 0.81*a.n, what)
				require.LessOrEqual(t, math.Abs(a.sum), 4*math.Sqrt(a.n), what)
			}
		})
	}
}

// outflow counts spans and bytes of OTLP as they arrive at the next component,
// by tenths of a second, until the sink is given another choice.
type outflow struct {
	begun        time.Time
	spans, bytes []float64
}

func (h *harness) watch() *outflow {
	o := &outflow{begun: time.Now()}
	var sizer ptrace.ProtoMarshaler
	h.sink.choose(func(td ptrace.Traces) error {
		for tick := int(time.Since(o.begun) / tick); len(o.spans) <= tick; {
			o.spans, o.bytes = append(o.spans, 0), append(o.bytes, 0)
		}
		o.spans[len(o.spans)-1] += float64(td.SpanCount())
		o.bytes[len(o.bytes)-1] += float64(sizer.TracesSize(td))
		return nil
	})
	return o
}

// extremes is the least and the most of any minute that begins from then on,
// as a share of what a minute has room for.
func extremes(flow []float64, from time.Duration, perSecond float64) (least, most float64) {
	const minute = int(time.Minute / tick)
	least = math.Inf(1)
	for i := int(from / tick); i+minute <= len(flow); i++ {
		sum := 0.0
		for _, v := range flow[i : i+minute] {
			sum += v
		}
		least, most = min(least, sum/(60*perSecond)), max(most, sum/(60*perSecond))
	}
	return least, most
}

// TestABurstLeavesWithinTheBudget: twenty seconds of half of what the budget
// has room for, then a minute and a half of ten times as much as it has. What arrives
// at the next component stays within 2 % of the budget in every minute, and
// every journey that failed is there as a whole.
func TestABurstLeavesWithinTheBudget(t *testing.T) {
	const spansPerSecond = 200.0
	inBubble(t, `{completion: {quiet: 1s}, buffer: {memory: 256MiB}, sampling: {
		rules: [{name: failed, when: {match: {status: error, span: rare}}, keep: 100%}, {name: searches, when: {journey: gateway search}, keep: 50%}, {name: the rest, keep: 90%}],
		budget: {spans_per_second: 200}}}`, func(t *testing.T, h *harness) {
		c, flow := newCrowd(99, h), h.watch()
		c.h = h
		for tick := range 1100 {
			perTick := spansPerSecond / 2 / 3.4 / 10 // a trace has 3.4 spans on average
			if tick >= 200 {
				perTick *= 20
			}
			c.send(int(perTick + c.rnd.Float64()))
			h.wait(100 * time.Millisecond)
		}
		h.sink.choose(nil) // the flow is ours now
		_, most := extremes(flow.spans, 0, spansPerSecond)
		least, _ := extremes(flow.spans, 25*time.Second, spansPerSecond)
		t.Logf("between %.2f %% and %.2f %%", 100*least, 100*most)
		require.LessOrEqual(t, most, 1.02)
		require.GreaterOrEqual(t, least, 0.98)

		h.wait(3 * time.Second)
		estimate, variance := estimates(t, h.sink.all())
		for name, truth := range c.truth {
			require.InDelta(t, truth.journeys, estimate[name].journeys, 4*math.Sqrt(variance[name].journeys), name)
		}
		require.InDelta(t, c.truth["rare"].errors, estimate["rare"].errors, 1e-6, "failed journeys are kept whole, each for itself")
		require.Zero(t, h.value("processor_journey_thinned_journeys", "rule", "failed"))
		require.Zero(t, h.value("processor_journey_early_decisions"))
	})
}
