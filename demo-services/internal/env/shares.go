package env

import (
	"fmt"
	"strconv"
	"strings"
)

// Share is a name's part of a whole, in percent.
type Share struct {
	Name    string
	Percent float64
}

// ParseShares reads "checkout=60,gift_card=2". The order is kept, a name may
// come once, and the shares may not exceed 100 percent together.
func ParseShares(value string) ([]Share, error) {
	var shares []Share
	var sum float64
	seen := map[string]bool{}
	for _, word := range words(value) {
		name, number, _ := strings.Cut(word, "=")
		percent, err := strconv.ParseFloat(number, 64)
		if err != nil || name == "" || !(percent >= 0 && percent <= 100) {
			return nil, fmt.Errorf("%q is not name=percent", word)
		}
		if seen[name] {
			return nil, fmt.Errorf("%q comes twice", name)
		}
		seen[name] = true
		sum += percent
		shares = append(shares, Share{Name: name, Percent: percent})
	}
	if sum > 100+1e-9 {
		return nil, fmt.Errorf("shares add up to %g percent", sum)
	}
	return shares, nil
}
