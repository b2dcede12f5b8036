package facts

import (
	"strings"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
)

// addRandomness takes explicit randomness from a tracestate. Few spans carry
// any, so it looks for the letters before it parses.
func (f *Facts) addRandomness(tracestate string) {
	if !strings.Contains(tracestate, "rv:") {
		return
	}
	w3c, err := sampling.NewW3CTraceState(tracestate)
	if err != nil {
		return
	}
	if r, ok := w3c.OTelValue().RValueRandomness(); ok {
		f.setRandomness(r.Unsigned())
	}
}

func (f *Facts) setRandomness(r uint64) {
	if !f.HasRandomness || r < f.Randomness {
		f.Randomness, f.HasRandomness = r, true
	}
}
