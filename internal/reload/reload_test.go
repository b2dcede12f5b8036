package reload

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
)

var id = component.MustNewID("test")

func TestNobodyIsReloadedByATest(t *testing.T) { require.False(t, IsUnderWay()) }

func TestWhatIsLeftIsTakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e Estates[int]
		require.Nil(t, e.Take(id))
		n, unclaimed := 1, 0
		e.Leave(id, &n, func() { unclaimed++ })
		require.Nil(t, e.Take(component.MustNewID("other")))
		require.Same(t, &n, e.Take(id))
		require.Nil(t, e.Take(id))
		time.Sleep(2 * ClaimTime)
		require.Zero(t, unclaimed)
	})
}

func TestWhatNobodyTakesIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e Estates[int]
		first, second := 1, 2
		var unclaimed atomic.Int32
		e.Leave(id, &first, func() { unclaimed.Add(1) })
		time.Sleep(ClaimTime / 2)
		e.Leave(id, &second, func() { unclaimed.Add(10) })
		time.Sleep(ClaimTime / 2)
		synctest.Wait()
		require.Zero(t, unclaimed.Load(), "the first is not there any more, the second still is")
		time.Sleep(ClaimTime)
		synctest.Wait()
		require.Equal(t, int32(10), unclaimed.Load())
		require.Nil(t, e.Take(id))
	})
}
