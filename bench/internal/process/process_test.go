package process

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCPUTimeIsReadBehindAnyName(t *testing.T) {
	got, err := parseStat([]byte("42 (a) b (c)) S 1 42 42 0 -1 4194560 10 0 0 0 123 45 0 0 20 0 9 0 100"))
	require.NoError(t, err)
	assert.Equal(t, CPU{User: 1230 * time.Millisecond, System: 450 * time.Millisecond}, got)
	assert.Equal(t, 1680*time.Millisecond, got.Total())

	_, err = parseStat([]byte("42 (short) S 1"))
	require.Error(t, err)
}

func TestOwnProcessIsMeasured(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc here")
	}
	before, err := CPUOf(os.Getpid())
	require.NoError(t, err)
	for n := uint64(1); ; n++ {
		now, err := CPUOf(os.Getpid())
		require.NoError(t, err)
		if now.Sub(before).Total() >= 2*clockTick {
			break
		}
	}
	m, err := MemoryOf(os.Getpid())
	require.NoError(t, err)
	assert.Positive(t, m.Now)
	assert.GreaterOrEqual(t, m.Peak, m.Now)
}
