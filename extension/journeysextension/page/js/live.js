// What is so now: what waits, what may leave, and how the parts are.

import { h } from './dom.js';
import * as f from './format.js';
import { badge, bar, card, empty, facts, figure, grid, kpi, name } from './parts.js';
import { shadowCard } from './shadow.js';

export const paths = () => ['live'];
export const title = () => 'Live state';

const LEVELS = ['calm', 'parking', 'deciding', 'thinning', 'refusing'];
const LEVEL_WORDS = [
  'There is memory enough.', 'What waits for long is compressed earlier than usual.', 'The oldest traces are decided before their time.',
  'Rules keep less than they should, with the right weights.', 'New data is refused with an error that asks the sender to try again.',
];
const TONES = ['good', 'warn', 'warn', 'bad', 'bad'];

export function view(app) {
  const live = app.feed.body('live');
  return [
    h('h1', { id: 'title', tabindex: '-1' }, 'Live state'),
    live ? live.processors.map((p, i) => processor(app, p, i)) : h('p', { class: 'note' }, 'Asking the collector…'),
    live && live.processors.length === 0 ? card('none', 'Processors', null, empty('No journey processor reports here.', 'Set ', h('code', {}, 'reporter: journeys'), ' in its configuration.')) : null,
    live ? components(live.components) : null,
  ];
}

function processor(app, p, i) {
  return h('section', { class: 'processor', key: 'p ' + p.id, 'aria-label': 'Processor ' + f.isolated(p.id, 80) },
    h('h2', { class: 'section-title' }, 'Processor ', name(p.id)),
    h('div', { class: 'kpis' }, waiting(p), oldest(p), memory(p), overload(p), budgetKpi(p)),
    h('div', { class: 'columns' }, h('div', { class: 'stack' }, generations(p, i)), h('div', { class: 'stack' }, downstream(p, i), p.budget ? budgetRules(p, i) : null)),
    p.shadow ? shadowCard(app, p.shadow, i) : null);
}

function waiting(p) {
  return kpi({
    id: 'waiting', label: 'Traces waiting', value: figure(p.traces, f.count(p.traces), 'traces'),
    facts: [figure(p.spans_pending, f.count(p.spans_pending), 'spans_pending'), ' spans and ', figure(p.log_records_pending, f.count(p.log_records_pending)), ' log records are held'],
  });
}

function oldest(p) {
  return kpi({ id: 'oldest', label: 'Oldest wait', value: p.traces ? figure(p.oldest_wait_seconds, f.seconds(p.oldest_wait_seconds)) : f.NONE, facts: 'for its decision' });
}

function memory(p) {
  const b = p.buffer;
  return kpi({
    id: 'buffer', label: 'Buffer', value: figure(b.used_bytes, f.binaryBytes(b.used_bytes)),
    facts: [figure(b.share, f.share(b.share)), ' of ', figure(b.limit_bytes, f.binaryBytes(b.limit_bytes)), ' · resident ', figure(b.resident_bytes, f.binaryBytes(b.resident_bytes))],
    bar: bar(b.share, b.share > 0.9 ? 'bad' : b.share > 0.7 ? 'warn' : ''),
  });
}

function overload(p) {
  const level = Math.max(0, Math.min(4, p.overload.level));
  return kpi({
    id: 'overload', label: 'Overload', tone: TONES[level], value: h('span', {}, f.visible(p.overload.name, 20)), facts: LEVEL_WORDS[level],
    bar: h('ol', { class: 'levels', 'aria-label': `level ${level} of 4` }, LEVELS.map((l, i) => h('li', { key: l, class: i <= level ? 'on ' + TONES[level] : '', title: l }, h('span', { class: 'unseen' }, l + (i === level ? ' (now)' : ''))))),
  });
}

function amount(x, unit) {
  return unit === 'bytes' ? f.bytes(x) + '/s' : f.significant(x) + f.THIN + (unit === 'spans' ? 'spans/s' : f.visible(unit, 20) + '/s');
}

function budgetKpi(p) {
  const b = p.budget;
  if (!b) return kpi({ id: 'budget', label: 'Budget', value: f.NONE, facts: 'none is set' });
  return kpi({
    id: 'budget', label: 'Budget', tone: b.exceeded_seconds > 0 ? 'bad' : '', value: figure(b.share, f.share(b.share)),
    facts: [figure(b.rate, amount(b.rate, b.unit)), ' of ', figure(b.limit, amount(b.limit, b.unit)), b.exceeded_seconds > 0 ? [h('br'), 'exceeded for ', figure(b.exceeded_seconds, f.seconds(b.exceeded_seconds))] : null],
    bar: bar(b.share, b.share > 1 ? 'bad' : b.share > 0.9 ? 'warn' : ''),
  });
}

const GENERATION_WORDS = { __proto__: null, nursery: 'as they came, in their first seconds', parked: 'wait for long: compressed', recall: 'dropped, still there for a late error' };

function generations(p, i) {
  return card('generations-of-' + i, 'What is buffered', null, grid({
    id: 'generations-' + i, label: 'What is buffered', rows: p.generations, rowKey: (g) => g.name,
    columns: [
      { id: 'generation', label: 'Generation', cell: (g) => [f.visible(g.name, 40), h('span', { class: 'sub' }, GENERATION_WORDS[g.name] ?? '')] },
      { id: 'traces', label: 'Traces', cls: 'num', cell: (g) => figure(g.traces, f.count(g.traces)) },
      { id: 'bytes', label: 'Memory', cls: 'num', cell: (g) => figure(g.bytes, f.binaryBytes(g.bytes)) },
    ],
  }));
}

function downstream(p, i) {
  return card('downstream-of-' + i, 'Downstream', null, facts(p.downstream.map((d) => [
    f.visible(d.signal, 20), badge(f.visible(d.state, 20), d.state === 'ok' ? 'good' : 'bad'), ' ', figure(d.queued, f.count(d.queued)), ' queued',
    d.retrying_batches ? [' · ', figure(d.retrying_batches, f.plural(d.retrying_batches, 'batch', 'batches')), ' offered again'] : null,
    d.refusing_seconds ? [' · refuses for ', figure(d.refusing_seconds, f.seconds(d.refusing_seconds))] : null,
    d.error ? h('span', { class: 'sub' }, name(d.error, 'text', 600)) : null,
  ])));
}

function budgetRules(p, at) {
  return card('budget-of-' + at, 'What the budget leaves the rules', null, h('ul', { class: 'bars' }, p.budget.rules.map((r, i) => h('li', { key: i },
    h('span', { class: 'bars-name' }, name(r.name)), bar(r.probability), h('span', { class: 'bars-value' }, figure(r.probability, f.share(r.probability)))))));
}

const STATUS_TONES = { __proto__: null, ok: 'good', starting: 'calm', stopping: 'calm', stopped: 'calm', recoverable_error: 'warn', permanent_error: 'bad', fatal_error: 'bad' };

function components(list) {
  return card('components', 'Components of this collector', null, list.length === 0 ? h('p', { class: 'note' }, 'None has reported its state.') : grid({
    id: 'components-table', label: 'Components', rows: list, rowKey: (c) => `${c.kind} ${c.id} ${c.pipelines.join()}`,
    columns: [
      { id: 'component', label: 'Component', cell: (c) => name(c.id) },
      { id: 'kind', label: 'Kind', cell: (c) => f.visible(c.kind, 20) },
      { id: 'pipelines', label: 'Pipelines', cell: (c) => (c.pipelines.length ? name(c.pipelines.join(', ')) : f.NONE) },
      { id: 'status', label: 'Status', cell: (c) => badge(f.visible(c.status.replaceAll('_', ' '), 30), STATUS_TONES[c.status] ?? 'bad') },
      { id: 'since', label: 'Since', cell: (c) => (c.since ? f.moment(c.since) : f.NONE) },
      { id: 'error', label: 'Error', cell: (c) => (c.error ? name(c.error, 'text', 600) : f.NONE) },
    ],
  }));
}
