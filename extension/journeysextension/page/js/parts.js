// What all views are made of.

import { h } from './dom.js';
import * as f from './format.js';

/** figure shows a number as text and holds it exactly, for tooltips and tests. */
export function figure(value, text, id) {
  const exact = value === null || value === undefined ? '' : value;
  const title = typeof value === 'number' && Number.isFinite(value) && Math.abs(value) >= 1000 ? exactly(value) : null;
  return h('data', { value: exact, title, 'data-figure': id ?? null }, text);
}

function exactly(value) {
  return f.grouped(Math.trunc(value)) + (Number.isInteger(value) ? '' : '.' + (Math.abs(value) % 1).toFixed(2).slice(2));
}

/** name shows a stranger's name, isolated from the direction of what is around it. */
export function name(text, cls = '', max = 120) {
  const shown = f.visible(text, max);
  return h('bdi', { class: 'name ' + cls, title: shown.length > 24 ? f.visible(text, 600) : null }, shown);
}

/** MONTH_LATER is why there is no amount a month yet. */
export const MONTH_LATER = 'known once a minute is covered';

/** card is a titled section. */
export function card(id, title, note, ...children) {
  return h('section', { key: id, id, class: 'card', 'aria-labelledby': id + '-title' },
    h('header', { class: 'card-head' }, h('h2', { id: id + '-title' }, title), note ? h('p', { class: 'note' }, note) : null),
    children);
}

/** kpi is one key figure with what belongs to it. */
export function kpi({ id, label, value, unit, facts, trend, bar, tone }) {
  return h('div', { key: id, class: 'card kpi' + (tone ? ' ' + tone : ''), 'data-kpi': id, role: 'group', 'aria-label': label },
    h('p', { class: 'kpi-label' }, label),
    h('p', { class: 'kpi-value' }, value, unit ? h('span', { class: 'kpi-unit' }, unit) : null),
    facts ? h('p', { class: 'kpi-facts' }, facts) : null,
    bar ?? null,
    trend ? spark(trend, { width: 240, height: 36, cls: 'kpi-spark', fill: true }) : null);
}

/** bar shows a part of a whole; what it says stands beside it as text. */
export function bar(share, tone = '') {
  const part = Math.max(0, Math.min(1, share ?? 0));
  return h('span', { class: 'bar ' + tone, 'aria-hidden': 'true', vars: { part: (part * 100).toFixed(2) + '%' } }, h('span', {}));
}

/** badge is a short state in a colour that the words do not depend on. */
export function badge(text, tone) {
  return h('span', { class: 'badge ' + tone }, text);
}

/** outcome names how a journey ended. */
export function outcome(what) {
  const tones = { __proto__: null, ok: 'good', error: 'bad', incomplete: 'warn' };
  return badge(tones[what] ? what : f.visible(what, 20), tones[what] ?? 'calm');
}

/**
 * spark is a line of how many there were in each step of time. The last step is
 * not over yet and therefore not drawn.
 */
export function spark(values, { width = 112, height = 24, cls = '', fill = false } = {}) {
  const points = values.slice(0, -1);
  const known = points.some((n) => n > 0);
  const line = known ? linePoints(points, width, height) : [];
  const label = known ? `trend: ${f.count(Math.min(...points))} to ${f.count(Math.max(...points))}, at last ${f.count(points.at(-1))}` : 'no trend yet';
  return h('svg', { class: 'spark ' + cls, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    fill && known ? h('path', { class: 'spark-area', d: `M0 ${height}L${line.join('L')}L${width} ${height}Z` }) : null,
    h('path', { class: known ? 'spark-line' : 'spark-none', d: known ? 'M' + line.join('L') : `M0 ${height - 2}H${width}` }));
}

function linePoints(values, width, height) {
  const top = Math.max(...values, 1);
  const pad = 2;
  return values.map((v, i) => `${((i / (values.length - 1)) * width).toFixed(1)} ${(height - pad - (Math.max(v, 0) / top) * (height - 2 * pad)).toFixed(1)}`);
}

/** facts is a list of terms and what they are. */
export function facts(rows) {
  return h('dl', { class: 'facts' }, rows.filter(Boolean).map(([term, ...what]) =>
    h('div', { key: term }, h('dt', {}, term), h('dd', {}, what))));
}

/**
 * grid is a table that becomes cards where it is narrow. columns: {id, label,
 * cls, cell(row), head?}; roles are written out because a table that is not laid
 * out as one loses them.
 */
export function grid({ id, label, columns, rows, rowKey, memo, rowClass }) {
  return h('div', { class: 'grid-box' },
    h('table', { class: 'grid', id, role: 'table', 'aria-label': label, 'aria-rowcount': rows.length + 1 },
      h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map((c) =>
        h('th', { key: c.id, class: c.cls, scope: 'col', role: 'columnheader', 'aria-sort': c.order ?? null }, c.head ?? c.label)))),
      h('tbody', { role: 'rowgroup' }, rows.map((row, i) => gridRow(columns, row, { key: rowKey(row, i), memo: memo?.(row), cls: rowClass?.(row) })))));
}

function gridRow(columns, row, { key, memo, cls }) {
  return h('tr', { key, memo, role: 'row', class: cls ?? null }, columns.map((c, i) =>
    h(i === 0 ? 'th' : 'td', { class: c.cls, role: i === 0 ? 'rowheader' : 'cell', scope: i === 0 ? 'row' : null, 'data-label': c.label, 'data-column': c.id }, h('div', { class: 'cell' }, c.cell(row)))));
}

const unfolded = new Set();

/** folded shows the first of a long list, and the rest to whoever wants it. */
export function folded(app, id, rows, show, first = 10) {
  const open = unfolded.has(id) || rows.length <= first + 2;
  return [
    show(open ? rows : rows.slice(0, first)),
    open ? null : h('p', { class: 'show-more' }, h('button', { type: 'button', on: { click: () => { unfolded.add(id); app.draw(); } } }, `Show all ${f.grouped(rows.length)}`)),
  ];
}

/** notice tells something that is not as usual. */
export function notice(tone, ...words) {
  return h('div', { class: 'notice ' + tone }, h('p', {}, words));
}

/** empty says why there is nothing, and what to do. */
export function empty(title, ...words) {
  return h('div', { class: 'empty' }, h('p', { class: 'empty-title' }, title), h('p', {}, words));
}

/** traceLinks are the id, which leads to the look-up, and the way into the trace store. */
export function traceLinks(id, link, lookup) {
  const text = f.visible(id, 40);
  return h('span', { class: 'trace-links' },
    h('a', { href: lookup, class: 'mono', 'aria-label': 'Look up trace ' + text }, h('span', { class: 'trace-id' }, text)),
    link ? store(link, 'trace ' + text.slice(0, 8)) : null);
}

/** store links into the trace store; anything but http(s) is not followed. */
export function store(link, what) {
  if (!/^https?:\/\//i.test(link)) return null;
  return h('a', { href: link, class: 'store', target: '_blank', rel: 'noopener noreferrer', 'aria-label': `Open ${what} in Jaeger (new tab)` }, 'Jaeger', h('span', { 'aria-hidden': 'true' }, '\u2009↗'));
}

/** path is services in order. */
export function path(services) {
  return h('span', { class: 'path' }, services.map((s, i) => [i > 0 ? h('span', { class: 'arrow', 'aria-label': 'then' }, ' → ') : null, name(s, '', 60)]));
}
