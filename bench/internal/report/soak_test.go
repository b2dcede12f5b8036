package report

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/verdict"
)

// good is a soak of ten minutes that passed.
func good() *Soak {
	s := &Soak{
		Rate: 50_000, Lasts: 10 * time.Minute, Every: 10 * time.Second, Unsettled: 50_000,
		Sent: 30_000_000, Accepted: 30_000_000, Out: 3_300_000, Kept: verdict.Kept{Traces: 40_000, Whole: 40_000},
		End: Sample{Counts: verdict.Counts{Received: 30_000_000, Kept: 3_300_000, Dropped: 26_680_000, Pending: 20_000, Recallable: 20_000}},
	}
	for i := range 60 {
		level := min(1, float64(i)/25) // it rises, and is settled before the half
		received := float64(500_000 * (i + 1))
		s.Samples = append(s.Samples, Sample{
			Seconds: float64(10 * (i + 1)), RSS: 500e6 + 300e6*level, Heap: 200e6 + 100e6*level, Goroutines: 33, Files: 19,
			Counts: verdict.Counts{Received: received, Kept: received / 10, Dropped: received * 9 / 10},
		})
	}
	return s
}

func TestASoakFailsByEachSingleFault(t *testing.T) {
	require.Empty(t, good().Faults())
	leak := func(of func(*Sample) *float64, each float64) func(*Soak) {
		return func(s *Soak) {
			for i := range s.Samples {
				*of(&s.Samples[i]) += each * float64(i)
			}
		}
	}
	for want, change := range map[string]func(*Soak){
		"resident memory":            leak(func(s *Sample) *float64 { return &s.RSS }, 500e3),
		"live heap":                  leak(func(s *Sample) *float64 { return &s.Heap }, 200e3),
		"goroutines":                 leak(func(s *Sample) *float64 { return &s.Goroutines }, 1),
		"open files":                 leak(func(s *Sample) *float64 { return &s.Files }, 1),
		"50001 spans apart":          func(s *Soak) { s.Samples[7].Received += 50_001 },
		"collector acknowledged":     func(s *Soak) { s.Accepted--; s.End.Received--; s.End.Dropped-- },
		"spans it received":          func(s *Soak) { s.End.Received++; s.End.Dropped++ },
		"in none of its counts: 1":   func(s *Soak) { s.End.Dropped-- },
		"spans that still wait":      func(s *Soak) { s.End.Dropped--; s.End.Pending++ },
		"spans lost":                 func(s *Soak) { s.End.Dropped--; s.End.Lost++ },
		"the backend got: 3299999":   func(s *Soak) { s.Out-- },
		"the backend got twice":      func(s *Soak) { s.Doubled++ },
		"must-keep traces that came": func(s *Soak) { s.Whole-- },
		"too few samples":            func(s *Soak) { s.Samples = s.Samples[:3] },
	} {
		s := good()
		change(s)
		faults := s.Faults()
		if assert.Len(t, faults, 1, want) {
			assert.ErrorContains(t, errors.Join(faults...), want)
		}
		var b strings.Builder
		p := &Printer{W: &b}
		Soaked(p, s)
		require.NoError(t, p.Err)
		assert.Contains(t, b.String(), "**Not passed:**")
		assert.NotContains(t, b.String(), "**Passed.**")
	}
}

func TestOverloadHoldsOnlyIfAllDoes(t *testing.T) {
	fine := Overload{LimitBytes: 1000, PeakBytes: 1100, PauseSeconds: 0.9, Failed: verdict.Errors{Accepted: 1000, Kept: 999}}
	assert.Equal(t, "yes", fine.holds())
	for want, change := range map[string]func(*Overload){
		"no: memory": func(o *Overload) { o.PeakBytes++ },
		"no: errors": func(o *Overload) { o.Failed.Kept-- },
		"no: pause":  func(o *Overload) { o.PauseSeconds = 1.1 },
		"no: memory, pause": func(o *Overload) {
			o.PeakBytes++
			o.PauseSeconds = 1.1
		},
	} {
		o := fine
		change(&o)
		assert.Equal(t, want, o.holds())
	}
}

func TestRoundsOfAFaultAddUp(t *testing.T) {
	runs := []Fault{
		{Fault: "kill", System: "a", SpansOut: 10, Doubled: 1, PeakBytes: 5 << 20, BacklogSeconds: 2, Kept: verdict.Kept{Traces: 100, Torn: 3, MissingSpans: 9}},
		{Fault: "kill", System: "b", Kept: verdict.Kept{Traces: 100, Torn: 50}},
		{Fault: "none", System: "a", Kept: verdict.Kept{Traces: 100, Torn: 50}},
		{Fault: "kill", System: "a", SpansOut: 20, PeakBytes: 7 << 20, BacklogSeconds: 1, Kept: verdict.Kept{Traces: 100, Torn: 1, MissingSpans: 1}},
	}
	var b strings.Builder
	p := &Printer{W: &b}
	Faults(p, &Header{PerSecond: 10_000, Rounds: 2}, []string{"none", "kill"}, []string{"a", "b"}, runs)
	require.NoError(t, p.Err)
	assert.Contains(t, b.String(), "| kill | a | 0 | 0 | 30 | 1 | 4 of 200 | 10 | 7 | 0 | 0.0 | 2.0 |")
	assert.Contains(t, b.String(), "| none | a |")
	assert.NotContains(t, b.String(), "| none | b |")
}
