// The flow map: services, queues and databases, and what goes between them. All
// that it shows is in the table below it as well.

import { h } from './dom.js';
import * as f from './format.js';
import { places, parts } from './layout.js';

/** NARROW is where the map runs down instead of across, in CSS pixels. */
const NARROW = 720;
const SCALES = { least: 0.15, readable: 0.8, most: 2, step: 1.25 };
const map = { zoom: null, of: '', at: null, direction: '', lit: null }; // zoom null: as large as is legible

// Words for what the API names; without a prototype, whose names are no words of ours.
export const PROTOCOLS = { __proto__: null, http: 'HTTP', grpc: 'gRPC', amqp: 'AMQP', messaging: 'Messages', db: 'Database', other: 'Call' };
export const KINDS = { __proto__: null, user: 'user', service: 'service', queue: 'queue', database: 'database', external: 'external' };

/** WORTH_RED is the share of errors from which a part of the map is marked. */
const WORTH_RED = 0.01;

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', sans-serif"; // as in the style sheet
const measure = document.createElement('canvas').getContext('2d');

/** fitted cuts a name to a width in pixels, by what people see as characters. */
function fitted(text, width, font) {
  const shown = f.visible(text, 80);
  measure.font = font;
  if (measure.measureText(shown).width <= width) return shown;
  let low = 1;
  let high = 80;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (measure.measureText(f.clipped(shown, middle)).width <= width) low = middle;
    else high = middle - 1;
  }
  return f.clipped(shown, low);
}

/** flowMap draws the flow as wide as there is room. */
export function flowMap(app, flow, of) {
  if (map.of !== of) Object.assign(map, { of, zoom: null, at: null, lit: null });
  const direction = app.width < NARROW ? 'TB' : 'LR';
  const all = parts(flow);
  const at = places(all, direction, app.draw) ?? (map.direction === direction ? map.at : null);
  if (!at) return h('p', { class: 'note map-wait', 'aria-busy': 'true' }, `Placing ${f.plural(all.nodes.length, 'node')}…`);
  if (at.error) return h('p', { class: 'note' }, 'The map could not be drawn; the table has all of it.');
  Object.assign(map, { at, direction });
  // What is new has no place until the worker has answered: until then the map stays as it was.
  const nodes = all.nodes.filter((n) => at.nodes.has(n.key));
  const edges = all.edges.filter((e) => at.edges.has(e.key));
  const scale = map.zoom ?? fittingScale(at, app.width);
  return [
    zoomButtons(app, at, scale),
    h('div', { class: 'map-box', role: 'region', 'aria-label': 'Flow map', tabindex: '0', key: `map ${direction} ${of}`, created: (e) => showEntry(e, at, scale, { nodes, edges }) },
      drawing(app, { nodes, edges, at, scale, direction, of })),
  ];
}

/** showEntry scrolls a map that is larger than its box to where journeys begin. */
function showEntry(box, at, scale, { nodes, edges }) {
  const reached = new Set(edges.map((e) => e.toKey));
  const entry = nodes.find((n) => n.kind === 'user') ?? nodes.find((n) => !reached.has(n.key)) ?? nodes[0];
  const { x, y } = at.nodes.get(entry.key);
  box.scrollTo(x * scale - box.clientWidth / 2, y * scale - box.clientHeight / 2);
}

function fittingScale(at, width) {
  const room = width - 34; // the card's padding
  return Math.min(1.25, Math.max(room / at.width, Math.min(SCALES.readable, 1)));
}

function zoomButtons(app, at, scale) {
  const whole = Math.min(1, (app.width - 34) / at.width, (window.innerHeight * 0.77) / at.height);
  const to = (zoom) => () => { map.zoom = Math.min(SCALES.most, Math.max(SCALES.least, zoom)); app.draw(); };
  const button = (label, text, zoom) => h('button', { type: 'button', 'aria-label': label, title: label, on: { click: to(zoom) } }, text);
  return h('div', { class: 'zoom', role: 'group', 'aria-label': 'Size of the map', key: 'zoom' },
    button('Smaller', '−', scale / SCALES.step), button('All of it', 'Fit', whole), button('Larger', '+', scale * SCALES.step));
}

function drawing(app, { nodes, edges, at, scale, direction, of }) {
  const words = `Flow of ${f.isolated(of, 80)}: ${f.plural(nodes.length, 'node')}, ${f.plural(edges.length, 'edge')}. The table below has all of it.`;
  return h('svg', {
    class: 'map', role: 'img', 'data-direction': direction, 'aria-label': words, viewBox: `0 0 ${at.width} ${at.height}`,
    width: Math.round(at.width * scale), height: Math.round(at.height * scale),
    on: { pointerover: (e) => light(app, e.target.closest('[data-node]')?.dataset.node ?? null), pointerleave: () => light(app, null) },
  },
  h('g', { key: 'lines' }, edges.map((e) => line(e, at, direction))),
  h('g', { key: 'nodes' }, nodes.map((n) => box(n, at.nodes.get(n.key)))),
  h('g', { key: 'labels' }, edges.map((e) => label(e, at.edges.get(e.key), direction))));
}

/** light brings out what is joined to one node, among many. */
function light(app, key) {
  if (map.lit === key) return;
  map.lit = key;
  app.draw();
}

/** shade is the class of what is not joined to the node that is brought out. */
function shade(...keys) {
  return map.lit !== null && !keys.includes(map.lit) ? ' dim' : '';
}

/** line is an edge: as thick as it is busy, dashed if nobody waits at its other end. */
function line(edge, at, direction) {
  const place = at.edges.get(edge.key);
  const points = route(place, at.nodes.get(edge.fromKey), at.nodes.get(edge.toKey), direction);
  const cls = `edge p-${edge.protocol in PROTOCOLS ? edge.protocol : 'other'}${edge.error_share >= WORTH_RED ? ' failing' : ''}${shade(edge.fromKey, edge.toKey)}`;
  const thickness = Math.min(4, 1.5 + Math.log10(1 + edge.per_minute) * 0.6).toFixed(1);
  const { x, y } = points.at(-1);
  const before = points.at(-2);
  const turn = (Math.atan2(y - before.y, x - before.x) * 180) / Math.PI;
  return h('g', { key: edge.key, class: cls },
    h('path', { class: 'edge-line', d: curve(points, direction), 'stroke-width': thickness }),
    h('path', { class: 'edge-head', d: 'M0 0L-10 -5L-8 0L-10 5Z', transform: `translate(${x.toFixed(1)} ${y.toFixed(1)}) rotate(${turn.toFixed(1)})` }));
}

// How an edge runs: along the map, and across it.
const AXES = { LR: { along: 'x', across: 'y', length: 'width', breadth: 'height' }, TB: { along: 'y', across: 'x', length: 'height', breadth: 'width' } };

/**
 * route makes an edge leave at the end of a node, arrive at the beginning of the
 * next, and run straight beside its label, so that no line crosses its own words.
 */
function route(place, from, to, direction) {
  const axes = AXES[direction];
  // Across the map the words stand on both sides of the line, down it beside it.
  const lane = direction === 'LR' ? place.y : place.x - place.width / 2 - 6;
  return straightened(docked(place.points, from, to, axes, lane), place, axes, lane);
}

function docked(points, from, to, { along, across, length, breadth }, lane) {
  const [start, end] = [from[along] + from[length] / 2, to[along] - to[length] / 2];
  if (start >= end) return points; // it runs back
  // Those that go far to one side dock a little to that side, beside the others.
  const beside = (node) => node[across] + Math.max(-1, Math.min(1, (lane - node[across]) / 240)) * (node[breadth] / 2 - 12);
  return [{ [along]: start, [across]: beside(from) }, ...points.slice(1, -1), { [along]: end, [across]: beside(to) }];
}

function straightened(points, place, { along, across, length }, lane) {
  const half = place[length] / 2;
  const forward = points[0][along] <= points.at(-1)[along] ? 1 : -1;
  const from = (p) => (p[along] - place[along]) * forward;
  const before = points.filter((p, i) => i === 0 || from(p) < -half - 8);
  const after = points.filter((p, i) => i === points.length - 1 || from(p) > half + 8);
  const ends = [-half, half].map((way) => ({ [along]: place[along] + way * forward, [across]: lane }));
  return [...before, ...ends, ...after];
}

/** curve goes through all points, in the direction of the map at each of them. */
function curve(points, direction) {
  let d = `M${points[0].x.toFixed(1)} ${points[0].y.toFixed(1)}`;
  for (let i = 1; i < points.length; i += 1) {
    const [a, b] = [points[i - 1], points[i]];
    const [c1, c2] = direction === 'LR' ? [{ x: (a.x + b.x) / 2, y: a.y }, { x: (a.x + b.x) / 2, y: b.y }] : [{ x: a.x, y: (a.y + b.y) / 2 }, { x: b.x, y: (a.y + b.y) / 2 }];
    d += `C${[c1, c2, b].map((p) => `${p.x.toFixed(1)} ${p.y.toFixed(1)}`).join(' ')}`;
  }
  return d;
}

/** label has the figures of an edge: two lines above it and two below, or all beside it. */
function label(edge, { x, y, width }, direction) {
  const beside = direction === 'TB';
  const left = beside ? x - width / 2 + 2 : x;
  const lines = [
    ['protocol', PROTOCOLS[edge.protocol] ?? PROTOCOLS.other], ['rate', f.perMinute(edge.per_minute)],
    ['time', edgeTime(edge)], ['errors', edge.errors > 0 ? `${f.share(edge.error_share)} err` : ''],
  ].filter(([, text]) => text);
  const cls = `label p-${edge.protocol in PROTOCOLS ? edge.protocol : 'other'}${shade(edge.fromKey, edge.toKey)}`;
  return h('g', { key: edge.key, class: cls, 'text-anchor': beside ? 'start' : 'middle', 'data-edge': `${edge.fromName} -${edge.protocol}-> ${edge.toName}` },
    h('title', {}, edgeWords(edge)),
    lines.map(([what, text], i) => h('text', { key: what, class: what, x: left.toFixed(1), y: (y + LINE_AT[i]).toFixed(1) }, text)));
}

const LINE_AT = [-19, -6.5, 14, 26.5];

export function edgeTime(edge) {
  if (edge.wait_p95_ms !== null) return `waits ${f.duration(edge.wait_p95_ms)}`;
  return edge.p95_ms === null ? '' : `p95 ${f.duration(edge.p95_ms)}`;
}

function edgeWords(edge) {
  return [`${f.isolated(edge.fromName)} → ${f.isolated(edge.toName)}`, PROTOCOLS[edge.protocol] ?? PROTOCOLS.other, `${f.grouped(edge.count)} in all, ${f.perMinute(edge.per_minute)}`,
    `errors ${f.grouped(edge.errors)} (${f.share(edge.error_share)})`, edge.p95_ms === null ? '' : `p50 ${f.duration(edge.p50_ms)}, p95 ${f.duration(edge.p95_ms)}`,
    edge.wait_p95_ms === null ? '' : `time in queue p50 ${f.duration(edge.wait_p50_ms)}, p95 ${f.duration(edge.wait_p95_ms)}`].filter(Boolean).join('\n');
}

/** box is a node in the shape of its kind. */
function box(node, { x, y, width, height }) {
  const kind = KINDS[node.kind] ? node.kind : 'external';
  const failing = node.error_share >= WORTH_RED ? ' failing' : '';
  const title = fitted(node.name, width - (kind === 'queue' ? 30 : 14), '600 12px ' + FONT);
  const [second, third] = nodeLines(node);
  const lines = kind === 'database' ? [22.5, 34.5, 46] : [22, 36.5, 49.5]; // a drum is narrower at its foot
  return h('g', { key: node.key, 'data-node': node.key, class: `node k-${kind}${failing}`, transform: `translate(${(x - width / 2).toFixed(1)} ${(y - height / 2).toFixed(1)})` },
    h('title', {}, `${f.isolated(node.name, 600)}\n${node.system ? f.isolated(node.system, 60) + ' ' : ''}${KINDS[kind]}\n${f.grouped(node.count)} in all, ${f.perMinute(node.per_minute)}`),
    shape(kind, width, height),
    h('text', { class: 'node-name', key: 'name', x: width / 2, y: lines[0] }, title),
    h('text', { class: 'node-sub', key: 'sub', x: width / 2, y: lines[1] }, second),
    third ? h('text', { class: 'node-sub' + (failing ? ' errors' : ''), key: 'third', x: width / 2, y: lines[2] }, third) : null);
}

function nodeLines(node) {
  const rate = f.perMinute(node.per_minute);
  const system = node.system ? fitted(node.system, 80, '11px ' + FONT) : '';
  const time = node.p95_ms === null ? '' : `p95 ${f.duration(node.p95_ms)}`;
  const errors = node.errors > 0 ? `${f.share(node.error_share)} err` : '';
  if (node.kind === 'user') return [rate, ''];
  if (node.kind === 'queue') return [system ? `${system} queue` : 'queue', [rate, errors].filter(Boolean).join(' · ')];
  if (node.kind === 'database') return [system || 'database', [time || rate, errors].filter(Boolean).join(' · ')];
  if (node.kind === 'external') return ['external', [time || rate, errors].filter(Boolean).join(' · ')];
  return [rate, [time, errors].filter(Boolean).join(' · ')];
}

function shape(kind, w, h2) {
  if (kind === 'database') {
    return h('g', { class: 'shape', key: 'shape' },
      h('path', { class: 'outline', d: `M0 7C0 -2.5 ${w} -2.5 ${w} 7V${h2 - 7}C${w} ${h2 + 2.5} 0 ${h2 + 2.5} 0 ${h2 - 7}Z` }), h('path', { class: 'detail', d: `M0 7C0 14.5 ${w} 14.5 ${w} 7` }));
  }
  const radius = kind === 'user' ? h2 / 2 : kind === 'queue' ? 4 : 9;
  return h('g', { class: 'shape', key: 'shape' },
    h('rect', { class: 'outline', width: w, height: h2, rx: radius }),
    kind === 'queue' ? h('path', { class: 'detail', d: `M6 0V${h2}M11 0V${h2}M${w - 6} 0V${h2}M${w - 11} 0V${h2}` }) : null);
}

/** named adds to each edge the names of its ends. */
export function named(flow) {
  const names = new Map(flow.nodes.map((n) => [n.id, n.name]));
  return { ...flow, edges: flow.edges.map((e) => ({ ...e, fromName: names.get(e.from) ?? '?', toName: names.get(e.to) ?? '?' })) };
}
