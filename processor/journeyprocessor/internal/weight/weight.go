// Package weight writes on a span how many it stands for, and decides by the
// trace's randomness, both as OpenTelemetry's consistent probability sampling
// has it (tracestate ot=th and ot=rv, specification "TraceState: Probability
// Sampling"): a span is kept if its threshold is at most its randomness, so
// that everybody who decides about a trace at the same probability decides the
// same.
package weight

import (
	"strings"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// precision is how many hex digits of a threshold are significant. Four give a
// probability right to 1 in 65,536 of itself and short tracestates; contrib's
// samplers use the same.
const precision = 4

// Threshold converts a probability from 0 to 1. 0 keeps nothing.
func Threshold(probability float64) (sampling.Threshold, error) {
	if probability == 0 {
		return sampling.NeverSampleThreshold, nil
	}
	return sampling.ProbabilityToThresholdWithPrecision(probability, precision)
}

// Randomness is a trace's randomness: the explicit one if there is one, else
// that of its id.
func Randomness(id pcommon.TraceID, explicit uint64, hasExplicit bool) sampling.Randomness {
	if hasExplicit {
		if r, err := sampling.UnsignedToRandomness(explicit); err == nil {
			return r
		}
	}
	return sampling.TraceIDToRandomness(id)
}

// Mark returns the tracestate with the sampling threshold written in. A
// stricter threshold that is already there stays: the span had been sampled
// before it came to us. ok is false if the tracestate was not valid and had to
// be replaced.
func Mark(tracestate string, threshold sampling.Threshold) (marked string, ok bool) {
	w3c, err := sampling.NewW3CTraceState(tracestate)
	if err != nil {
		w3c, _ = sampling.NewW3CTraceState("")
	}
	ot := w3c.OTelValue()
	had, has := ot.TValueThreshold()
	if !has || sampling.ThresholdGreater(threshold, had) {
		ot.ClearTValue()
		// It cannot be inconsistent: what was there was looser, and is gone.
		_ = ot.UpdateTValueWithSampling(threshold)
	}
	var b strings.Builder
	if w3c.Serialize(&b) != nil {
		return tracestate, false
	}
	return b.String(), err == nil
}

// Erase returns the tracestate without a sampling threshold, for spans of which
// nobody knows how many they stand for: that they are here has other reasons
// than chance. Readers then count them as one each. One that cannot be parsed
// holds no threshold that anybody could read, and stays as it is.
func Erase(tracestate string) string {
	if !strings.Contains(tracestate, "th:") {
		return tracestate
	}
	w3c, err := sampling.NewW3CTraceState(tracestate)
	if err != nil {
		return tracestate
	}
	w3c.OTelValue().ClearTValue()
	var b strings.Builder
	if w3c.Serialize(&b) != nil {
		return tracestate // too long to be written again: with a threshold it is not valid either
	}
	return b.String()
}
