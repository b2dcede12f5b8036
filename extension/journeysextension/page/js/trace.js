// What was decided about one trace.

import { h } from './dom.js';
import * as f from './format.js';
import { badge, card, facts, figure, name, outcome, path, store } from './parts.js';
import { address, traceID } from './route.js';

export const paths = (route) => (/^[0-9a-f]{32}$/i.test(route.id) ? [`traces/${route.id.toLowerCase()}`] : []);
export const title = (route) => (route.id ? `Trace ${f.visible(route.id, 40)}` : 'Look up a trace');

export function view(app) {
  const { id } = app.route;
  const [asked] = paths(app.route);
  const found = asked ? app.feed.body(asked) : null;
  const refusal = asked ? app.feed.refusal(asked) : null;
  return [
    h('h1', { id: 'title', tabindex: '-1' }, 'Look up a trace'),
    h('p', { class: 'lead' }, 'Kept or dropped, by which rule and why: of the traces that were decided lately, stored or not.'),
    lookupForm(app, 'lookup-main'),
    result(app, id, asked, found, refusal),
  ];
}

/** lookupForm asks for a trace id; what surrounds a pasted one is cut away. */
export function lookupForm(app, id) {
  const submit = (event) => {
    event.preventDefault();
    const text = new FormData(event.target).get('id') ?? '';
    if (text.trim()) app.go({ view: 'trace', id: traceID(text) });
  };
  return h('form', { class: 'lookup', role: 'search', 'aria-label': 'Look up a trace', on: { submit } },
    h('label', { class: 'unseen', for: id }, 'Trace id'),
    h('input', { id, name: 'id', type: 'search', value: app.route.view === 'trace' ? app.route.id : '', placeholder: 'Trace id', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', class: 'mono' }),
    h('button', { type: 'submit' }, 'Look up'));
}

function result(app, id, asked, found, refusal) {
  if (!id) return h('p', { class: 'note' }, 'Paste an id, an address of Jaeger or a traceparent header.');
  if (!asked) return card('result', 'Not a trace id', null, h('p', {}, 'A trace id has 32 hexadecimal digits; this is ', name(id, 'mono', 80), '.'));
  if (refusal) return unknown(refusal, id);
  return found ? decision(app, found) : h('p', { class: 'note' }, 'Asking the collector…');
}

function unknown(refusal, id) {
  const text = refusal.status === 404
    ? ['It was not seen, it still waits for its decision, or its decision is forgotten by now. This is asked again every few seconds.']
    : [f.visible(refusal.message, 300)];
  return card('result', refusal.status === 404 ? 'Nothing is known of this trace' : 'Not answered', null, h('p', { class: 'mono wrap' }, f.visible(id, 64)), h('p', {}, text));
}

function decision(app, t) {
  const kept = t.status === 'kept';
  return [
    h('section', { class: 'card verdict ' + (kept ? 'kept' : 'dropped'), 'aria-labelledby': 'verdict-title', 'data-status': t.status },
      h('h2', { id: 'verdict-title' }, kept ? 'Kept' : 'Dropped', ' ', h('span', { class: 'quiet' }, f.moment(t.at))),
      h('p', {}, 'by rule ', h('strong', {}, name(t.rule)), chance(t, kept)),
      h('p', { class: 'reason' }, name(t.reason, 'text', 1100)),
      t.link ? h('p', {}, store(t.link, 'this trace')) : null),
    card('trace-facts', 'Its facts', null, facts([
      ['Trace id', h('span', { class: 'mono wrap' }, f.visible(t.trace_id, 64))],
      ['Journey', h('a', { href: address(app.route, { view: 'journey', name: t.journey }) }, name(t.journey))],
      ['Outcome', outcome(t.outcome), t.outcome_reason ? [' ', name(t.outcome_reason, 'text', 1100)] : null],
      ['Began with', name(t.root_span), ' of ', name(t.root_service)],
      ['Path', t.path.length ? path(t.path) : f.NONE],
      ['Duration', figure(t.duration_ms, f.duration(t.duration_ms))],
      ['Spans', figure(t.spans, f.grouped(t.spans)), ' · ', figure(t.bytes, f.bytes(t.bytes)), t.late_spans ? [' · ', figure(t.late_spans, f.grouped(t.late_spans)), ' came late'] : null],
      ['Complete', t.complete ? 'yes' : 'no: something that was begun is missing'],
      t.steps_reached.length || t.steps_missing.length ? ['Steps', t.steps_reached.map((s) => [badge([name(s)], 'good'), ' ']), t.steps_missing.map((s) => [badge([name(s), ' missing'], 'warn'), ' '])] : null,
      t.early ? ['Decided early', early(t.early)] : null,
      ['Processor', name(t.processor)],
    ])),
  ];
}

/** chance says what the probability means. */
function chance(t, kept) {
  if (t.probability === null) return ', at a probability that is not known';
  const p = figure(t.probability, f.share(t.probability), 'probability');
  if (t.probability >= 1) return [' at a probability of ', p];
  return [' at a probability of ', p, kept && t.probability > 0 ? `: it stands for ${f.significant(1 / t.probability)} journeys like it` : ''];
}

function early(why) {
  return { __proto__: null, memory: 'for want of memory', trace_size: 'it grew beyond its limit', shutdown: 'the collector stopped' }[why] ?? f.visible(why, 40);
}
