package journey

import (
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// OtherJourneys is the name under which journeys are counted for which there
// was no room.
const OtherJourneys = "other journeys"

// Bounds that are no settings, because what is beyond them is only the tail of
// a list.
const (
	// MaxLatest is how many of the latest kept and failed traces there are.
	MaxLatest = 20
	// MaxReason is how many characters of a reason are held.
	MaxReason = 300
	maxStops  = 50
	maxRules  = 100
	maxSteps  = 100
)

// Aggregate is what was decided about journeys in some time: a shard's second,
// or more of them merged. It holds counts and no spans, and is as large as its
// limits allow. One goroutine at a time may use it.
type Aggregate struct {
	Tallies map[string]*Tally // by name
	// Unattributed are late spans of journeys of whose names nothing is known
	// any more.
	Unattributed Volume
	Cuts         Cuts

	limits Limits
	room   *Room // nil: the limits alone bound it
	size   int64 // what it has taken of the room
}

// Volume counts spans and their bytes, as OTLP and without their resources.
type Volume struct{ SpansReceived, SpansStored, BytesReceived, BytesStored int64 }

// Add adds other.
func (v *Volume) Add(other Volume) {
	v.SpansReceived += other.SpansReceived
	v.SpansStored += other.SpansStored
	v.BytesReceived += other.BytesReceived
	v.BytesStored += other.BytesStored
}

// Cuts counts what was not told apart, by the limit that was reached.
type Cuts struct{ Journeys, Services, Edges, Paths, Names, Memory int64 }

// Add adds other.
func (c *Cuts) Add(other Cuts) {
	c.Journeys += other.Journeys
	c.Services += other.Services
	c.Edges += other.Edges
	c.Paths += other.Paths
	c.Names += other.Names
	c.Memory += other.Memory
}

// Room is memory that several aggregates share. One goroutine at a time may
// use it and them.
type Room struct{ Limit, Used int64 }

// NewAggregate makes an empty aggregate. Room may be nil.
func NewAggregate(limits Limits, room *Room) *Aggregate {
	return &Aggregate{Tallies: make(map[string]*Tally), limits: limits, room: room}
}

// take takes bytes of the room and says whether there were any.
func (a *Aggregate) take(bytes int64) bool {
	if a.room != nil {
		if a.room.Used+bytes > a.room.Limit {
			a.Cuts.Memory++
			return false
		}
		a.room.Used += bytes
	}
	a.size += bytes
	return true
}

// Free gives the room back. The aggregate must not be used any more.
func (a *Aggregate) Free() {
	if a.room != nil {
		a.room.Used -= a.size
	}
	a.size = 0
}

// IsEmpty says that there is nothing to report.
func (a *Aggregate) IsEmpty() bool {
	return len(a.Tallies) == 0 && a.Unattributed == Volume{} && a.Cuts == Cuts{}
}

// Sizes of the entries in bytes, with their maps' share and a usual name; names
// that are longer are added. TestTheRoomIsWhatMemoryIsUsed holds them against
// the heap.
const (
	tallySize = 900
	entrySize = 200
)

// Tally returns the tally of a name, which is made if there is room; else that
// of OtherJourneys. It belongs to the aggregate.
func (a *Aggregate) Tally(name string) *Tally {
	if t, ok := a.Tallies[name]; ok {
		return t
	}
	name = a.name(name)
	if t, ok := a.Tallies[name]; ok {
		return t
	}
	if name != OtherJourneys && (len(a.Tallies) >= a.limits.Journeys || !a.take(tallySize+int64(len(name)))) {
		a.Cuts.Journeys++
		return a.Tally(OtherJourneys)
	}
	t := &Tally{Name: name, in: a}
	a.Tallies[name] = t
	return t
}

func (a *Aggregate) name(s string) string {
	name, cut := a.limits.Name(s)
	if cut {
		a.Cuts.Names++
	}
	return name
}

// Merge adds what other has. Other is only read.
func (a *Aggregate) Merge(other *Aggregate) {
	for _, t := range other.Tallies {
		a.Tally(t.Name).Merge(t)
	}
	a.Unattributed.Add(other.Unattributed)
}

// Tally is what is known of the journeys of one name.
type Tally struct {
	Name string
	Counts
	Durations Sketch // of all journeys
	Rules     []RuleTally
	Steps     []StepTally
	Stops     []StopTally
	Paths     map[uint64]*PathTally
	Flow      Flow

	// The latest traces of each kind, the latest last.
	LatestKept, LatestFailed []Trace

	in *Aggregate
}

// Counts are the figures of some journeys that add up. Those that failed are
// the errors and the incomplete ones.
type Counts struct {
	OK, Errors, Incomplete int64
	Kept, FailedKept       int64
	Volume
}

// Journeys is how many there were.
func (c *Counts) Journeys() int64 { return c.OK + c.Errors + c.Incomplete }

// Add adds other.
func (c *Counts) Add(other Counts) {
	c.OK += other.OK
	c.Errors += other.Errors
	c.Incomplete += other.Incomplete
	c.Kept += other.Kept
	c.FailedKept += other.FailedKept
	c.Volume.Add(other.Volume)
}

// RuleTally is what one sampling rule did.
type RuleTally struct {
	Name                                string
	Index                               int // in the configuration
	Matched, Kept, Thinned, Early, Late int64
	SpansStored                         int64
	Reason                              string // of the latest that was kept
}

// StepTally is how many journeys reached a step.
type StepTally struct {
	Name    string
	Reached int64
}

// StopTally is where journeys that failed ended.
type StopTally struct {
	StopKey
	Reason string // of the latest
	Count  int64
}

// StopKey tells the places apart at which journeys end.
type StopKey struct{ Outcome, Service, Operation, Missing string }

// PathTally is journeys that went through the same services, which are in the
// order of the first such journey.
type PathTally struct {
	Services            []string
	Count, Errors, Kept int64
	Durations           Sketch
}

// Trace is one decided trace.
type Trace struct {
	ID                     pcommon.TraceID
	At                     time.Time
	Outcome, OutcomeReason string
	Kept                   bool
	Rule, Reason           string
	Probability            float64 // 0: not known
	Duration               time.Duration
	Spans                  int64
	Service, Operation     string // of the first span that failed
}

// Rule returns the tally of a rule; one that is beyond the bound is counted
// under the last.
func (t *Tally) Rule(name string, index int) *RuleTally {
	i := slices.IndexFunc(t.Rules, func(r RuleTally) bool { return r.Index == index && r.Name == name })
	if i < 0 {
		if len(t.Rules) > 0 && (len(t.Rules) >= maxRules || !t.in.take(entrySize)) {
			return &t.Rules[len(t.Rules)-1]
		}
		t.Rules = append(t.Rules, RuleTally{Name: t.in.name(name), Index: index})
		i = len(t.Rules) - 1
	}
	return &t.Rules[i]
}

// Step returns the tally of the step at a place of the journey's list; nil
// beyond the bound.
func (t *Tally) Step(place int, name string) *StepTally {
	for len(t.Steps) <= place {
		if len(t.Steps) >= maxSteps || !t.in.take(entrySize) {
			return nil
		}
		t.Steps = append(t.Steps, StepTally{})
	}
	if t.Steps[place].Name == "" {
		t.Steps[place].Name = t.in.name(name)
	}
	return &t.Steps[place]
}

// Stop counts n journeys that ended at a place.
func (t *Tally) Stop(key StopKey, n int64, reason string) {
	key.Service, key.Operation, key.Missing = t.in.name(key.Service), t.in.name(key.Operation), t.in.name(key.Missing)
	i := slices.IndexFunc(t.Stops, func(s StopTally) bool { return s.StopKey == key })
	if i < 0 {
		if len(t.Stops) >= maxStops || !t.in.take(3*entrySize) {
			return
		}
		t.Stops = append(t.Stops, StopTally{StopKey: key})
		i = len(t.Stops) - 1
	}
	t.Stops[i].Count += n
	t.Stops[i].Reason, _ = Text(reason, MaxReason)
}

// Path returns the tally of a path by its hash, which is made, with the names
// of its services, if there is room; nil if there is none.
func (t *Tally) Path(hash uint64, services func() []string) *PathTally {
	if p, ok := t.Paths[hash]; ok {
		return p
	}
	if len(t.Paths) >= t.in.limits.Paths {
		t.in.Cuts.Paths++
		return nil
	}
	p := &PathTally{}
	size := int64(entrySize)
	for _, s := range services() {
		name := t.in.name(s)
		p.Services = append(p.Services, name)
		size += int64(16 + len(name))
	}
	if !t.in.take(size) {
		return nil
	}
	if t.Paths == nil {
		t.Paths = make(map[uint64]*PathTally)
	}
	t.Paths[hash] = p
	return p
}

// Latest adds a trace to a list of the latest and returns the list. Full, it
// is cut down to the latest only when it has twice as many.
func Latest(list []Trace, one Trace) []Trace {
	if len(list) == 2*MaxLatest {
		list = list[:copy(list, list[MaxLatest:])]
	}
	return append(list, one)
}

// Merge adds what other has of the journeys of the same name, but for the
// latest traces, of which whoever merges keeps a list. Other is only read.
func (t *Tally) Merge(other *Tally) {
	t.Add(other.Counts)
	t.Durations.merge(&other.Durations, t.in)
	for i := range other.Rules {
		t.mergeRule(&other.Rules[i])
	}
	for i := range other.Steps {
		if s := t.Step(i, other.Steps[i].Name); s != nil {
			s.Reached += other.Steps[i].Reached
		}
	}
	for i := range other.Stops {
		t.Stop(other.Stops[i].StopKey, other.Stops[i].Count, other.Stops[i].Reason)
	}
	for hash, path := range other.Paths {
		if p := t.Path(hash, func() []string { return path.Services }); p != nil {
			p.Count += path.Count
			p.Errors += path.Errors
			p.Kept += path.Kept
			p.Durations.merge(&path.Durations, t.in)
		}
	}
	t.Flow.merge(&other.Flow, t.in)
}

func (t *Tally) mergeRule(other *RuleTally) {
	r := t.Rule(other.Name, other.Index)
	r.Matched += other.Matched
	r.Kept += other.Kept
	r.Thinned += other.Thinned
	r.Early += other.Early
	r.Late += other.Late
	r.SpansStored += other.SpansStored
	if other.Reason != "" {
		r.Reason = other.Reason
	}
}
