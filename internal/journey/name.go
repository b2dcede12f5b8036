package journey

import (
	"strings"
	"unicode"
)

// cutMark ends a name that was cut.
const cutMark = '…'

// Name makes a name that came from a stranger fit to be shown: valid UTF-8
// without control characters and without characters that turn the direction of
// what stands beside it, and at most as many characters as the limit. Cut says
// that it was longer.
func (l *Limits) Name(s string) (name string, cut bool) { return Text(s, l.NameLength) }

// Text is Name for texts with another limit.
func Text(s string, length int) (text string, cut bool) {
	if len(s) <= length && isPlain(s) {
		return s, false
	}
	var b strings.Builder
	n := 0
	for _, r := range s { // what is no UTF-8 comes as U+FFFD
		if unicode.In(r, unicode.Cc, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			continue
		}
		if n++; n > length {
			return strings.Clone(cutTo(b.String(), length-1)) + string(cutMark), true
		}
		b.WriteRune(r)
	}
	return b.String(), false
}

// cutTo returns the first n characters.
func cutTo(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// isPlain says that s is printable ASCII, as most names are.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
