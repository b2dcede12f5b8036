package facts

import (
	"strings"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
)

// addSampling takes explicit randomness and the threshold of an earlier sampler
// from a tracestate. Few spans carry any, so it looks for the letters before it
// parses.
func (f *Facts) addSampling(tracestate string) {
	if !strings.Contains(tracestate, "rv:") && !strings.Contains(tracestate, "th:") {
		return
	}
	w3c, err := sampling.NewW3CTraceState(tracestate)
	if err != nil {
		return
	}
	if r, ok := w3c.OTelValue().RValueRandomness(); ok {
		f.setRandomness(r.Unsigned())
	}
	if t, ok := w3c.OTelValue().TValueThreshold(); ok {
		f.setThreshold(t)
	}
}

func (f *Facts) setRandomness(r uint64) {
	if !f.HasRandomness || r < f.Randomness {
		f.Randomness, f.HasRandomness = r, true
	}
}

// setThreshold keeps the loosest: any span of the trace is proof that it came
// through that.
func (f *Facts) setThreshold(t sampling.Threshold) {
	if !f.HasThreshold || sampling.ThresholdLessThan(t, f.Threshold) {
		f.Threshold, f.HasThreshold = t, true
	}
}
