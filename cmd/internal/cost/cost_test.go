package cost

import (
	"math"
	"testing"
	"time"
)

// The figures are worked out by hand:
//
//	1 TB  = 10^12 / 2^30 GiB = 931.3226 GiB; by 0.50 USD = 465.66 USD
//	1 TiB = 1024 GiB;                        by 0.50 USD = 512 USD
//	10 spans/s * 2,628,000 s = 26.28 million; by 0.20 USD = 5.256 USD
func TestMonthlyCost(t *testing.T) {
	list := Prices{MillionSpans: 0.20, GiBLogs: 0.50}
	tests := []struct {
		name   string
		prices Prices
		amount Amount
		window time.Duration
		want   float64
	}{
		{"1 TB of logs in a month", list, Amount{LogBytes: 1e12}, Month, 465.66},
		{"1 TiB of logs in a month", list, Amount{LogBytes: 1 << 40}, Month, 512},
		{"10 spans a second for a minute", list, Amount{Spans: 600}, time.Minute, 5.256},
		{"1 KiB of logs a second", list, Amount{LogBytes: 60 << 10}, time.Minute, 2628000. / (1 << 20) * 0.5},
		{"both add up", list, Amount{Spans: 5e6, LogBytes: 10 << 30}, Month, 1 + 5},
		{"traces by bytes", Prices{GiBSpans: 0.30}, Amount{Spans: 9, SpanBytes: 100 << 30}, Month, 30},
		{"nothing was measured", list, Amount{Spans: 600}, 0, 0},
	}
	for _, tt := range tests {
		if got := tt.prices.Monthly(tt.amount, tt.window); math.Abs(got-tt.want) > 0.005 {
			t.Errorf("%s: got %.4f USD, want %.4f", tt.name, got, tt.want)
		}
	}
}
