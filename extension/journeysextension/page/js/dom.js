// Views are functions from state to a tree of plain objects; patch brings the
// document to that tree with the fewest changes, so that focus, scroll position
// and selection stay over an update. Text is only ever set as text: no name from
// a stranger is read as markup.

const SVG = 'http://www.w3.org/2000/svg';
const VNODE = Symbol('what the element was made from');
const made = []; // in this render, with what is to be called

/**
 * h makes a node. props: `key` tells siblings apart over updates; `on` are event
 * handlers by event; `vars` are CSS custom properties; `value` is an input's;
 * `created` is called with the element once it is in the document; all else are
 * attributes, of which null and false are left out.
 */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, children: children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false && c !== '') };
}

/** render brings root's children to the given nodes. */
export function render(root, nodes) {
  const focused = document.activeElement;
  patchChildren(root, nodes.flat(Infinity).filter(Boolean));
  for (const [node, tell] of made.splice(0)) tell(node);
  // Moving an element takes its focus.
  if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

function patchChildren(parent, wanted) {
  const keyed = new Map();
  const plain = [];
  for (const child of parent.childNodes) {
    const key = child[VNODE]?.props?.key;
    if (key === undefined) plain.push(child);
    else keyed.set(key, child);
  }
  const nodes = wanted.map((v) => {
    const old = takeMatch(v, keyed, plain);
    return old ? update(old, v) : create(v, parent);
  });
  for (const rest of [...keyed.values(), ...plain]) rest.remove();
  nodes.forEach((node, i) => {
    if (parent.childNodes[i] !== node) parent.insertBefore(node, parent.childNodes[i] ?? null);
  });
}

/** takeMatch finds, and takes, the element that was made from the same node before. */
function takeMatch(v, keyed, plain) {
  const key = v.props?.key;
  if (key !== undefined) {
    const old = keyed.get(key);
    if (!old || old[VNODE].tag !== v.tag) return null;
    keyed.delete(key);
    return old;
  }
  const at = plain.findIndex((n) => (v.tag ? n[VNODE]?.tag === v.tag : n.nodeType === Node.TEXT_NODE));
  return at < 0 ? null : plain.splice(at, 1)[0];
}

function create(v, parent) {
  if (!v.tag) return document.createTextNode(String(v));
  const inSVG = v.tag === 'svg' || (parent.namespaceURI === SVG && parent.localName !== 'foreignObject');
  const node = inSVG ? document.createElementNS(SVG, v.tag) : document.createElement(v.tag);
  node[VNODE] = { tag: v.tag, props: {}, children: [] };
  if (v.props.created) made.push([node, v.props.created]);
  return update(node, v);
}

function update(node, v) {
  if (!v.tag) {
    if (node.data !== String(v)) node.data = String(v);
    return node;
  }
  const old = node[VNODE].props;
  node[VNODE] = v;
  if (v.props.memo !== undefined && v.props.memo === old.memo) return node;
  patchProps(node, old, v.props);
  patchChildren(node, v.children);
  if ('value' in v.props) setValue(node, v.props.value);
  return node;
}

const HANDLED = new Set(['key', 'memo', 'on', 'vars', 'value', 'created']);

function patchProps(node, old, props) {
  for (const name of new Set([...Object.keys(old), ...Object.keys(props)])) {
    if (HANDLED.has(name) || old[name] === props[name]) continue;
    const value = props[name];
    if (value === null || value === undefined || value === false) node.removeAttribute(name);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  for (const [name, handler] of Object.entries(props.on ?? {})) node['on' + name] = handler;
  for (const name of Object.keys(old.on ?? {})) if (!props.on?.[name]) node['on' + name] = null;
  for (const [name, value] of Object.entries(props.vars ?? {})) {
    if (old.vars?.[name] !== value) node.style.setProperty('--' + name, String(value));
  }
}

/** setValue leaves alone what somebody types in. A <data> has its figure in an attribute. */
function setValue(node, value) {
  if (node.localName === 'data' || node.localName === 'option') {
    if (node.getAttribute('value') !== String(value)) node.setAttribute('value', String(value));
  } else if (node !== document.activeElement && node.value !== String(value)) node.value = String(value);
}
