// The table of journeys: sorted, filtered, and bounded in what it draws.

import { h } from './dom.js';
import * as f from './format.js';
import { badge, figure, grid, name, spark } from './parts.js';
import { address } from './route.js';

/** ROWS is how many are drawn until somebody asks for more. */
const ROWS = 100;

const COLUMNS = [
  { id: 'name', label: 'Journey', by: (r) => r.name },
  { id: 'rate', label: 'Journeys', by: (r) => r.count },
  { id: 'trend', label: 'Trend' },
  { id: 'errors', label: 'Errors', by: (r) => r.error_share },
  { id: 'incomplete', label: 'Incomplete', by: (r) => r.incomplete_share },
  { id: 'p50', label: 'p50', by: (r) => r.p50_ms },
  { id: 'p95', label: 'p95', by: (r) => r.p95_ms },
  { id: 'p99', label: 'p99', by: (r) => r.p99_ms },
  { id: 'kept', label: 'Kept', by: (r) => r.kept_share },
  { id: 'spans', label: 'Spans stored / received', by: (r) => r.spans.received },
  { id: 'saved', label: 'Saved /month', by: (r) => r.saved_per_month },
];

const table = { order: [], by: '', shown: ROWS };

/** journeysTable draws the rows that the address asks for. */
export function journeysTable(app, answer, currency) {
  const { route } = app;
  const found = filtered(answer.rows, route.q);
  const rows = ordered(found, route);
  const drawn = rows.slice(0, table.shown);
  return [
    controls(app, found.length, answer.rows.length),
    found.length === 0 ? h('p', { class: 'empty', key: 'none' }, 'No journey has this in its name.') : h('div', { key: 'rows' }, grid({
      id: 'journeys-table', label: 'User journeys', rows: drawn, rowKey: (r) => 'j ' + r.name,
      memo: (r) => JSON.stringify([r, route.window, currency]), columns: columns(app, currency),
    })),
    rows.length > drawn.length ? h('p', { class: 'show-more', key: 'more' }, h('button', { type: 'button', on: { click: () => { table.shown += ROWS; app.draw(); } } },
      `Show ${f.grouped(Math.min(ROWS, rows.length - drawn.length))} more of ${f.grouped(rows.length - drawn.length)}`)) : null,
  ];
}

function filtered(rows, q) {
  const words = q.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  return words.length === 0 ? rows : rows.filter((r) => words.every((w) => r.name.toLocaleLowerCase().includes(w)));
}

/**
 * ordered sorts. While somebody points at the table or is in it with the
 * keyboard, rows keep their places: nothing moves away under a click.
 */
function ordered(rows, route) {
  const by = route.sort + ' ' + route.dir + ' ' + route.window + ' ' + route.q;
  const inUse = document.querySelector('#journeys-table tbody:is(:hover, :focus-within)');
  const sorted = rows.toSorted(comparison(route));
  if (inUse && by === table.by) {
    const place = new Map(table.order.map((n, i) => [n, i]));
    const at = (r) => place.get(r.name) ?? Infinity;
    sorted.sort((a, b) => (at(a) === at(b) ? 0 : at(a) - at(b)));
  }
  table.by = by;
  table.order = sorted.map((r) => r.name);
  return sorted;
}

/** comparison puts what is not known last, whichever the direction. */
function comparison({ sort, dir }) {
  const column = COLUMNS.find((c) => c.id === sort && c.by) ?? COLUMNS[1];
  const sign = dir === 'asc' ? 1 : -1;
  return (a, b) => {
    const [x, y] = [column.by(a), column.by(b)];
    if (x === y || (x === null && y === null)) return a.name < b.name ? -1 : 1;
    if (x === null) return 1;
    if (y === null) return -1;
    return sign * (typeof x === 'string' ? x.localeCompare(y) : x - y);
  };
}

function controls(app, found, all) {
  const { route } = app;
  return h('div', { class: 'controls', key: 'controls' },
    h('label', { class: 'field' }, h('span', {}, 'Filter'), h('input', {
      type: 'search', id: 'filter', value: route.q, placeholder: 'Name of a journey', autocomplete: 'off', spellcheck: 'false',
      on: { input: (e) => { table.shown = ROWS; app.replace({ q: e.target.value }); app.say(`${f.plural(filtered(app.rows(), e.target.value).length, 'journey')} found`); } },
    })),
    h('label', { class: 'field narrow-only' }, h('span', {}, 'Sort by'), h('select', {
      id: 'sort', value: route.sort, on: { change: (e) => app.replace({ sort: e.target.value, dir: e.target.value === 'name' ? 'asc' : 'desc' }) },
    }, COLUMNS.filter((c) => c.by).map((c) => h('option', { key: c.id, value: c.id, selected: c.id === route.sort }, c.label)))),
    found < all ? h('p', { class: 'note' }, `${f.grouped(found)} of ${f.grouped(all)}`) : null);
}

function heading(app, column) {
  const { route } = app;
  const active = route.sort === column.id;
  const first = column.id === 'name' ? 'asc' : 'desc';
  const next = active ? (route.dir === 'asc' ? 'desc' : 'asc') : first;
  return h('button', { type: 'button', class: 'sort', 'data-sort': column.id, on: { click: () => { app.replace({ sort: column.id, dir: next }); app.say(`Sorted by ${column.label}, ${next === 'asc' ? 'ascending' : 'descending'}`); } } },
    column.label, active ? h('span', { class: 'sort-mark', 'aria-hidden': 'true' }, route.dir === 'asc' ? '↑' : '↓') : null);
}

function columns(app, currency) {
  const { route } = app;
  const cells = {
    name: (r) => h('a', { href: address(route, { view: 'journey', name: r.name }) }, name(r.name, 'journey-name')),
    rate: (r) => [figure(r.count, f.count(r.count), 'count'), h('span', { class: 'sub' }, figure(r.per_minute, f.perMinute(r.per_minute)))],
    trend: (r) => spark(r.trend),
    errors: (r) => tinted(r.errors, r.error_share, 'bad', 'errors'),
    incomplete: (r) => tinted(r.incomplete, r.incomplete_share, 'warn', 'incomplete'),
    p50: (r) => figure(r.p50_ms, f.duration(r.p50_ms), 'p50'),
    p95: (r) => figure(r.p95_ms, f.duration(r.p95_ms), 'p95'),
    p99: (r) => figure(r.p99_ms, f.duration(r.p99_ms), 'p99'),
    kept: (r) => [figure(r.kept, f.share(r.kept_share), 'kept')],
    spans: (r) => [figure(r.spans.stored, f.count(r.spans.stored), 'stored'), ' / ', figure(r.spans.received, f.count(r.spans.received), 'received')],
    saved: (r) => figure(r.saved_per_month, f.money(r.saved_per_month, currency), 'saved'),
  };
  return COLUMNS.map((c) => ({
    ...c, cls: 'c-' + c.id, cell: cells[c.id], head: c.by ? heading(app, c) : c.label,
    order: c.by ? (route.sort === c.id ? (route.dir === 'asc' ? 'ascending' : 'descending') : 'none') : null,
  }));
}

/** tinted is a share in a colour only if there is something to see. */
function tinted(n, share, tone, id) {
  const shown = figure(n, f.share(share), id);
  return n > 0 ? badge([shown], tone) : h('span', { class: 'quiet' }, shown);
}
