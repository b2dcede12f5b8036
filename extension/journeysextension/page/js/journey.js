// All about one journey.

import { chart } from './chart.js';
import { h } from './dom.js';
import * as f from './format.js';
import { flowMap, KINDS, named, PROTOCOLS } from './map.js';
import { badge, bar, card, empty, figure, folded, grid, kpi, MONTH_LATER, name, notice, outcome, path, traceLinks } from './parts.js';
import { address, windowWords } from './route.js';

const dataPath = (route) => `journey?name=${encodeURIComponent(route.name)}&window=${route.window}`;
const pricesPath = (route) => `overview?window=${route.window}`;

export const paths = (route) => [dataPath(route), pricesPath(route)];
export const title = (route) => f.visible(route.name, 80);

export function view(app) {
  const { route } = app;
  const journey = app.feed.body(dataPath(route));
  const refusal = app.feed.refusal(dataPath(route));
  return [
    h('nav', { class: 'crumbs', 'aria-label': 'Way back' }, h('a', { href: address(route, { view: 'journeys' }) }, '← All journeys')),
    h('h1', { id: 'title', tabindex: '-1' }, name(route.name, 'text', 600)),
    body(app, journey, refusal),
  ];
}

function body(app, journey, refusal) {
  if (refusal) return card('unknown', 'Nothing is known of this journey', null, h('p', {}, 'It has not come since the collector started, or not for a day. ', h('a', { href: address(app.route, { view: 'journeys' }) }, 'All journeys')));
  if (!journey) return h('p', { class: 'note', 'aria-busy': 'true' }, 'Asking the collector…');
  if (journey.row.count === 0 && journey.flow.nodes.length === 0) {
    return [card('none', 'No such journey in this window', null, empty(`None was decided in ${windowWords(app.route.window)}.`, 'Earlier ones are in a longer window; the latest traces are below.')), traces(app, journey)];
  }
  const currency = app.feed.body(pricesPath(app.route))?.money.currency ?? '';
  return [
    figures(journey.row, currency), omitted(journey), flow(app, journey),
    h('div', { class: 'columns' }, h('div', { class: 'stack' }, overTime(journey), steps(app, journey), stops(app, journey)), h('div', { class: 'stack' }, why(app, journey), shapes(app, journey))),
    traces(app, journey),
  ];
}

function figures(r, currency) {
  return h('section', { class: 'kpis six', 'aria-label': 'Key figures' },
    kpi({ id: 'count', label: 'Journeys', value: figure(r.count, f.count(r.count), 'count'), facts: figure(r.per_minute, f.perMinute(r.per_minute)) }),
    kpi({ id: 'errors', label: 'Failed', tone: r.errors ? 'bad' : '', value: figure(r.error_share, f.share(r.error_share)), facts: [figure(r.errors, f.count(r.errors), 'errors'), ' journeys'] }),
    kpi({ id: 'incomplete', label: 'Incomplete', tone: r.incomplete ? 'warn' : '', value: figure(r.incomplete_share, f.share(r.incomplete_share)), facts: [figure(r.incomplete, f.count(r.incomplete), 'incomplete'), ' journeys'] }),
    kpi({ id: 'duration', label: 'Duration, p95', value: figure(r.p95_ms, f.duration(r.p95_ms), 'p95'), facts: ['p50 ', figure(r.p50_ms, f.duration(r.p50_ms), 'p50'), ' · p99 ', figure(r.p99_ms, f.duration(r.p99_ms), 'p99')] }),
    kpi({ id: 'kept', label: 'Kept', value: figure(r.kept_share, f.share(r.kept_share)), facts: [figure(r.kept, f.count(r.kept), 'kept'), ' journeys · ', figure(r.spans.stored, f.count(r.spans.stored), 'stored'), ' of ', figure(r.spans.received, f.count(r.spans.received), 'received'), ' spans'] }),
    kpi({ id: 'saved', label: 'Saved', tone: r.saved_per_month > 0 ? 'good' : '', value: figure(r.saved_per_month, f.money(r.saved_per_month, currency), 'saved'), unit: ' /month', facts: r.saved_per_month === null ? MONTH_LATER : [figure(r.bytes.stored, f.bytes(r.bytes.stored)), ' stored of ', figure(r.bytes.received, f.bytes(r.bytes.received))] }));
}

function omitted(j) {
  return j.omitted.length === 0 ? null : notice('warn', `Not all ${j.omitted.map((o) => f.visible(o, 20)).join(', ')} are shown: a limit was reached.`);
}

function flow(app, j) {
  const all = named(j.flow);
  const note = j.flow.mapped < j.flow.of ? `estimated from ${f.grouped(j.flow.mapped)} of ${f.plural(j.flow.of, 'journey')}` : null;
  if (all.nodes.length === 0) return card('flow', 'Flow', note, h('p', { class: 'note' }, 'No journey of this window is on the map yet.'));
  return card('flow', 'Flow', note, flowMap(app, all, j.row.name),
    h('details', { class: 'as-table', key: 'as-table' }, h('summary', {}, 'The map as a table'), edgesTable(all), nodesTable(all)));
}

function edgesTable(all) {
  return grid({
    id: 'edges', label: 'Edges of the map', rows: all.edges, rowKey: (e) => `${e.fromName}\n${e.toName}\n${e.protocol}\n${e.from}`, memo: JSON.stringify,
    columns: [
      { id: 'from', label: 'From', cell: (e) => name(e.fromName) },
      { id: 'to', label: 'To', cell: (e) => name(e.toName) },
      { id: 'protocol', label: 'Protocol', cell: (e) => PROTOCOLS[e.protocol] ?? PROTOCOLS.other },
      { id: 'rate', label: 'Rate', cls: 'num', cell: (e) => figure(e.per_minute, f.perMinute(e.per_minute)) },
      { id: 'count', label: 'Count', cls: 'num', cell: (e) => figure(e.count, f.grouped(e.count), 'count') },
      { id: 'errors', label: 'Errors', cls: 'num', cell: (e) => figure(e.errors, f.share(e.error_share), 'errors') },
      { id: 'p50', label: 'p50', cls: 'num', cell: (e) => figure(e.p50_ms, f.duration(e.p50_ms)) },
      { id: 'p95', label: 'p95', cls: 'num', cell: (e) => figure(e.p95_ms, f.duration(e.p95_ms)) },
      { id: 'wait', label: 'In queue, p95', cls: 'num', cell: (e) => figure(e.wait_p95_ms, f.duration(e.wait_p95_ms)) },
    ],
  });
}

function nodesTable(all) {
  return grid({
    id: 'nodes', label: 'Nodes of the map', rows: all.nodes, rowKey: (n) => `${n.kind}\n${n.system}\n${n.name}`, memo: JSON.stringify,
    columns: [
      { id: 'node', label: 'Node', cell: (n) => name(n.name) },
      { id: 'kind', label: 'Kind', cell: (n) => [n.system ? [name(n.system), ' '] : null, KINDS[n.kind] ?? KINDS.external] },
      { id: 'rate', label: 'Rate', cls: 'num', cell: (n) => figure(n.per_minute, f.perMinute(n.per_minute)) },
      { id: 'errors', label: 'Errors', cls: 'num', cell: (n) => figure(n.errors, f.share(n.error_share)) },
      { id: 'p50', label: 'p50', cls: 'num', cell: (n) => figure(n.p50_ms, f.duration(n.p50_ms)) },
      { id: 'p95', label: 'p95', cls: 'num', cell: (n) => figure(n.p95_ms, f.duration(n.p95_ms)) },
    ],
  });
}

function overTime(j) {
  return card('trend', 'Over time', windowWords(j.window.name), chart(j.trend));
}

function why(app, j) {
  const most = Math.max(...j.rules.map((r) => r.kept), 1);
  if (j.rules.length === 0) return card('why', 'Why traces were kept', null, h('p', { class: 'note' }, 'No rule has matched yet.'));
  return card('why', 'Why traces were kept', 'rules in their order', folded(app, 'why', j.rules, (rules) => h('ul', { class: 'bars' }, rules.map((r, i) => h('li', { key: i + r.name, 'data-rule': r.name.slice(0, 200) },
    h('span', { class: 'bars-name' }, name(r.name)), bar(r.kept / most),
    h('span', { class: 'bars-value' }, figure(r.kept, f.count(r.kept), 'kept'), ' of ', figure(r.matched, f.count(r.matched), 'matched')),
    h('span', { class: 'bars-note' }, [aside(r.thinned, 'thinned'), aside(r.early, 'decided early'), aside(r.late, 'brought back late'), aside(r.spans_stored, 'spans stored')].filter(Boolean).map((t, k) => [k ? ' · ' : '', t]),
      r.reason ? [h('br'), 'latest: ', name(r.reason, 'text', 300)] : null))))));
}

function aside(n, words) {
  return n > 0 ? [figure(n, f.count(n)), ' ' + words] : null;
}

function steps(app, j) {
  if (j.steps.length === 0) return null;
  return card('steps', 'Steps', 'how many journeys reached each', folded(app, 'steps', j.steps, (list) => h('ol', { class: 'bars' }, list.map((s, i) => h('li', { key: i + s.name, 'data-step': s.name.slice(0, 200) },
    h('span', { class: 'bars-name' }, name(s.name)), bar(s.reached_share),
    h('span', { class: 'bars-value' }, figure(s.reached, f.count(s.reached), 'reached'), ' · ', figure(s.reached_share, f.share(s.reached_share))))))));
}

function stops(app, j) {
  if (j.stops.length === 0) return card('stops', 'Where journeys stop', null, h('p', { class: 'note' }, 'None failed, and none is incomplete.'));
  return card('stops', 'Where journeys stop', 'failed and incomplete ones', folded(app, 'stops', j.stops, (rows) => grid({
    id: 'stops-table', label: 'Where journeys stop', rows, rowKey: (s, i) => `${i} ${s.outcome} ${s.service} ${s.operation} ${s.missing}`,
    columns: [
      { id: 'where', label: 'Where', cell: (s) => [stopPlace(s), s.reason ? h('span', { class: 'sub' }, name(s.reason, 'text', 300)) : null] },
      { id: 'outcome', label: 'Outcome', cell: (s) => outcome(s.outcome) },
      { id: 'count', label: 'Journeys', cls: 'num', cell: (s) => [figure(s.count, f.count(s.count), 'count'), h('span', { class: 'sub' }, figure(s.share, f.share(s.share)))] },
    ],
  })));
}

function stopPlace(s) {
  const missing = s.missing ? ['before step ', h('strong', {}, name(s.missing))] : null;
  if (!s.service && !s.operation) return missing ?? 'not known';
  return [h('strong', {}, name(s.operation)), ' of ', name(s.service), missing ? [', ', missing] : null];
}

function shapes(app, j) {
  if (j.paths.length === 0) return null;
  return card('paths', 'Ways through the services', null, folded(app, 'paths', j.paths, (rows) => grid({
    id: 'paths-table', label: 'Ways through the services', rows, rowKey: (p) => p.services.join('\n'),
    columns: [
      { id: 'way', label: 'Way', cell: (p) => path(p.services) },
      { id: 'share', label: 'Share', cls: 'num', cell: (p) => [bar(p.share), figure(p.share, f.share(p.share))] },
      { id: 'count', label: 'Journeys', cls: 'num', cell: (p) => figure(p.count, f.count(p.count), 'count') },
      { id: 'errors', label: 'Failed', cls: 'num', cell: (p) => figure(p.errors, f.count(p.errors)) },
      { id: 'kept', label: 'Kept', cls: 'num', cell: (p) => figure(p.kept, f.count(p.kept)) },
      { id: 'p95', label: 'p95', cls: 'num', cell: (p) => figure(p.p95_ms, f.duration(p.p95_ms)) },
    ],
  })));
}

function traces(app, j) {
  const id = { id: 'trace', label: 'Trace', cell: (t) => traceLinks(t.trace_id, t.link, address(app.route, { view: 'trace', id: t.trace_id })) };
  const at = { id: 'at', label: 'Decided', cell: (t) => h('time', { datetime: t.at, title: f.moment(t.at) }, f.clock(t.at)) };
  const took = { id: 'duration', label: 'Duration', cls: 'num', cell: (t) => figure(t.duration_ms, f.duration(t.duration_ms)) };
  const spans = { id: 'spans', label: 'Spans', cls: 'num', cell: (t) => figure(t.spans, f.grouped(t.spans)) };
  const rule = { id: 'rule', label: 'Rule', cell: (t) => [name(t.rule), t.reason ? h('span', { class: 'sub' }, name(t.reason, 'text', 300)) : null] };
  const step = { id: 'step', label: 'Failing step', cell: (t) => [failing(t), t.outcome_reason ? h('span', { class: 'sub' }, name(t.outcome_reason, 'text', 300)) : null] };
  const kept = { id: 'kept', label: 'Kept', cell: (t) => (t.kept ? badge('kept', 'good') : badge('dropped', 'bad')) };
  const ended = { id: 'outcome', label: 'Outcome', cell: (t) => outcome(t.outcome) };
  return h('div', { class: 'columns traces', key: 'traces' },
    list(app, 'latest-kept', 'Latest kept traces', j.kept, [id, at, ended, rule, took, spans], 'None was kept yet.'),
    list(app, 'latest-failures', 'Latest failures', j.failures, [id, at, step, ended, kept, took], 'None failed.'));
}

function failing(t) {
  if (!t.service && !t.operation) return 'no span failed';
  return [h('strong', {}, name(t.operation)), ' of ', name(t.service)];
}

function list(app, id, title, traces, columns, none) {
  if (traces.length === 0) return card(id, title, null, h('p', { class: 'note' }, none));
  // One trace is there twice if a late error has brought it back.
  const rowKey = (t, i) => `${t.trace_id} ${traces.findIndex((other) => other.trace_id === t.trace_id) === i ? '' : i}`;
  return card(id, title, null, folded(app, id, traces, (rows) => grid({ id: id + '-table', label: title, rows, columns, rowKey }), 8));
}
