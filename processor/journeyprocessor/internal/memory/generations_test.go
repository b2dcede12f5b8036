package memory

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheLatestHalfIsAlwaysRemembered(t *testing.T) {
	const size = 100
	g := New[int, int](size)
	for i := range 10000 {
		g.Put(i, -i)
		for back := range min(size/2, i+1) {
			v, ok := g.Get(i - back)
			require.True(t, ok)
			require.Equal(t, back-i, v)
		}
		require.LessOrEqual(t, len(g.young)+len(g.oldest), size)
	}
	_, ok := g.Get(0)
	require.False(t, ok)
}

func TestTheNewerOfTwoEntriesCounts(t *testing.T) {
	g := New[string, int](4)
	g.Put("a", 1)
	g.Put("b", 2)
	g.Put("a", 3)
	v, _ := g.Get("a")
	require.Equal(t, 3, v)
}

func TestSizeZeroRemembersNothing(t *testing.T) {
	g := New[string, int](0)
	g.Put("a", 1)
	_, ok := g.Get("a")
	require.False(t, ok)
}
