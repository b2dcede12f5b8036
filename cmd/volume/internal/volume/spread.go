package volume

import (
	"time"
)

// Moment is a part of the measured time.
type Moment struct {
	Begin    time.Time
	Journeys Pair // that began in it
}

// Band is journeys of similar duration.
type Band struct {
	UpTo     time.Duration // of the root span; 0: any longer one
	Journeys Pair
}

// moments is how many parts the measured time is divided into.
const moments = 60

// bands are the upper limits of durations; a last band has what is longer.
var bands = []time.Duration{
	5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second,
}

// moments are the journeys over time. None (nil) if not every trace was read.
func (j *judge) moments() []Moment {
	if j.All == nil || len(j.All.Traces) == 0 {
		return nil
	}
	first := j.All.first()
	step := max(j.All.extent()/moments, time.Millisecond)
	all := make([]Moment, moments)
	for i := range all {
		all[i] = Moment{Begin: first.Add(time.Duration(i) * step), Journeys: Pair{Known: true}}
	}
	for id, t := range j.All.Traces {
		j.count(&all[min(int(t.Start.Sub(first)/step), moments-1)].Journeys, id)
	}
	return all
}

// bands are the journeys by the duration of their root span. None (nil) if not
// every trace was read.
func (j *judge) bands() []Band {
	if j.All == nil || len(j.All.Traces) == 0 {
		return nil
	}
	all := make([]Band, len(bands)+1)
	for i := range all {
		all[i].Journeys.Known = true
		if i < len(bands) {
			all[i].UpTo = bands[i]
		}
	}
	for id, t := range j.All.Traces {
		at := 0
		for at < len(bands) && t.Duration > bands[at] {
			at++
		}
		j.count(&all[at].Journeys, id)
	}
	return all
}

func (j *judge) count(p *Pair, id string) {
	p.Received++
	if _, stored := j.Kept.Traces[id]; stored {
		p.Stored++
	}
}

// first is when the first trace began.
func (s *Store) first() time.Time {
	var first time.Time
	for _, t := range s.Traces {
		if first.IsZero() || t.Start.Before(first) {
			first = t.Start
		}
	}
	return first
}
