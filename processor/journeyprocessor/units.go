package journeyprocessor

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span, written with its unit: a plain number is refused.
type Duration struct{ d time.Duration }

// UnmarshalText reads what time.ParseDuration does.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("must be a duration with its unit, such as 1.5s or 10m, got %q", text)
	}
	d.d = parsed
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String writes the duration as time.Duration does.
func (d Duration) String() string { return d.d.String() }

// UnmarshalText reads a duration as Duration does, or p and a number between 0
// and 100.
func (l *Limit) UnmarshalText(text []byte) error {
	if digits, ok := strings.CutPrefix(string(text), "p"); ok {
		n, err := strconv.ParseFloat(digits, 64)
		if err != nil || !(n > 0 && n < 100) {
			return fmt.Errorf("must be a percentile between p0 and p100, such as p99 or p99.9, got %q", text)
		}
		*l = Limit{quantile: n / 100}
		return nil
	}
	var d Duration
	if err := d.UnmarshalText(text); err != nil {
		return fmt.Errorf("must be a duration with its unit, such as 1.5s, or a percentile, such as p99, got %q", text)
	}
	*l = Limit{d: d.d}
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (l Limit) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// String writes the limit as a user does.
func (l Limit) String() string {
	if l.quantile > 0 {
		return "p" + strconv.FormatFloat(l.quantile*100, 'g', 10, 64)
	}
	return l.d.String()
}

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

// minMemory lets a few batches of an SDK in; less would refuse everything.
const minMemory = 1 << 20

// ByteSize is a number of bytes, written with its unit.
type ByteSize int64

// byteUnits are tried in this order, so that none hides a longer one.
var byteUnits = []struct {
	name  string
	bytes float64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"kB", 1e3},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"B", 1},
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

// asTexts returns raw with each plain number that stands for a type of this
// file turned into its text. Settings that raw has and t has not are left for
// the decoding to complain about.
func asTexts(t reflect.Type, raw any) any {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch value := raw.(type) {
	case map[string]any:
		if t.Kind() != reflect.Struct {
			return raw
		}
		out := make(map[string]any, len(value))
		for key, v := range value {
			out[key] = v
			if field, ok := fieldOf(t, key); ok {
				out[key] = asTexts(field.Type, v)
			}
		}
		return out
	case []any:
		if t.Kind() != reflect.Slice {
			return raw
		}
		out := make([]any, len(value))
		for i, v := range value {
			out[i] = asTexts(t.Elem(), v)
		}
		return out
	case int, int64, float64:
		if t.PkgPath() == reflect.TypeFor[Percent]().PkgPath() && reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			return fmt.Sprint(value)
		}
	}
	return raw
}

func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	for field := range t.Fields() {
		if field.Tag.Get("mapstructure") == key {
			return field, true
		}
	}
	return reflect.StructField{}, false
}
