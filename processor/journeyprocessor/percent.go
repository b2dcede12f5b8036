package journeyprocessor

import (
	"fmt"
	"strconv"
	"strings"
)

// Percent is a share from 0 to 1, written with a percent sign: a plain number
// is refused, because "1" could mean all as well as one in a hundred.
type Percent struct {
	share float64
	set   bool // written down, and not left out
}

// UnmarshalText reads a number from 0 to 100 with a percent sign.
func (p *Percent) UnmarshalText(text []byte) error {
	digits, ok := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if !ok || err != nil || !(n >= 0 && n <= 100) {
		return fmt.Errorf("must be a percentage from 0%% to 100%%, such as 2.5%%, got %q", text)
	}
	*p = Percent{share: n / 100, set: true}
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String writes the share as a percentage.
func (p Percent) String() string {
	return strconv.FormatFloat(p.share*100, 'g', 6, 64) + "%"
}
