package journey

// NodeKind is what a node of a map is.
type NodeKind uint8

// The kinds of nodes.
const (
	User NodeKind = iota
	Service
	Queue
	Database
	External
)

var nodeKinds = [...]string{User: "user", Service: "service", Queue: "queue", Database: "database", External: "external"}

func (k NodeKind) String() string { return nodeKinds[k] }

// Protocol is how one node reaches another.
type Protocol uint8

// The protocols. Messaging is a system other than RabbitMQ.
const (
	OtherProtocol Protocol = iota
	HTTP
	GRPC
	AMQP
	Messaging
	DB
)

var protocols = [...]string{
	OtherProtocol: "other", HTTP: "http", GRPC: "grpc", AMQP: "amqp", Messaging: "messaging", DB: "db",
}

func (p Protocol) String() string { return protocols[p] }

// Flow is the map of the journeys of one name: which services, queues,
// databases and others they went through, and how.
type Flow struct {
	// Mapped is how many journeys it is made of.
	Mapped int64
	Nodes  map[NodeKey]*NodeTally
	Edges  map[EdgeKey]*EdgeTally
}

// NodeKey tells nodes apart.
type NodeKey struct {
	Kind         NodeKind
	Name, System string
}

// NodeTally is what happened at a node. Count is how often it was called or
// given a message.
type NodeTally struct {
	Count, Errors int64
	Durations     Sketch
}

// EdgeKey tells edges apart.
type EdgeKey struct {
	From, To NodeKey
	Protocol Protocol
}

// EdgeTally is what went along an edge. Waits are times in a queue.
type EdgeTally struct {
	Count, Errors    int64
	Durations, Waits Sketch
}

// Node returns the tally of a node of the journey's map and the key that edges
// name it by; nil if there is no room for it.
func (t *Tally) Node(key NodeKey) (NodeKey, *NodeTally) {
	if n, ok := t.Flow.Nodes[key]; ok {
		return key, n
	}
	key.Name, key.System = t.in.name(key.Name), t.in.name(key.System)
	return key, t.Flow.node(key, t.in)
}

// Edge returns the tally of an edge between nodes that there are; nil if there
// is no room for it.
func (t *Tally) Edge(key EdgeKey) *EdgeTally { return t.Flow.edge(key, t.in) }

func (f *Flow) node(key NodeKey, in *Aggregate) *NodeTally {
	if n, ok := f.Nodes[key]; ok {
		return n
	}
	if len(f.Nodes) >= in.limits.Services {
		in.Cuts.Services++
		return nil
	}
	if !in.take(entrySize + int64(len(key.Name)+len(key.System))) {
		return nil
	}
	if f.Nodes == nil {
		f.Nodes = make(map[NodeKey]*NodeTally)
	}
	n := &NodeTally{}
	f.Nodes[key] = n
	return n
}

func (f *Flow) edge(key EdgeKey, in *Aggregate) *EdgeTally {
	if e, ok := f.Edges[key]; ok {
		return e
	}
	if len(f.Edges) >= in.limits.Edges {
		in.Cuts.Edges++
		return nil
	}
	if f.Nodes[key.From] == nil || f.Nodes[key.To] == nil || !in.take(2*entrySize) {
		return nil
	}
	if f.Edges == nil {
		f.Edges = make(map[EdgeKey]*EdgeTally)
	}
	e := &EdgeTally{}
	f.Edges[key] = e
	return e
}

func (f *Flow) merge(other *Flow, in *Aggregate) {
	f.Mapped += other.Mapped
	for key, node := range other.Nodes {
		if n := f.node(key, in); n != nil {
			n.Count += node.Count
			n.Errors += node.Errors
			n.Durations.merge(&node.Durations, in)
		}
	}
	for key, edge := range other.Edges {
		if e := f.edge(key, in); e != nil {
			e.Count += edge.Count
			e.Errors += edge.Errors
			e.Durations.merge(&edge.Durations, in)
			e.Waits.merge(&edge.Waits, in)
		}
	}
}
