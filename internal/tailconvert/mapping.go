package tailconvert

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// faults collects what is wrong with the input, so that all of it is reported
// at once.
type faults struct{ list []error }

func (f *faults) add(at *yaml.Node, format string, args ...any) {
	f.list = append(f.list, fmt.Errorf("line %d: %w", at.Line, fmt.Errorf(format, args...)))
}

func (f *faults) err() error { return errors.Join(f.list...) }

// mapping is a YAML mapping of which each key has to be asked for; done reports
// the others. Faults name the path to a value and its line. A value that is
// missing or at fault reads as the zero value.
type mapping struct {
	*faults
	path   string
	node   *yaml.Node
	fields map[string]*yaml.Node
	keys   map[string]*yaml.Node // the keys' own nodes, for their lines
	asked  map[string]bool
}

// newMapping reads a mapping; null is an empty one.
func newMapping(f *faults, path string, node *yaml.Node) *mapping {
	m := &mapping{
		faults: f, path: path, node: node,
		fields: map[string]*yaml.Node{}, keys: map[string]*yaml.Node{}, asked: map[string]bool{},
	}
	node = resolved(node)
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null":
	case node.Kind != yaml.MappingNode:
		f.add(m.node, "%s must be a mapping", path)
	default:
		m.take(node)
	}
	return m
}

// take adds the fields of a mapping, then those that it merges in with "<<" and
// has not itself.
func (m *mapping) take(node *yaml.Node) {
	var merged []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Tag == "!!merge" {
			merged = append(merged, resolved(value))
			continue
		}
		if _, set := m.fields[key.Value]; !set {
			m.fields[key.Value], m.keys[key.Value] = value, key
		}
	}
	for _, source := range merged {
		switch source.Kind {
		case yaml.MappingNode:
			m.take(source)
		case yaml.SequenceNode:
			for _, one := range source.Content {
				m.take(resolved(one))
			}
		}
	}
}

// resolved follows an alias. YAML refuses one that contains itself.
func resolved(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

// at is the path of a key, as the Collector writes it.
func (m *mapping) at(key string) string {
	if m.path == "" {
		return key
	}
	return m.path + "::" + key
}

// has says whether the key is set, which does not count as asking for it.
func (m *mapping) has(key string) bool {
	_, ok := m.fields[key]
	return ok
}

// value is the key's node, nil if it is not set or null.
func (m *mapping) value(key string) *yaml.Node {
	m.asked[key] = true
	node, ok := m.fields[key]
	if !ok || resolved(node).Tag == "!!null" {
		return nil
	}
	return node
}

// scalar decodes a value. Number and boolean must be written out: which rules
// there are depends on them.
func scalar[T any](m *mapping, key, what string) (value T) {
	node := m.value(key)
	if node == nil {
		return value
	}
	target := resolved(node)
	_, isText := any(value).(string)
	switch {
	case target.Kind != yaml.ScalarNode:
		m.add(node, "%s must be %s", m.at(key), what)
	case !isText && strings.Contains(target.Value, "${"):
		m.add(node, "%s is %s: put its value there, the rules depend on it", m.at(key), target.Value)
	case target.Decode(&value) != nil:
		m.add(node, "%s must be %s, got %q", m.at(key), what, target.Value)
	}
	return value
}

func (m *mapping) text(key string) string    { return scalar[string](m, key, "a text") }
func (m *mapping) integer(key string) int64  { return scalar[int64](m, key, "a whole number") }
func (m *mapping) number(key string) float64 { return scalar[float64](m, key, "a number") }
func (m *mapping) boolean(key string) bool   { return scalar[bool](m, key, "true or false") }

// count reads a whole number that is not negative.
func (m *mapping) count(key string) int64 {
	n := m.integer(key)
	if n < 0 {
		m.add(m.fields[key], "%s must not be negative, got %d", m.at(key), n)
		return 0
	}
	return n
}

// duration reads a text such as 30s; like tail_sampling it takes a plain number
// for nanoseconds.
func (m *mapping) duration(key string, standard time.Duration) time.Duration {
	node := m.value(key)
	if node == nil {
		return standard
	}
	if resolved(node).Tag == "!!int" {
		return time.Duration(m.integer(key))
	}
	text := scalar[string](m, key, "a duration")
	d, err := time.ParseDuration(text)
	if err != nil && text != "" {
		m.add(node, "%s must be a duration such as 30s, got %q", m.at(key), text)
	}
	return d
}

// texts reads a list of texts.
func (m *mapping) texts(key string) []string {
	var texts []string
	for _, node := range m.list(key) {
		target := resolved(node)
		if target.Kind != yaml.ScalarNode {
			m.add(node, "%s must be a list of texts", m.at(key))
			continue
		}
		texts = append(texts, target.Value)
	}
	return texts
}

// list returns the nodes of a list.
func (m *mapping) list(key string) []*yaml.Node {
	node := m.value(key)
	if node == nil {
		return nil
	}
	target := resolved(node)
	if target.Kind != yaml.SequenceNode {
		m.add(node, "%s must be a list", m.at(key))
		return nil
	}
	return target.Content
}

// child reads a nested mapping; one that is not set is empty.
func (m *mapping) child(key string) *mapping {
	node := m.value(key)
	if node == nil {
		node = &yaml.Node{Kind: yaml.MappingNode, Line: m.node.Line}
	}
	return newMapping(m.faults, m.at(key), node)
}

// children reads a list of mappings.
func (m *mapping) children(key string) []*mapping {
	var all []*mapping
	for i, node := range m.list(key) {
		all = append(all, newMapping(m.faults, fmt.Sprintf("%s::%d", m.at(key), i), node))
	}
	return all
}

// done reports the keys that nobody has asked for.
func (m *mapping) done() {
	for _, key := range slices.Sorted(maps.Keys(m.fields)) {
		if !m.asked[key] {
			m.add(m.keys[key], "unknown key %s, known there are %s", m.at(key),
				strings.Join(slices.Sorted(maps.Keys(m.asked)), ", "))
		}
	}
}
