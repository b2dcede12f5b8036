package api

import "time"

// Shadow is what a processor's other sampling, that only counts, would have
// kept, beside what was kept of the same journeys: those that were decided since
// it began to count. What came late for them is on neither side.
type Shadow struct {
	Since time.Time `json:"since"`
	// Seconds is the time since then, which money is over.
	Seconds float64 `json:"seconds"`
	// Currency is what money is in, at the prices of the overview.
	Currency string `json:"currency"`
	// Decided is all that both sides decided about.
	Decided ShadowDecided `json:"decided"`
	InUse   ShadowSide    `json:"in_use"`
	Shadow  ShadowSide    `json:"shadow"`
	// MustKeepLost are journeys that a rule in use of 100 % has kept and the
	// shadow would have dropped.
	MustKeepLost int64 `json:"must_keep_lost"`
	// FailedLost are those with outcome error or incomplete that were kept and
	// that the shadow would have dropped, whichever rule kept them.
	FailedLost int64 `json:"failed_lost"`
	// Losses are the journeys counted in either, the most frequent first; at
	// most 50 lines.
	Losses []ShadowLoss `json:"losses"`
}

// ShadowDecided is what both sides decided about.
type ShadowDecided struct {
	Journeys int64 `json:"journeys"`
	Failed   int64 `json:"failed"` // with outcome error or incomplete
	Spans    int64 `json:"spans"`
	Bytes    int64 `json:"bytes"`
	// PerMonth is what a month would cost if all were stored; null before a
	// minute is covered.
	PerMonth *float64 `json:"per_month"`
}

// ShadowSide is what one of the two keeps.
type ShadowSide struct {
	Journeys      int64    `json:"journeys"`
	JourneysShare *float64 `json:"journeys_share"`
	Failed        int64    `json:"failed"`
	FailedShare   *float64 `json:"failed_share"` // of those that failed
	Spans         int64    `json:"spans"`
	SpansShare    *float64 `json:"spans_share"`
	Bytes         int64    `json:"bytes"`
	BytesShare    *float64 `json:"bytes_share"`
	// PerMonth is what a month costs if it goes on like this; null before a
	// minute is covered.
	PerMonth *float64     `json:"per_month"`
	Rules    []ShadowRule `json:"rules"` // in the order of the configuration
}

// ShadowRule is what one rule of a side keeps.
type ShadowRule struct {
	Name    string   `json:"name"`
	Matched int64    `json:"matched"`
	Kept    int64    `json:"kept"`
	Share   *float64 `json:"share"` // of the journeys that it matched
	Spans   int64    `json:"spans"` // kept
	Bytes   int64    `json:"bytes"` // kept
	// PerMonth is what a month of them costs; null before a minute is covered.
	PerMonth *float64 `json:"per_month"`
}

// ShadowLoss is journeys that are kept now and that the shadow would drop.
type ShadowLoss struct {
	Journey  string `json:"journey"`
	Outcome  string `json:"outcome"` // ok, error, incomplete
	Rule     string `json:"rule"`    // in use, that kept them
	MustKeep bool   `json:"must_keep"`
	Count    int64  `json:"count"`
}
