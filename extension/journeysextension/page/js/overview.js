// The first view: key figures, the state in one line, and the table of journeys.

import { h } from './dom.js';
import * as f from './format.js';
import { badge, bar, card, empty, figure, kpi, MONTH_LATER, notice } from './parts.js';
import { address, windowWords, WINDOWS } from './route.js';
import { shadowLine } from './shadow.js';
import { journeysTable } from './table.js';

export const paths = (route) => [`overview?window=${route.window}`, `journeys?window=${route.window}`, 'live'];
export const title = () => 'Journeys';

export function view(app) {
  const [overviewPath, tablePath] = paths(app.route);
  const overview = app.feed.body(overviewPath);
  const table = app.feed.body(tablePath);
  return [
    h('h1', { id: 'title', class: 'unseen', tabindex: '-1' }, 'Journeys'),
    overview ? keyFigures(overview) : h('div', { class: 'kpis', 'aria-busy': 'true' }, [1, 2, 3, 4, 5].map((i) => h('div', { key: i, class: 'card kpi waiting' }))),
    stateLine(app),
    card('journeys', 'User journeys', table ? tableNote(table) : null, table ? tableOrWhy(app, overview, table) : h('p', { class: 'note', 'aria-busy': 'true' }, 'Asking the collector…')),
    overview ? footnotes(overview) : null,
  ];
}

function keyFigures(o) {
  return h('section', { class: 'kpis', 'aria-label': 'Key figures of ' + windowWords(o.window.name) }, journeys(o), received(o), stored(o), failed(o), saved(o));
}

function journeys(o) {
  return kpi({
    id: 'journeys', label: 'Journeys', value: figure(o.journeys.count, f.count(o.journeys.count), 'journeys.count'),
    facts: [figure(o.journeys.per_minute, f.perMinute(o.journeys.per_minute)), ' · ', figure(o.journeys.errors, f.count(o.journeys.errors), 'journeys.errors'), ' failed · ',
      figure(o.journeys.incomplete, f.count(o.journeys.incomplete), 'journeys.incomplete'), ' incomplete'],
    trend: o.trend.journeys,
  });
}

function received(o) {
  return kpi({
    id: 'received', label: 'Spans received', value: figure(o.spans.received, f.count(o.spans.received), 'spans.received'),
    facts: [figure(o.spans.per_second, f.perSecond(o.spans.per_second)), ' · ', figure(o.bytes.received, f.bytes(o.bytes.received), 'bytes.received')],
    trend: o.trend.spans_received,
  });
}

function stored(o) {
  return kpi({
    id: 'stored', label: 'Spans stored', value: figure(o.spans.stored, f.count(o.spans.stored), 'spans.stored'),
    facts: [figure(o.spans.share, f.share(o.spans.share)), ' of received · ', figure(o.bytes.stored, f.bytes(o.bytes.stored), 'bytes.stored')],
    bar: bar(o.spans.share), trend: o.trend.spans_stored,
  });
}

function failed(o) {
  const lost = o.failed.existing > o.failed.kept;
  return kpi({
    id: 'failed', label: 'Failed journeys kept', tone: lost ? 'bad' : '', value: figure(o.failed.share, f.share(o.failed.share)),
    facts: [figure(o.failed.kept, f.count(o.failed.kept), 'failed.kept'), ' of ', figure(o.failed.existing, f.count(o.failed.existing), 'failed.existing'), ' failed or incomplete'],
    trend: o.trend.errors.map((n, i) => n + (o.trend.incomplete[i] ?? 0)),
  });
}

/** saved is what a month saves, once there is enough to conclude it from. */
function saved(o) {
  const m = o.money;
  const price = [m.price_per_gb > 0 ? `${f.money(m.price_per_gb, m.currency, true)} per GB` : '', m.price_per_million_spans > 0 ? `${f.money(m.price_per_million_spans, m.currency, true)} per million spans` : ''].filter(Boolean).join(' and ');
  if (m.saved_per_month === null) return kpi({ id: 'saved', label: 'Saved', value: f.NONE, unit: [' ', h('bdi', {}, '/month')], facts: [MONTH_LATER, h('br'), priceWords(price)] });
  return kpi({
    id: 'saved', label: 'Saved', tone: m.saved_per_month > 0 ? 'good' : '', value: figure(m.saved_per_month, f.money(m.saved_per_month, m.currency), 'money.saved'), unit: [' ', h('bdi', {}, '/month')],
    facts: [figure(m.stored_per_month, f.money(m.stored_per_month, m.currency), 'money.stored'), ' instead of ', figure(m.received_per_month, f.money(m.received_per_month, m.currency), 'money.received'),
      h('br'), priceWords(price)],
  });
}

function priceWords(price) {
  return h('span', {}, price ? `at ${price}` : 'no prices are set');
}

function tableNote(table) {
  return [f.plural(table.rows.length, 'journey'), ' in ', windowWords(table.window.name)];
}

function tableOrWhy(app, overview, table) {
  if (table.rows.length > 0) return journeysTable(app, table, overview?.money.currency ?? '');
  if (overview && overview.processors.length === 0) {
    return empty('No journey processor reports here.', 'Set ', h('code', {}, 'reporter: journeys'), ' in the configuration of the ', h('code', {}, 'journey'), ' processor, and use it in a pipeline.');
  }
  const longer = WINDOWS.slice(WINDOWS.findIndex(([w]) => w === app.route.window) + 1);
  return empty(`No journey was decided in ${windowWords(app.route.window)}.`,
    longer.length ? ['Look at ', longer.map(([w, , words], i) => [i ? ' or ' : '', h('a', { href: address(app.route, { window: w }) }, words)]), ', or send'] : 'Send',
    ' spans to the collector: a journey is shown as soon as it is decided.');
}

/** stateLine is the live state in one line; all of it is a click away. */
function stateLine(app) {
  const live = app.feed.body('live');
  if (!live) return null;
  return h('section', { class: 'state', 'aria-label': 'Live state' }, live.processors.map((p) => h('p', { key: p.id, class: 'state-line' }, processorLine(p, live.processors.length > 1))),
    unwell(live.components), h('a', { class: 'more', href: address(app.route, { view: 'live' }) }, 'Live state'),
    live.processors.filter((p) => p.shadow).map((p) => h('p', { key: 'shadow ' + p.id, class: 'state-line shadow-line' }, shadowLine(p, live.processors.length > 1))));
}

function processorLine(p, several) {
  const parts = [
    [badge(f.visible(p.overload.name, 20), ['good', 'warn', 'warn', 'bad', 'bad'][p.overload.level] ?? 'bad')],
    [figure(p.traces, f.count(p.traces)), p.traces === 1 ? ' trace waits' : ' traces wait', p.traces ? [', the oldest ', figure(p.oldest_wait_seconds, f.seconds(p.oldest_wait_seconds))] : null],
    ['buffer ', figure(p.buffer.share, f.share(p.buffer.share))],
    p.budget ? ['budget ', figure(p.budget.share, f.share(p.budget.share))] : null,
    ...p.downstream.filter((d) => d.state !== 'ok').map((d) => [badge(`${f.visible(d.signal, 20)} refused`, 'bad')]),
  ].filter(Boolean);
  if (several) parts.unshift([h('bdi', {}, f.visible(p.id, 60))]);
  return parts.map((part, i) => h('span', { key: i, class: 'state-part' }, part));
}

function unwell(components) {
  return components.filter((c) => !['ok', 'starting'].includes(c.status)).map((c) =>
    h('p', { key: c.kind + c.id, class: 'state-line' }, badge(f.visible(c.status.replaceAll('_', ' '), 30), 'bad'), ' ', h('bdi', {}, f.visible(c.id, 60))));
}

const LIMITS = {
  __proto__: null,
  journeys: 'journeys are told apart; more are counted together', services: 'services are on one map', edges: 'edges are on one map',
  paths: 'paths are told apart in one journey', name_length: 'characters of a name are kept', memory: 'bytes of memory hold the history', mapped_spans: 'spans a second go on the maps',
};

function footnotes(o) {
  const reached = o.limits.filter((l) => l.reached > 0);
  if (reached.length === 0) return null;
  return notice('calm', 'Limits that were reached since the start: ', reached.map((l, i) => [i ? '; ' : '', h('code', {}, f.visible(l.name, 40)),
    ` (${f.grouped(l.value)} ${LIMITS[l.name] ?? ''}, reached ${l.reached === 1 ? 'once' : f.count(l.reached) + ' times'})`]), '.');
}

