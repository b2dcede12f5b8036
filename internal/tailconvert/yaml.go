package tailconvert

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// width is how long lines may get where YAML and comments can be broken.
const width = 110

// mappingNode makes a mapping of alternating keys (texts) and values (nodes).
func mappingNode(pairs ...any) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i+1 < len(pairs); i += 2 {
		put(node, pairs[i].(string), pairs[i+1].(*yaml.Node))
	}
	return node
}

// put appends a key, under which the comments stand, and its value.
func put(node *yaml.Node, key string, value *yaml.Node, notes ...string) {
	name := textNode(key)
	name.HeadComment = comment(notes)
	node.Content = append(node.Content, name, value)
}

func textNode(text string) *yaml.Node {
	node := &yaml.Node{}
	node.SetString(text)
	return node
}

// plainNode is a scalar that is written as it is, such as a number.
func plainNode(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }

func integerNode(n int64) *yaml.Node { return plainNode(strconv.FormatInt(n, 10)) }

// comment breaks notes into lines, each note beginning its own.
func comment(notes []string) string {
	var lines []string
	for _, note := range notes {
		line := "#"
		for _, word := range strings.Fields(note) {
			if len(line)+1+len(word) > width-10 && line != "#" {
				lines = append(lines, line)
				line = "#"
			}
			line += " " + word
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// encode writes a document. What fits into a line is written in one.
func encode(node *yaml.Node) ([]byte, error) {
	shorten(node, 0)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(node); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return out.Bytes(), nil
}

// shorten sets the flow style on the outermost parts that fit into a line and
// have no comments inside. Used is how much of the line is taken already.
func shorten(node *yaml.Node, used int) {
	if node.Kind == yaml.SequenceNode {
		for _, one := range node.Content {
			if !fits(one, used+2) {
				shorten(one, used+2)
			}
		}
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if value.Kind != yaml.ScalarNode && (used == 0 || !fits(value, used+len(key.Value)+2)) {
			shorten(value, used+2)
		}
	}
}

// fits sets the flow style if the node then fits into the line.
func fits(node *yaml.Node, used int) bool {
	if node.Kind == yaml.ScalarNode {
		return true
	}
	if hasComments(node) {
		return false
	}
	node.Style = yaml.FlowStyle
	bare := *node
	bare.HeadComment = ""
	text, err := yaml.Marshal(&bare)
	if err == nil && used+len(bytes.TrimSpace(text)) <= width {
		return true
	}
	node.Style = 0
	return false
}

func hasComments(node *yaml.Node) bool {
	for _, one := range node.Content {
		if one.HeadComment != "" || one.FootComment != "" || hasComments(one) {
			return true
		}
	}
	return false
}
