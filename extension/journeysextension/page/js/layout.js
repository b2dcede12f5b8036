// Asks the worker for places, one question at a time. What has the same parts has
// the same places: new figures alone never move anything.

const NODE = { width: 146, height: 58 };
const LABEL = { LR: { width: 72, height: 56 }, TB: { width: 76, height: 56 } };
const REMEMBERED = 8;

const known = new Map(); // by signature, latest last
let worker = null;
let asked = null; // signature of the question under way
let next = null;

/** parts gives nodes and edges keys that stay over answers, whose ids do not. */
export function parts(flow) {
  const keys = new Map(flow.nodes.map((n) => [n.id, `${n.kind}\n${n.system}\n${n.name}`]));
  const nodes = flow.nodes.map((n) => ({ ...n, key: keys.get(n.id) }));
  const edges = flow.edges.filter((e) => keys.has(e.from) && keys.has(e.to))
    .map((e) => ({ ...e, fromKey: keys.get(e.from), toKey: keys.get(e.to), key: `${keys.get(e.from)}\n\n${keys.get(e.to)}\n\n${e.protocol}` }));
  const byKey = (a, b) => (a.key < b.key ? -1 : 1);
  return { nodes: nodes.sort(byKey), edges: edges.sort(byKey) };
}

/**
 * places returns where the parts are, or null while that is worked out; onPlaced
 * is called when it is known, or when it will not be ({error}).
 */
export function places({ nodes, edges }, direction, onPlaced) {
  const signature = JSON.stringify([direction, nodes.map((n) => n.key), edges.map((e) => e.key)]);
  if (known.has(signature)) return known.get(signature);
  const question = {
    signature, direction, label: LABEL[direction], nodes: nodes.map((n) => ({ key: n.key, ...NODE })),
    edges: edges.map((e) => ({ key: e.key, from: e.fromKey, to: e.toKey })),
  };
  if (asked === null) ask(question, onPlaced);
  else if (asked !== signature) next = [question, onPlaced];
  return null;
}

function ask(question, onPlaced) {
  worker ??= new Worker('js/layout-worker.js', { type: 'module' });
  asked = question.signature;
  const answered = (answer) => {
    known.set(question.signature, answer);
    if (known.size > REMEMBERED) known.delete(known.keys().next().value);
    asked = null;
    const [waiting, then] = next ?? [];
    next = null;
    onPlaced();
    if (waiting && !known.has(waiting.signature)) ask(waiting, then);
  };
  worker.onmessage = ({ data }) => answered(data.placed ?? { error: data.error });
  worker.onerror = () => answered({ error: 'the layout could not be loaded' });
  worker.postMessage(question);
}
