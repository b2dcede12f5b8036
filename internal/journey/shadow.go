package journey

import "time"

// Shadower is a processor that may have a shadow: other rules that decide
// about the same journeys and only count. Any number of goroutines may ask at
// once, and while decisions are made; what is returned belongs to the caller.
type Shadower interface {
	// Shadow returns what was counted so far, and false if no shadow is set.
	Shadow() (Shadow, bool)
}

// Shadow is what the shadow would have kept of the journeys decided since it
// started, beside what was kept of them.
type Shadow struct {
	Since time.Time
	// Rules and ShadowRules are the names of the rules in use and of the
	// shadow's, in the order of the configuration.
	Rules, ShadowRules []string
	// Tallies are in no order. Their number is bounded as that of the metrics'
	// attributes is: journeys beyond it are counted as "other".
	Tallies []ShadowTally
}

// ShadowTally is journeys that both sides decided alike.
type ShadowTally struct {
	Journey string // its name
	Outcome string // ok, error or incomplete

	Rule     string // in use, that decided
	MustKeep bool   // it keeps all that it matches
	Kept     bool

	ShadowRule string
	ShadowKept bool

	Journeys int64
	Spans    int64 // that were there at the decision
	Bytes    int64 // of them as OTLP, without their resources
}
