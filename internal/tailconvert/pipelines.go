package tailconvert

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// pipelines are those of a configuration that have a tail_sampling.
type pipelines struct {
	names      []string
	processors map[string][]string // by pipeline
	users      map[string][]string // pipelines by tail_sampling
}

func newPipelines(top *mapping) *pipelines {
	p := &pipelines{processors: map[string][]string{}, users: map[string][]string{}}
	all := top.child("service").child("pipelines")
	for _, name := range ids(all) {
		list := all.child(name).texts("processors")
		if !slices.ContainsFunc(list, isTailSampling) {
			continue
		}
		p.names = append(p.names, name)
		p.processors[name] = list
		for _, id := range list {
			if isTailSampling(id) {
				p.users[id] = append(p.users[id], name)
			}
		}
	}
	return p
}

// copies are the ids that are needed in place of a tail_sampling: a journey
// processor can be in only one pipeline of traces.
func (p *pipelines) copies(id string) []string {
	names := []string{journeyID(id)}
	for _, pipeline := range p.users[id][min(1, len(p.users[id])):] {
		names = append(names, copyID(id, pipeline))
	}
	return names
}

func copyID(id, pipeline string) string {
	own := strings.ReplaceAll(pipeline, "/", "_")
	if _, name, ok := strings.Cut(id, "/"); ok {
		own = name + "_" + own
	}
	return to + "/" + own
}

// write adds the pipelines with the new processors, which come last.
func (p *pipelines) write(out *yaml.Node) {
	if len(p.names) == 0 {
		return
	}
	all := mappingNode()
	for _, name := range p.names {
		list := &yaml.Node{Kind: yaml.SequenceNode}
		last := &yaml.Node{}
		for _, id := range p.processors[name] {
			switch {
			case !isTailSampling(id):
				list.Content = append(list.Content, textNode(id))
			case p.users[id][0] == name:
				last.Content = append(last.Content, textNode(journeyID(id)))
			default:
				last.Content = append(last.Content, textNode(copyID(id, name)))
			}
		}
		list.Content = append(list.Content, last.Content...)
		put(all, name, mappingNode("processors", list))
	}
	put(out, "service", mappingNode("pipelines", all),
		"The processor comes last, behind everything that changes spans. It makes batches itself: a batch processor is not needed.")
}
