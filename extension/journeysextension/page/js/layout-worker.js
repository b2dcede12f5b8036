// Places nodes and edges beside the page's own thread: two hundred services take
// seconds, in which the page must go on to answer.

import { Graph, layout } from '../third-party/dagre.esm.js';

/** placed runs dagre and returns only what drawing needs. */
function placed({ direction, nodes, edges, label }) {
  const down = direction === 'TB';
  const graph = new Graph({ multigraph: true });
  graph.setGraph({
    rankdir: direction, marginx: 12, marginy: 12, nodesep: down ? 26 : 30, edgesep: 14, ranksep: down ? 40 : 42,
    // The best ranks cost too much where there are many; these are still good.
    ranker: nodes.length > 80 ? 'tight-tree' : 'network-simplex',
  });
  for (const n of nodes) graph.setNode(n.key, { width: n.width, height: n.height });
  for (const e of edges) graph.setEdge(e.from, e.to, { width: label.width, height: label.height, labelpos: down ? 'r' : 'c', labeloffset: 6 }, e.key);
  layout(graph);
  const { width, height } = graph.graph();
  return {
    width, height,
    nodes: new Map(nodes.map((n) => [n.key, pick(graph.node(n.key))])),
    edges: new Map(edges.map((e) => {
      const made = graph.edge(e.from, e.to, e.key);
      return [e.key, { points: made.points.map(({ x, y }) => ({ x, y })), ...pick(made) }];
    })),
  };
}

function pick({ x, y, width, height }) {
  return { x, y, width, height };
}

self.onmessage = ({ data }) => {
  try {
    self.postMessage({ signature: data.signature, placed: placed(data) });
  } catch (error) {
    self.postMessage({ signature: data.signature, error: String(error) });
  }
};
