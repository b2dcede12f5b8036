// Package grid writes tables and figures for people: in columns for a
// terminal, or as Markdown.
package grid

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Count sets a comma at the thousands.
func Count(n int64) string {
	text := strconv.FormatInt(n, 10)
	digits := strings.TrimPrefix(text, "-")
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	if n < 0 {
		return "-" + digits
	}
	return digits
}

// Sizes writes a part and the whole in the unit that fits the whole.
func Sizes(part, whole int64) string {
	scale, unit, precision := unitOf(max(part, whole))
	return fmt.Sprintf("%.*f / %.*f %s", precision, float64(part)/scale, precision, float64(whole)/scale, unit)
}

// Size writes a number of bytes.
func Size(n int64) string {
	scale, unit, precision := unitOf(n)
	return fmt.Sprintf("%.*f %s", precision, float64(n)/scale, unit)
}

func unitOf(n int64) (scale float64, unit string, precision int) {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	scale = 1
	i := 0
	for i < len(units)-1 && math.Abs(float64(n))/scale >= 1024 {
		scale *= 1024
		i++
	}
	return scale, units[i], min(i, 1) // bytes have no fractions
}

// USD has cents only where they can be seen.
func USD(amount float64) string {
	if math.Abs(amount) >= 1000 {
		return Count(int64(math.Round(amount)))
	}
	return fmt.Sprintf("%.2f", amount)
}

// Aligned writes the first columns, which are names, to the left and the
// others, which are figures, to the right. The first line is the head and the
// last the total.
func Aligned(lines [][]string, names int) string {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	total := len(lines[0])*2 - 2
	for _, w := range widths {
		total += w
	}
	var b strings.Builder
	for n, line := range lines {
		var row strings.Builder
		if n == 1 || n == len(lines)-1 {
			b.WriteString(strings.Repeat("-", total) + "\n")
		}
		for i, cell := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				row.WriteString("  ")
			}
			if i < names {
				cell, pad = pad, cell
			}
			row.WriteString(pad + cell)
		}
		b.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
	return b.String()
}

// Markdown writes the same as a table of Markdown.
func Markdown(lines [][]string, names int) string {
	var b strings.Builder
	for n, line := range lines {
		b.WriteString("|")
		for _, cell := range line {
			b.WriteString(" " + strings.ReplaceAll(cell, "|", `\|`) + " |")
		}
		b.WriteString("\n")
		if n == 0 {
			b.WriteString("|" + strings.Repeat(" --- |", names) + strings.Repeat(" ---: |", len(line)-names) + "\n")
		}
	}
	return b.String()
}

// maxName is how many characters of a name are shown.
const maxName = 80

// Name is a name as it may be shown, cut if it is long.
func Name(name string) string {
	shown := Clean(name)
	if runes := []rune(shown); len(runes) > maxName {
		return string(runes[:maxName-1]) + "…"
	}
	return shown
}

// Clean is a text as it may be shown: names come from spans and so from
// anybody. What would move a terminal's cursor or turn its writing around is
// left out.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}
