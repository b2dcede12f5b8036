package journeyprocessor

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWhatIsSavedDoesNotGrowFromStopToStop: each start takes over what all
// shards have saved, and the next stop must not save it once for each of them.
func TestWhatIsSavedDoesNotGrowFromStopToStop(t *testing.T) {
	const config = "{storage: file_storage, completion: {quiet: 1s}, decisions: {kept: 1000, dropped: 1000}}"
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(6)) // shards
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "{}")
		h.withShelf()
		h.reload(config)
		var sizes []int
		for i := range 14 {
			h.send(span{Trace: fmt.Sprint(i), ID: 1, Name: "GET /"}, span{Trace: fmt.Sprint("unlucky ", i), ID: 1, Name: "GET /"})
			h.wait(3 * time.Second)
			h.end()
			sizes = append(sizes, h.extensions[shelfID].(*shelf).size())
			h.begin(config)
			for back := range min(i, 2) {
				h.send(span{Trace: fmt.Sprint(i - back), ID: uint64(2 + back), Parent: 1, Name: "late"})
			}
			h.wait(tick)
		}
		require.Less(t, sizes[13], 2*sizes[5], "%v", sizes)
		require.Positive(t, h.value("processor_journey_late_spans"))
		require.Equal(t, int64(28), h.value("processor_journey_journeys"), "what is late is no journey")
		h.stop()
	})
}

// size is how many bytes lie in it.
func (s *shelf) size() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, value := range s.values {
		n += len(value)
	}
	return n
}
