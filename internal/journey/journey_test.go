package journey

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

var roomy = Limits{Journeys: 500, Services: 200, Edges: 400, Paths: 50, NameLength: 200}

func TestASketchIsAtMostAsFarOffAsItSays(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 50 {
		var whole, one, two Sketch
		var exact []float64
		for range 1 + rnd.IntN(2000) {
			ns := uint64(math.Exp(rnd.Float64()*25 + 7.5))
			exact = append(exact, float64(ns))
			whole.Add(ns)
			if rnd.IntN(2) == 0 {
				one.Add(ns)
			} else {
				two.Add(ns)
			}
		}
		one.Merge(&two)
		slices.Sort(exact)
		for _, q := range []float64{0, 0.5, 0.95, 0.99, 1} {
			want := exact[min(int(q*float64(len(exact))), len(exact)-1)]
			got, ok := whole.Quantile(q)
			require.True(t, ok)
			require.InEpsilon(t, want, float64(got), SketchError, "q=%g of %d", q, len(exact))
			merged, _ := one.Quantile(q)
			require.Equal(t, got, merged, "merged and added at once are the same")
		}
	}
	_, ok := (&Sketch{}).Quantile(0.5)
	require.False(t, ok, "of nothing there is no quantile")
}

func TestNamesAreFitToBeShown(t *testing.T) {
	for name, test := range map[string]struct{ in, out string }{
		"usual":         {"POST /api/checkout", "POST /api/checkout"},
		"markup":        {"<script>alert(1)</script>", "<script>alert(1)</script>"}, // text is what it is
		"emoji":         {"🛒 checkout", "🛒 checkout"},
		"control":       {"a\x00b\r\nc\x1b[31m", "abc[31m"},
		"direction":     {"a\u202egnp.exe", "agnp.exe"},
		"isolate":       {"\u2066x\u2069", "x"},
		"right to left": {"עגלה", "עגלה"},
		"no UTF-8":      {"a\xffb", "a\ufffdb"},
		"line":          {"a\u2028b", "ab"},
		"empty":         {"", ""},
	} {
		got, cut := roomy.Name(test.in)
		require.Equal(t, test.out, got, name)
		require.False(t, cut, name)
	}
	got, cut := roomy.Name(strings.Repeat("é", 10<<10))
	require.True(t, cut)
	require.Equal(t, strings.Repeat("é", 199)+"…", got)
}

func FuzzName(f *testing.F) {
	f.Add("POST /", 10)
	f.Add("\u202e\xff\x00", 1)
	f.Fuzz(func(t *testing.T, in string, length int) {
		length = 1 + int(uint(length)%300)
		got, cut := Text(in, length)
		require.True(t, utf8.ValidString(got))
		require.LessOrEqual(t, utf8.RuneCountInString(got), length)
		for _, r := range got {
			require.False(t, unicode.In(r, unicode.Cc, unicode.Bidi_Control), "%q", got)
		}
		again, cutAgain := Text(got, length)
		require.Equal(t, got, again, "what is fit stays as it is")
		require.False(t, cutAgain)
		if !cut && utf8.ValidString(in) {
			require.LessOrEqual(t, len(got), len(in))
		}
	})
}

// random makes an aggregate of journeys with everything in it.
func random(rnd *rand.Rand, limits Limits, journeys int) *Aggregate {
	a := NewAggregate(limits, nil)
	for range journeys {
		t := a.Tally(fmt.Sprint("journey ", rnd.IntN(20)))
		t.Add(Counts{OK: 1, Kept: 1, Volume: Volume{SpansReceived: 5, SpansStored: 5, BytesReceived: 500, BytesStored: 500}})
		t.Durations.Add(rnd.Uint64N(1e9))
		rule := rnd.IntN(5)
		r := t.Rule(fmt.Sprint("rule ", rule), rule)
		r.Matched++
		t.Step(rnd.IntN(3), "step").Reached++
		t.Stop(StopKey{Outcome: "error", Service: fmt.Sprint(rnd.IntN(5))}, 1, "reason")
		path := rnd.Uint64N(10)
		if p := t.Path(path, func() []string { return []string{fmt.Sprint("service ", path)} }); p != nil {
			p.Count++
		}
		t.Flow.Mapped++
		from, n := t.Node(NodeKey{Kind: Service, Name: fmt.Sprint("service ", rnd.IntN(8))})
		n.Count++
		to, m := t.Node(NodeKey{Kind: Queue, Name: fmt.Sprint("queue ", rnd.IntN(8))})
		m.Count++
		e := t.Edge(EdgeKey{From: from, To: to, Protocol: AMQP})
		e.Count++
		e.Waits.Add(rnd.Uint64N(1e9))
	}
	return a
}

// sums is what must not depend on how aggregates were merged.
func sums(a *Aggregate) map[string]int64 {
	s := map[string]int64{}
	for name, t := range a.Tallies {
		s[name+" journeys"] = t.Journeys()
		s[name+" spans"] = t.SpansReceived
		p99, _ := t.Durations.Quantile(0.99)
		s[name+" p99"] = int64(p99)
		for _, r := range t.Rules {
			s[name+" "+r.Name] = r.Matched
		}
		for i, step := range t.Steps {
			s[fmt.Sprint(name, " step ", i)] = step.Reached
		}
		for _, stop := range t.Stops {
			s[name+" stop "+stop.Service] = stop.Count
		}
		for hash, p := range t.Paths {
			s[fmt.Sprint(name, " path ", hash)] = p.Count
		}
		for key, n := range t.Flow.Nodes {
			s[fmt.Sprint(name, key)] = n.Count
		}
		for key, e := range t.Flow.Edges {
			wait, _ := e.Waits.Quantile(0.5)
			s[fmt.Sprint(name, key)] = e.Count<<40 + int64(wait)
		}
	}
	return s
}

func TestTheOrderOfMergingDoesNotMatter(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	var parts []*Aggregate
	for range 6 {
		parts = append(parts, random(rnd, roomy, 100))
	}
	var want map[string]int64
	for range 5 {
		whole, left, right := NewAggregate(roomy, nil), NewAggregate(roomy, nil), NewAggregate(roomy, nil)
		for i, at := range rnd.Perm(len(parts)) {
			if i%2 == 0 {
				left.Merge(parts[at])
			} else {
				right.Merge(parts[at])
			}
		}
		whole.Merge(right)
		whole.Merge(left)
		if want == nil {
			want = sums(whole)
		}
		require.Equal(t, want, sums(whole))
	}
	total := int64(0)
	for name, n := range want {
		if strings.HasSuffix(name, " journeys") {
			total += n
		}
	}
	require.Equal(t, int64(600), total)
}

func TestEveryLimitHoldsAndIsCounted(t *testing.T) {
	limits := Limits{Journeys: 10, Services: 4, Edges: 3, Paths: 2, NameLength: 20}
	a := NewAggregate(limits, nil)
	for i := range 1000 {
		name := fmt.Sprint("journey ", i)
		if i%2 == 0 {
			name = "the one with the map"
		}
		tally := a.Tally(name)
		tally.OK++
		tally.Path(uint64(i), func() []string { return []string{name} })
		from, _ := tally.Node(NodeKey{Kind: Service, Name: fmt.Sprint("from ", i%4, strings.Repeat("x", i))})
		to, _ := tally.Node(NodeKey{Kind: Service, Name: fmt.Sprint("to ", i)})
		tally.Edge(EdgeKey{From: from, To: to})
		tally.Rule(fmt.Sprint("rule ", i), i).Matched++
		tally.Step(i, "step")
		tally.Stop(StopKey{Operation: fmt.Sprint(i)}, 1, "")
	}
	require.LessOrEqual(t, len(a.Tallies), limits.Journeys+1)
	journeys, matched := int64(0), int64(0)
	for name, tally := range a.Tallies {
		require.LessOrEqual(t, len([]rune(name)), limits.NameLength)
		require.LessOrEqual(t, len(tally.Flow.Nodes), limits.Services)
		require.LessOrEqual(t, len(tally.Flow.Edges), limits.Edges)
		require.LessOrEqual(t, len(tally.Paths), limits.Paths)
		require.LessOrEqual(t, len(tally.Rules), maxRules)
		require.LessOrEqual(t, len(tally.Steps), maxSteps)
		require.LessOrEqual(t, len(tally.Stops), maxStops)
		journeys += tally.Journeys()
		for _, r := range tally.Rules {
			matched += r.Matched
		}
		for key := range tally.Flow.Edges {
			require.Contains(t, tally.Flow.Nodes, key.From, "an edge has both its ends")
			require.Contains(t, tally.Flow.Nodes, key.To, "an edge has both its ends")
		}
	}
	require.Equal(t, int64(1000), journeys, "what is not told apart is counted all the same")
	require.Equal(t, int64(1000), matched)
	for what, n := range map[string]int64{
		"journeys": a.Cuts.Journeys, "services": a.Cuts.Services, "paths": a.Cuts.Paths, "names": a.Cuts.Names,
	} {
		require.Positive(t, n, what)
	}
}

// TestTheRoomIsWhatMemoryIsUsed holds the account against the heap: what is
// said to be the limit is one, whatever is on the maps.
func TestTheRoomIsWhatMemoryIsUsed(t *testing.T) {
	if testing.Short() {
		t.Skip("measures the heap")
	}
	rnd := rand.New(rand.NewPCG(1, 3))
	room := &Room{Limit: 24 << 20}
	before := heap()
	var panes []*Aggregate
	for range 33 {
		pane := NewAggregate(roomy, room)
		for range 40 {
			pane.Merge(wide(rnd))
		}
		panes = append(panes, pane)
	}
	used := heap() - before
	runtime.KeepAlive(panes)
	t.Logf("heap %d KiB, account %d KiB of %d KiB", used>>10, room.Used>>10, room.Limit>>10)
	require.LessOrEqual(t, room.Used, room.Limit)
	require.Greater(t, room.Used, room.Limit*9/10, "the room is used up")
	require.Less(t, used, room.Limit*5/4)
	for _, pane := range panes {
		pane.Free()
	}
	require.Zero(t, room.Used)
}

// wide is an aggregate with large maps and long names.
func wide(rnd *rand.Rand) *Aggregate {
	a := NewAggregate(roomy, nil)
	for i := range 20 {
		t := a.Tally(fmt.Sprint(strings.Repeat("j", rnd.IntN(100)), i, rnd.IntN(10)))
		t.OK++
		t.Durations.Add(rnd.Uint64N(1e12))
		from, _ := t.Node(NodeKey{Kind: User, Name: "user"})
		for range 10 {
			to, n := t.Node(NodeKey{Kind: Service, Name: strings.Repeat("s", 50) + fmt.Sprint(rnd.IntN(100))})
			n.Durations.Add(rnd.Uint64N(1e12))
			t.Edge(EdgeKey{From: from, To: to}).Durations.Add(rnd.Uint64N(1e12))
		}
		path := rnd.Uint64N(40)
		t.Path(path, func() []string { return []string{"a", "b", fmt.Sprint(path)} }).Durations.Add(rnd.Uint64N(1e10))
	}
	return a
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestTheLatestAreTheLatest(t *testing.T) {
	var list []Trace
	begin := time.Unix(1000, 0)
	for i := range 1000 {
		list = Latest(list, Trace{At: begin.Add(time.Duration(i) * time.Second)})
		require.LessOrEqual(t, len(list), 2*MaxLatest)
	}
	require.Equal(t, begin.Add(999*time.Second), list[len(list)-1].At)
	require.GreaterOrEqual(t, len(list), MaxLatest)
	for i := range list {
		require.Equal(t, begin.Add(time.Duration(1000-len(list)+i)*time.Second), list[i].At)
	}
}
