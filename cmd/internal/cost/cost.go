// Package cost says what telemetry costs a month at list prices.
package cost

import "time"

const (
	// Month is the average one, 730 hours: a year of 365 days through 12.
	Month = 730 * time.Hour

	million = 1e6
	gib     = 1 << 30
)

// Prices are list prices in USD. A month's free allotments are left out: they
// would make the rows of the table no longer add up.
type Prices struct {
	MillionSpans float64
	GiBLogs      float64
	GiBSpans     float64 // for backends that charge traces by bytes
}

// Amount is what a window of time brought.
type Amount struct {
	Spans, SpanBytes, LogBytes int64
}

// Monthly is what a month costs if it goes on as in the window.
func (p Prices) Monthly(a Amount, window time.Duration) float64 {
	if window <= 0 {
		return 0
	}
	months := float64(Month) / float64(window)
	return months * (float64(a.Spans)/million*p.MillionSpans +
		float64(a.SpanBytes)/gib*p.GiBSpans +
		float64(a.LogBytes)/gib*p.GiBLogs)
}
