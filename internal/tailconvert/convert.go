package tailconvert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	from = "tail_sampling"
	to   = "journey"
)

// Result is what became of the input.
type Result struct {
	YAML []byte
	// Missing says that something of the input has no equivalent at all. A
	// comment that begins with NO EQUIVALENT stands where it would be.
	Missing bool
}

// Convert translates a collector's configuration, a part of one that begins
// with `tail_sampling:`, or the settings of one processor alone. Of a whole
// configuration the output is laid over it: the processors, and the pipelines
// with them in place of the old ones. Faults name the key and the line.
func Convert(input []byte) (Result, error) {
	root, err := parse(input)
	if err != nil {
		return Result{}, err
	}
	c := &converter{faults: &faults{}}
	top := newMapping(c.faults, "", root)
	out := mappingNode()
	switch {
	case top.has("processors"):
		c.configuration(top, out)
	case slices.ContainsFunc(ids(top), isTailSampling):
		for _, id := range ids(top) {
			if !isTailSampling(id) {
				c.add(top.keys[id], "%s: unknown key beside tail_sampling", id)
				continue
			}
			put(out, journeyID(id), c.processor(top.child(id)))
		}
	default:
		put(out, to, c.processor(top))
	}
	if err := c.err(); err != nil {
		return Result{}, err
	}
	text, err := encode(out)
	return Result{YAML: text, Missing: c.missing}, err
}

// parse reads the only document of the input.
func parse(input []byte) (*yaml.Node, error) {
	var anything any // refuses keys that are set twice and aliases that contain themselves
	decoder := yaml.NewDecoder(bytes.NewReader(input))
	if err := decoder.Decode(&anything); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read YAML: %w", err)
	}
	if err := decoder.Decode(&anything); !errors.Is(err, io.EOF) {
		return nil, errors.New("read YAML: there is more than one document")
	}
	var document yaml.Node
	if err := yaml.Unmarshal(input, &document); err != nil {
		return nil, fmt.Errorf("read YAML: %w", err)
	}
	if len(document.Content) == 0 || resolved(document.Content[0]).Kind != yaml.MappingNode {
		return nil, errors.New("the input is no YAML mapping")
	}
	return document.Content[0], nil
}

// converter is one run.
type converter struct {
	*faults
	missing bool
}

func isTailSampling(id string) bool { return id == from || strings.HasPrefix(id, from+"/") }

func journeyID(id string) string { return to + strings.TrimPrefix(id, from) }

// ids are a mapping's keys in the order in which they are written.
func ids(m *mapping) []string {
	var all []string
	for i := 0; i < len(resolved(m.node).Content); i += 2 {
		all = append(all, resolved(m.node).Content[i].Value)
	}
	return all
}

// configuration translates every tail_sampling of a whole configuration.
func (c *converter) configuration(top *mapping, out *yaml.Node) {
	processors := top.child("processors")
	own := mappingNode()
	pipelines := newPipelines(top)
	for _, id := range ids(processors) {
		if !isTailSampling(id) {
			continue
		}
		for i, name := range pipelines.copies(id) {
			if processors.has(name) {
				c.add(processors.keys[name], "processors::%s is there already; rename it or processors::%s", name, id)
			}
			var notes []string
			if i > 0 {
				notes = append(notes, fmt.Sprintf("%s is in several pipelines; a journey processor is in one of traces.", id))
			}
			put(own, name, c.processor(processors.child(id)), notes...)
		}
	}
	if len(own.Content) == 0 {
		c.add(processors.node, "processors: there is no tail_sampling")
		return
	}
	put(out, "processors", own)
	pipelines.write(out)
}

// processor translates the settings of one tail_sampling.
func (c *converter) processor(m *mapping) *yaml.Node {
	r := &remarks{}
	var drops, keeps []term
	names := map[string]bool{}
	for _, one := range m.children("policies") {
		terms, isDrop := readTop(one, r)
		name := one.text("name")
		switch {
		case name == "":
			c.add(one.node, "%s: a policy must have a name", one.path)
		case names[name]:
			c.add(one.node, "%s: there is a policy %q already", one.path, name)
		}
		names[name] = true
		if isDrop {
			drops = append(drops, terms...)
		} else {
			keeps = append(keeps, terms...)
		}
	}
	sections := []section{completion(m), c.sampling(newRules(drops, keeps)), buffer(m), decisions(m)}
	notes := append(r.notes(), others(m)...)
	m.done()
	node := mappingNode()
	for _, s := range sections {
		switch {
		case len(s.node.Content) > 0:
			put(node, s.key, s.node, append(notes, s.notes...)...)
			notes = nil
		default:
			notes = append(notes, s.notes...)
		}
	}
	return node
}

// sampling makes the section of rules and budget.
func (c *converter) sampling(r *rules) section {
	s := section{key: "sampling", node: mappingNode()}
	b := &budgetOf{seen: map[*limit]bool{}}
	list, missing := r.node(b)
	put(s.node, "rules", list)
	if b.unit != "" {
		node, notes := b.node()
		put(s.node, "budget", node, notes...)
	}
	c.missing = c.missing || missing || b.missing
	return s
}

// notes are the remarks that hold for the whole processor.
func (r *remarks) notes() []string {
	var notes []string
	if r.texts {
		notes = append(notes, "`service` is that of the resource, and `attributes` those of the span, only without one of the name that of the resource. tail_sampling looks at both, and only at texts; here a number or boolean counts as its text.")
	}
	if r.milliseconds {
		notes = append(notes, "`longer_than` is exact; tail_sampling cuts durations down to whole milliseconds before it compares.")
	}
	if r.chance {
		notes = append(notes, "Shares are as large, but of other traces: they are drawn by the randomness of the trace id (W3C, ot=rv), not by a hash with hash_salt.")
	}
	return notes
}
