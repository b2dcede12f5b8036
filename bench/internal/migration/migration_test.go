// Package migration holds what tailconvert makes against the tail_sampling that
// it was made from.
package migration

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/tailsamplingprocessor"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otelcol-journey/otelcol-journey/internal/tailconvert"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor"
)

// examples are the inputs of tailconvert's own tests: each policy, each way to
// combine them.
const examples = "../../../cmd/tailconvert/testdata"

// notComparable are those that cannot be run beside each other, and why.
var notComparable = map[string]string{
	"no_equivalent": "says so itself",
	"options":       "tail_storage needs a feature gate and an extension",
}

// allOrNothing are those that keep every trace, or none.
var allOrNothing = []string{"always_sample", "and_of_nothing", "latency_of_anything", "no_policies", "probabilistic_all", "rate_limiting", "rate_limiting_beside_errors", "bytes_limiting"}

// Do contrib's own policies and what they are converted to keep the same
// traces? Exactly where nothing is left to chance; else as many of each sort.
func TestConvertedPoliciesKeepTheSameTraces(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(examples, "*.yaml"))
	require.NoError(t, err)
	require.Greater(t, len(files), 30)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if strings.HasSuffix(name, ".journey") || notComparable[name] != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			some, every := keepTheSame(t, string(text), 1)
			require.Equal(t, slices.Contains(allOrNothing, name), !some || every, "such traces show nothing")
		})
	}
}

// keepTheSame compares what both keep of some generated traces. It says whether
// that is something, and whether it is everything.
func keepTheSame(t *testing.T, policies string, seed uint64) (some, every bool) {
	t.Helper()
	pair := newPair(t, policies)
	traces := generate(seed, 400)
	if pair.isChance() && !pair.hasBudget() {
		traces = generate(seed, 10_000)
	}
	pace := 20 * time.Millisecond
	if pair.hasBudget() {
		pace *= 10 // within every limit
	}
	theirs, ours := pair.run(t, traces, pace)
	if pair.isChance() {
		compareSorts(t, traces, theirs, ours)
	} else {
		for _, trace := range traces {
			if theirs[trace.id] != ours[trace.id] {
				t.Errorf("tail_sampling kept %d spans, journey %d of %v", theirs[trace.id], ours[trace.id], trace)
			}
		}
	}
	return len(theirs) > 0, len(theirs) == len(traces)
}

// compareSorts compares how many traces of each sort are kept.
func compareSorts(t *testing.T, traces []*example, theirs, ours map[pcommon.TraceID]int) {
	t.Helper()
	sorts := map[string]*struct{ all, theirs, ours float64 }{}
	for _, trace := range traces {
		for _, sort := range []string{"all", trace.sort()} {
			if sorts[sort] == nil {
				sorts[sort] = &struct{ all, theirs, ours float64 }{}
			}
			s := sorts[sort]
			s.all++
			s.theirs += float64(min(theirs[trace.id], 1))
			s.ours += float64(min(ours[trace.id], 1))
			if ours[trace.id] > 0 {
				require.Equal(t, trace.spans, ours[trace.id], "journey kept a part of a trace")
			}
		}
	}
	for _, sort := range slices.Sorted(maps.Keys(sorts)) {
		s := sorts[sort]
		share := (s.theirs + s.ours) / 2 / s.all
		// Of two draws, each with the variance n p (1 - p).
		far := 4*math.Sqrt(2*s.all*share*(1-share)) + 1
		if math.Abs(s.theirs-s.ours) > far {
			t.Errorf("%s: of %v tail_sampling kept %v, journey %v: more than %.1f apart", sort, s.all, s.theirs, s.ours, far)
		}
	}
}

// pair is contrib's processor and the one converted from it.
type pair struct {
	theirs *confmap.Conf
	ours   *confmap.Conf
}

func newPair(t *testing.T, policies string) pair {
	t.Helper()
	result, err := tailconvert.Convert([]byte(policies))
	require.NoError(t, err)
	require.False(t, result.Missing)
	return pair{theirs: settings(t, policies, "tail_sampling"), ours: settings(t, string(result.YAML), "journey")}
}

// settings returns those of a component, wherever in the text they are.
func settings(t *testing.T, text, id string) *confmap.Conf {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(text))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	for _, key := range []string{"processors", id} {
		if conf.IsSet(key) {
			conf, err = conf.Sub(key)
			require.NoError(t, err)
		}
	}
	return conf
}

func (p pair) hasBudget() bool { return p.ours.IsSet("sampling::budget") }

// isChance says that a rule keeps a share.
func (p pair) isChance() bool {
	rules, _ := p.ours.Get("sampling::rules").([]any)
	return slices.ContainsFunc(rules, func(rule any) bool {
		keep := rule.(map[string]any)["keep"]
		return keep != "100%" && keep != "0%"
	})
}

// run gives both the traces, one each pace, and returns how many spans of each
// trace they kept.
func (p pair) run(t *testing.T, traces []*example, pace time.Duration) (theirs, ours map[pcommon.TraceID]int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		theirs = kept(t, tailsamplingprocessor.NewFactory(), p.theirs, traces, pace)
		ours = kept(t, journeyprocessor.NewFactory(), p.ours, traces, pace)
	})
	return theirs, ours
}

// longest is a time in which everything is decided.
func longest(conf *confmap.Conf) time.Duration {
	for _, key := range []string{"decision_wait", "completion::missing_wait"} {
		if text, ok := conf.Get(key).(string); ok {
			d, _ := time.ParseDuration(text) // the processor has read it before
			return d + time.Minute
		}
	}
	return time.Minute
}

func kept(t *testing.T, f processor.Factory, conf *confmap.Conf, traces []*example, pace time.Duration) map[pcommon.TraceID]int {
	t.Helper()
	config := f.CreateDefaultConfig()
	require.NoError(t, conf.Unmarshal(config))
	require.NoError(t, confmap.Validate(config))
	out := &consumertest.TracesSink{}
	p, err := f.CreateTraces(t.Context(), processortest.NewNopSettings(f.Type()), config, out)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
	for _, trace := range traces {
		for _, batch := range trace.batches() {
			require.NoError(t, p.ConsumeTraces(t.Context(), batch))
		}
		time.Sleep(pace)
	}
	time.Sleep(longest(conf))
	require.NoError(t, p.Shutdown(t.Context()))
	spans := map[pcommon.TraceID]int{}
	for _, td := range out.AllTraces() {
		for _, rs := range td.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, span := range ss.Spans().All() {
					spans[span.TraceID()]++
				}
			}
		}
	}
	return spans
}

// Nobody thinks of all combinations, so they are drawn: policies in policies,
// over the attributes that the traces have.
func TestConvertedCombinationsKeepTheSameTraces(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			d := drawing{rand.New(rand.NewPCG(seed, 7))}
			text := d.policies(0)
			t.Log(text)
			keepTheSame(t, text, seed)
		})
	}
}

// The same with shares of one hash_salt, compared by sort.
func TestConvertedSharesKeepAsMuchOfEachSort(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			d := drawing{rand.New(rand.NewPCG(seed, 8))}
			text := d.policies(0.4)
			t.Log(text)
			keepTheSame(t, text, seed)
		})
	}
}

// A limiter's budget lets as much through, from nine times as much. There are
// never more traces than num_traces: contrib's processor would lose the oldest
// before it decides about them.
func TestConvertedLimitsLetAsMuchThrough(t *testing.T) {
	for _, test := range []struct {
		name      string
		seconds   int
		perSecond int // the limit
		carry     int // seconds of it that may leave on top, at the start: the burst, the budget's carry
	}{{"rate_limiting", 120, 100, 2}, {"composite", 20, 1000, 1}} {
		t.Run(test.name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(examples, test.name+".yaml"))
			require.NoError(t, err)
			traces := generate(3, 2*test.seconds*test.perSecond) // of four and a half spans
			theirs, ours := newPair(t, string(text)).run(t, traces, time.Duration(test.seconds)*time.Second/time.Duration(len(traces)))
			for name, spans := range map[string]int{"tail_sampling": sum(theirs), "journey": sum(ours)} {
				require.Greater(t, spans, test.seconds*test.perSecond*95/100, name)
				require.Less(t, spans, (test.seconds+test.carry)*test.perSecond*102/100, name)
			}
		})
	}
}

func sum(spans map[pcommon.TraceID]int) (total int) {
	for _, n := range spans {
		total += n
	}
	return total
}

// num_traces has no equivalent, because nothing is lost when there are more.
func TestMoreTracesThanNumTracesAreKept(t *testing.T) {
	traces := generate(4, 150)
	theirs, ours := newPair(t, "num_traces: 100\npolicies: [{name: a, type: always_sample}]").run(t, traces, time.Millisecond)
	require.Len(t, theirs, 100, "tail_sampling")
	require.Len(t, ours, 150, "journey")
}

// What the comments of the output call a difference is one: the converted rules
// decide otherwise about just these traces.
func TestDifferencesAreAsTheCommentsSay(t *testing.T) {
	for _, test := range []struct {
		name         string
		policies     string // or the name of an example
		change       func(*example)
		theirs, ours bool
	}{
		{"half a millisecond over", "latency", func(e *example) { e.took = 500*time.Millisecond + 500*time.Microsecond }, false, true},
		{"a span within the range, the trace over it", "latency_range", func(e *example) { e.took, e.async = 500*time.Millisecond, 900*time.Millisecond }, true, false},
		{"an attribute of the span hides the resource's", "string_attribute", func(e *example) { e.onSpans["tenant"], e.resource["tenant"] = "lead", "gold" }, true, false},
		{"a service's name on a span", "string_attribute", func(e *example) { e.onSpans["service.name"] = "stock" }, true, false},
		{"a number as a text", "string_attribute", func(e *example) { e.onSpans["tenant"] = true; e.resource["tenant"] = "gold" }, true, false},
		{
			"an error in a trace that is too large", "maximum_trace_size_bytes: 1000\npolicies: [{name: a, type: status_code, status_code: {status_codes: [ERROR]}}]",
			func(e *example) { e.onSpans["text"], e.status = strings.Repeat("x", 2000), ptrace.StatusCodeError }, false, true,
		},
		{
			"a trace of more spans than the burst", "policies: [{name: a, type: rate_limiting, rate_limiting: {spans_per_second: 10, burst_capacity: 20}}]",
			func(e *example) { e.spans = 30 }, false, true,
		},
		{
			"a condition that fails for another span", `policies: [{name: a, type: ottl_condition, ottl_condition: {error_mode: propagate, span: ['Double(attributes["n"]) > 3']}}]`,
			func(e *example) { e.onSpans["n"], e.onRoot = "12", "many" }, false, true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := test.policies
			if !strings.Contains(text, " ") {
				file, err := os.ReadFile(filepath.Join(examples, test.policies+".yaml"))
				require.NoError(t, err)
				text = string(file)
			}
			e := plainExample()
			test.change(e)
			theirs, ours := newPair(t, text).run(t, []*example{e}, time.Second)
			require.Equal(t, test.theirs, theirs[e.id] > 0, "tail_sampling")
			require.Equal(t, test.ours, ours[e.id] > 0, "journey")
		})
	}
}
