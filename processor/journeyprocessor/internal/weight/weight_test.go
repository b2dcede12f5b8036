package weight

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

func threshold(t testing.TB, probability float64) sampling.Threshold {
	t.Helper()
	th, err := Threshold(probability)
	require.NoError(t, err)
	return th
}

func TestMarkWritesTheThreshold(t *testing.T) {
	for _, test := range []struct {
		name, tracestate string
		probability      float64
		want             string
		ok               bool
	}{
		{"nothing there", "", 0.5, "ot=th:8", true},
		{"everything is kept", "", 1, "ot=th:0", true},
		{"one in ten", "", 0.1, "ot=th:e666", true},
		{"randomness stays", "ot=rv:ffffffffffffff", 0.5, "ot=rv:ffffffffffffff;th:8", true},
		{"looser before", "ot=th:4", 0.5, "ot=th:8", true},
		{"stricter before", "ot=th:c", 0.5, "ot=th:c", true},
		{"sampled before, all kept here", "ot=th:c", 1, "ot=th:c", true},
		{"other vendors stay", "vendor=x,ot=th:4", 0.5, "ot=th:8,vendor=x", true},
		{"invalid", "not a tracestate", 0.5, "ot=th:8", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := Mark(test.tracestate, threshold(t, test.probability))
			require.Equal(t, test.ok, ok)
			require.Equal(t, parts(test.want), parts(got))
		})
	}
}

// parts compares tracestates without regard to the order inside ot=.
func parts(tracestate string) map[string]bool {
	set := map[string]bool{}
	for _, s := range strings.FieldsFunc(tracestate, func(r rune) bool { return r == ',' || r == ';' || r == '=' }) {
		set[s] = true
	}
	return set
}

func TestExplicitRandomnessGoesBeforeTheTraceID(t *testing.T) {
	id := pcommon.TraceID{15: 7}
	require.Equal(t, uint64(7), Randomness(id, 0, false).Unsigned())
	require.Equal(t, uint64(9), Randomness(id, 9, true).Unsigned())
	require.Equal(t, uint64(7), Randomness(id, math.MaxUint64, true).Unsigned(), "not 56 bits: not valid")
}

// TestWeightsOfTheKeptAddUp holds the law that what is kept stands for all
// there was, within two standard errors of the mean over many samples.
func TestWeightsOfTheKeptAddUp(t *testing.T) {
	const traces, samples = 2000, 200
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, p := range []float64{0.5, 0.1, 0.02} {
		th := threshold(t, p)
		sum := 0.0
		for range traces * samples {
			var id pcommon.TraceID
			for i := range id {
				id[i] = byte(rnd.Uint32())
			}
			if !th.ShouldSample(Randomness(id, 0, false)) {
				continue
			}
			marked, _ := Mark("", th)
			w3c, err := sampling.NewW3CTraceState(marked)
			require.NoError(t, err)
			sum += w3c.OTelValue().AdjustedCount()
		}
		mean := sum / samples
		standardError := math.Sqrt(traces*(1/p-1)) / math.Sqrt(samples)
		require.InDelta(t, traces, mean, 2*standardError, "probability %v", p)
	}
}

func TestZeroKeepsNothing(t *testing.T) {
	require.False(t, threshold(t, 0).ShouldSample(sampling.AllProbabilitiesRandomness))
	_, err := Threshold(1.5)
	require.Error(t, err)
}

func TestThinnedIsTheShareOfTheProbability(t *testing.T) {
	for _, test := range []struct{ probability, factor, want float64 }{
		{0.2, 0.5, 0.1},
		{1, 0.25, 0.25},
		{0.3, 1, 0.3},
		{1, 1e-4, 1e-4},
		{0.02, 1 - 1e-9, 0.02},
		{1e-9, 1e-300, sampling.MinSamplingProbability},
	} {
		got := Thinned(threshold(t, test.probability), test.factor)
		require.InEpsilon(t, test.want, got.Probability(), 1e-4, "%v", test)
		require.False(t, sampling.ThresholdLessThan(got, threshold(t, test.probability)), "%v", test)
	}
}

func TestEraseTakesTheThresholdAndNothingElse(t *testing.T) {
	for _, test := range []struct{ tracestate, want string }{
		{"", ""},
		{"ot=th:8", ""},
		{"ot=rv:ffffffffffffff;th:8", "ot=rv:ffffffffffffff"},
		{"vendor=x,ot=th:4;k:v", "ot=k:v,vendor=x"},
		{"vendor=x", "vendor=x"},
		{"not a tracestate th:8", "not a tracestate th:8"},
	} {
		require.Equal(t, parts(test.want), parts(Erase(test.tracestate)), test.tracestate)
	}
}

// FuzzErase holds that no reader finds a threshold afterwards, and that it is
// the inverse of Mark where there was none.
func FuzzErase(f *testing.F) {
	for _, s := range []string{"", "ot=th:8", "ot=rv:12345678901234;th:4;x:y", "a=b,ot=th:0", "ot=th:zz", "th:4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, tracestate string) {
		erased := Erase(tracestate)
		require.Equal(t, erased, Erase(erased))
		w3c, err := sampling.NewW3CTraceState(erased)
		if err != nil {
			require.Equal(t, tracestate, erased)
			return
		}
		_, has := w3c.OTelValue().TValueThreshold()
		require.False(t, has)
	})
}

// FuzzMark holds that whatever the tracestate was, the marked one is valid and
// its threshold is the stricter of the two.
func FuzzMark(f *testing.F) {
	for _, s := range []string{"", "ot=th:8", "ot=rv:12345678901234;th:4;x:y", "a=b,c=d", "ot=th:zz", ",,,", "ot=th:0"} {
		f.Add(s, 0.25)
	}
	f.Fuzz(func(t *testing.T, tracestate string, p float64) {
		th, err := Threshold(p)
		if err != nil || p == 0 {
			t.Skip()
		}
		marked, ok := Mark(tracestate, th)
		w3c, err := sampling.NewW3CTraceState(marked)
		if !ok && marked == tracestate {
			return // valid but too long to be written again: left as it was
		}
		require.NoError(t, err)
		got, has := w3c.OTelValue().TValueThreshold()
		require.True(t, has)
		require.False(t, sampling.ThresholdLessThan(got, th))
	})
}
