package grid

import (
	"strings"
	"testing"
)

func TestNumbersForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -4321: "-4,321"} {
		if got := Count(n); got != want {
			t.Errorf("%d is written %s, want %s", n, got, want)
		}
	}
	for amount, want := range map[float64]string{0: "0.00", 5.256: "5.26", 999.994: "999.99", 465661: "465,661", -12.3: "-12.30"} {
		if got := USD(amount); got != want {
			t.Errorf("%f is written %s, want %s", amount, got, want)
		}
	}
}

func TestNamesAreShownHarmlessly(t *testing.T) {
	for name, want := range map[string]string{
		"checkout":                  "checkout",
		"a\x1b[2Jb\nc\x00":          "a[2Jbc",
		"abc\u202edef\xff":          "abcdef",
		strings.Repeat("ä", 100):    strings.Repeat("ä", 79) + "…",
		"<script>alert(1)</script>": "<script>alert(1)</script>",
	} {
		if got := Name(name); got != want {
			t.Errorf("%q is shown as %q, want %q", name, got, want)
		}
	}
}

func TestColumnsAreAligned(t *testing.T) {
	lines := [][]string{{"name", "of", "n"}, {"a", "longer", "1"}, {"total|", "", "1,000"}}
	want := "name    of          n\n---------------------\na       longer      1\n---------------------\ntotal|          1,000\n"
	if got := Aligned(lines, 2); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := Markdown(lines, 2); !strings.Contains(got, "| --- | --- | ---: |") || !strings.Contains(got, `total\|`) {
		t.Errorf("got\n%s", got)
	}
}
