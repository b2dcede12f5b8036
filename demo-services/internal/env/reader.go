// Package env reads a program's environment through the table in package
// variables: a wrong value gives one clear error, and a variable that is not in
// the table cannot be read at all.
package env

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelcol-journey/otelcol-journey/demo-services/variables"
)

// Reader gives a program the values of its variables, all checked.
type Reader struct {
	table map[string]variables.Variable
	set   map[string]string
}

// Read checks every variable of the program and reports all wrong values at
// once. lookup is os.LookupEnv but in tests; an empty value counts as not set,
// as the OpenTelemetry specification has it.
func Read(program string, lookup func(string) (string, bool)) (*Reader, error) {
	r := &Reader{table: map[string]variables.Variable{}, set: map[string]string{}}
	var errs []error
	for _, v := range variables.Of(program) {
		r.table[v.Name] = v
		value, _ := lookup(v.Name)
		if value == "" {
			continue
		}
		r.set[v.Name] = value
		if err := check(v, value); err != nil {
			errs = append(errs, err)
		}
	}
	return r, errors.Join(errs...)
}

// IsSet reports whether the environment has a value of its own for the variable.
func (r *Reader) IsSet(name string) bool {
	_, ok := r.set[name]
	return ok
}

// Has reports whether the program reads the variable at all.
func (r *Reader) Has(name string) bool {
	_, ok := r.table[name]
	return ok
}

// Text returns the value or its default. It panics for a variable that is not
// in the program's table: that is a mistake in the program, found by its first test.
func (r *Reader) Text(name string) string {
	v, ok := r.table[name]
	if !ok {
		panic("variable " + name + " is not in the program's table")
	}
	if value, ok := r.set[name]; ok {
		return value
	}
	return v.Default
}

// Words returns a comma-separated list without its blanks.
func (r *Reader) Words(name string) []string {
	return words(r.Text(name))
}

// Duration returns a value of the kinds Duration and Millis.
func (r *Reader) Duration(name string) time.Duration {
	if r.table[name].Kind == variables.Millis {
		return time.Duration(r.Int(name)) * time.Millisecond
	}
	d, _ := time.ParseDuration(r.Text(name)) // Read has checked it
	return d
}

// Int returns a value of the whole kinds.
func (r *Reader) Int(name string) int {
	n, _ := strconv.Atoi(r.Text(name)) // Read has checked it
	return n
}

// Float returns a value of the kind Number.
func (r *Reader) Float(name string) float64 {
	f, _ := strconv.ParseFloat(r.Text(name), 64) // Read has checked it
	return f
}

func check(v variables.Variable, value string) error {
	if fits(v, value) {
		return nil
	}
	want := string(v.Kind)
	if len(v.Choices) > 0 {
		want += ": " + strings.Join(v.Choices, ", ")
	}
	if v.Secret {
		return fmt.Errorf("%s is not a %s (its value is secret and not shown)", v.Name, want)
	}
	return fmt.Errorf("%s=%q is not a %s", v.Name, value, want)
}

func fits(v variables.Variable, value string) bool {
	switch v.Kind {
	case variables.Address:
		return isAddress(value)
	case variables.HTTPURL:
		return isURL(value, "http", "https")
	case variables.AMQPURL:
		return isURL(value, "amqp", "amqps")
	case variables.Choice:
		return slices.Contains(v.Choices, value)
	case variables.List:
		return allIn(words(value), v.Choices)
	case variables.Shares:
		_, err := ParseShares(value)
		return err == nil
	case variables.Duration:
		d, err := time.ParseDuration(value)
		return err == nil && d >= 0
	case variables.Boolean:
		return value == "true" || value == "false"
	default:
		return fitsNumber(v.Kind, value)
	}
}

func fitsNumber(kind variables.Kind, value string) bool {
	switch kind {
	case variables.Number:
		return isFloat(value, math.SmallestNonzeroFloat64, 1e6)
	case variables.Ratio:
		return isFloat(value, 0, 1)
	case variables.Text:
		return true
	}
	n, err := strconv.Atoi(value)
	switch kind {
	case variables.Millis:
		return err == nil && n >= 0
	case variables.Count:
		return err == nil && n > 0
	case variables.Port:
		return err == nil && n > 0 && n < 65536
	default:
		return err == nil
	}
}

func isFloat(value string, least, most float64) bool {
	f, err := strconv.ParseFloat(value, 64)
	return err == nil && f >= least && f <= most
}

func isAddress(value string) bool {
	_, port, err := net.SplitHostPort(value)
	return err == nil && fitsNumber(variables.Port, port)
}

func isURL(value string, schemes ...string) bool {
	u, err := url.Parse(value)
	return err == nil && slices.Contains(schemes, u.Scheme) && u.Host != ""
}

func allIn(list, choices []string) bool {
	for _, w := range list {
		if !slices.Contains(choices, w) {
			return false
		}
	}
	return len(list) > 0
}

func words(value string) []string {
	list := strings.Split(value, ",")
	for i, w := range list {
		list[i] = strings.TrimSpace(w)
	}
	return list
}
