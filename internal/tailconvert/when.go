package tailconvert

import (
	"go.yaml.in/yaml/v3"
)

// when is a condition about a whole trace.
type when struct {
	join join
	leaf *yaml.Node // a mapping, as the journey processor's `when` has it
	of   []when
}

type join int

const (
	joinLeaf join = iota
	joinAll       // of none it always holds
	joinAny       // of none it never holds
	joinNot
)

var (
	always = when{join: joinAll}
	never  = when{join: joinAny}
)

func (w when) isAlways() bool { return w.join == joinAll && len(w.of) == 0 }
func (w when) isNever() bool  { return w.join == joinAny && len(w.of) == 0 }

// leaf is a condition of one key.
func leaf(key string, value *yaml.Node) when { return when{leaf: mappingNode(key, value)} }

func all(of ...when) when   { return joined(joinAll, never, of) }
func anyOf(of ...when) when { return joined(joinAny, always, of) }

// joined leaves out what changes nothing, and takes nested joins of the same
// kind apart. Decided is what makes the others meaningless.
func joined(as join, decided when, of []when) when {
	out := when{join: as}
	for _, w := range of {
		switch {
		case w.join == decided.join && len(w.of) == 0:
			return decided
		case w.join == as:
			out.of = append(out.of, w.of...)
		default:
			out.of = append(out.of, w)
		}
	}
	if len(out.of) == 1 {
		return out.of[0]
	}
	return out
}

func not(w when) when {
	switch {
	case w.isAlways():
		return never
	case w.isNever():
		return always
	case w.join == joinNot:
		return w.of[0]
	}
	return when{join: joinNot, of: []when{w}}
}

// node is the condition as YAML. One that always or never holds has none.
func (w when) node() *yaml.Node {
	switch w.join {
	case joinAny:
		return mappingNode("any", w.list())
	case joinNot:
		return mappingNode("not", w.of[0].node())
	case joinAll:
		return w.allNode()
	}
	return w.leaf
}

func (w when) list() *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, one := range w.of {
		list.Content = append(list.Content, one.node())
	}
	return list
}

// allNode puts the conditions into one mapping, of which all must hold, if they
// have different keys.
func (w when) allNode() *yaml.Node {
	merged, seen := mappingNode(), map[string]bool{}
	for _, one := range w.of {
		node := one.node()
		for i := 0; i < len(node.Content); i += 2 {
			key := node.Content[i].Value
			if seen[key] {
				return mappingNode("all", w.list())
			}
			seen[key] = true
		}
		merged.Content = append(merged.Content, node.Content...)
	}
	return merged
}
