package journeyprocessor

import (
	"fmt"
	"strconv"
	"strings"
)

// minMemory lets a few batches of an SDK in; less would refuse everything.
const minMemory = 1 << 20

// ByteSize is a number of bytes, written with its unit.
type ByteSize int64

// byteUnits are tried in this order, so that none hides a longer one.
var byteUnits = []struct {
	name  string
	bytes float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// UnmarshalText reads a number with its unit.
func (b *ByteSize) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	for _, unit := range byteUnits {
		digits, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if err != nil || !(n >= 0 && n*unit.bytes < 1<<62) {
			break
		}
		*b = ByteSize(n * unit.bytes)
		return nil
	}
	return fmt.Errorf("must be a number of bytes with its unit, such as 512MiB or 2GB, got %q", text)
}

// MarshalText is the inverse of UnmarshalText.
func (b ByteSize) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String writes the size in the largest binary unit that divides it.
func (b ByteSize) String() string {
	for i := 3; i >= 0; i-- {
		if unit := int64(byteUnits[i].bytes); b != 0 && int64(b)%unit == 0 {
			return strconv.FormatInt(int64(b)/unit, 10) + byteUnits[i].name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}
