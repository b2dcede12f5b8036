package deadline

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const tick = 100 * time.Millisecond

var start = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

func TestEverythingComesOnceAndInTime(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	q := New[int](tick, start)
	due := map[int]time.Time{}
	now := start
	for i := range 5000 {
		at := now.Add(time.Duration(rnd.Int64N(int64(time.Minute))) - time.Second)
		q.Add(at, i)
		if at.Before(now) {
			at = now
		}
		due[i] = at
		if rnd.IntN(10) > 0 {
			continue
		}
		now = now.Add(time.Duration(rnd.Int64N(int64(2 * time.Second))))
		q.Due(now, func(v int) {
			require.Contains(t, due, v)
			require.False(t, due[v].After(now), "too early")
			delete(due, v)
		})
		for _, at := range due {
			require.Less(t, now.Sub(at), 2*tick, "too late")
		}
	}
	q.Due(now.Add(time.Hour), func(v int) { delete(due, v) })
	require.Empty(t, due)
	require.Empty(t, q.slots)
}

func TestWhatIsOverdueWhenItIsAddedComesNext(t *testing.T) {
	q := New[string](tick, start)
	q.Due(start.Add(time.Hour), func(string) { t.Fatal("nothing was added") })
	q.Add(start, "late")
	var got []string
	q.Due(start.Add(time.Hour+tick), func(v string) { got = append(got, v) })
	require.Equal(t, []string{"late"}, got)
}

func TestAddingWhileThingsAreDue(t *testing.T) {
	q := New[int](tick, start)
	q.Add(start, 0)
	n := 0
	for range 10 {
		start := start.Add(time.Duration(n+1) * tick)
		q.Due(start, func(int) { n++; q.Add(start, n) })
	}
	require.Equal(t, 10, n)
}
