// What was decided about one trace, or what it waits for.

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
    h('p', { class: 'lead' }, 'Kept or dropped, by which rule and why, stored or not; of a trace that is still under way, what it waits for.'),
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
  if (!found) return h('p', { class: 'note' }, 'Asking the collector…');
  if (found.status === 'waiting') return waiting(app, found);
  return found.details_forgotten ? remembered(app, found) : decision(app, found);
}

function unknown(refusal, id) {
  const nothing = refusal.status === 404;
  return card('result', nothing ? 'Nothing is known of this trace' : 'Not answered', null,
    h('p', { class: 'mono wrap' }, f.visible(id, 64)),
    h('p', {}, f.visible(refusal.message.replace(/^trace [0-9a-f]{32}: (nothing is known of it: )?/i, ''), 600)),
    nothing ? h('p', { class: 'note' }, 'This is asked again every few seconds.') : null);
}

const traceFacts = (t) => [['Trace id', h('span', { class: 'mono wrap' }, f.visible(t.trace_id, 64))]];

const steps = (t) => (t.steps_reached.length || t.steps_missing.length ? ['Steps', t.steps_reached.map((s) => [badge([name(s)], 'good'), ' ']), t.steps_missing.map((s) => [badge([name(s), ' missing'], 'warn'), ' '])] : null);

/** waiting is a trace that is not decided about yet. */
function waiting(app, t) {
  return [
    h('section', { class: 'card verdict waiting', 'aria-labelledby': 'verdict-title', 'data-status': t.status },
      h('h2', { id: 'verdict-title' }, 'Waiting ', h('span', { class: 'quiet' }, 'for ', figure(t.waited_seconds, f.seconds(t.waited_seconds), 'waited'), ', since ', f.moment(t.since))),
      h('p', {}, 'It will be decided ', h('strong', {}, ahead(t, t.due)), ' if nothing more of it comes, and ', h('strong', {}, ahead(t, t.decided_by)), ' at the latest; earlier only for want of memory.'),
      h('h3', { id: 'waits-title' }, 'What it waits for'),
      h('ul', { class: 'waits', id: 'waits', 'aria-labelledby': 'waits-title' }, t.waits_for.map((w, i) => h('li', { key: i, 'data-what': w.what }, lack(w), h('span', { class: 'quiet' }, ' until ', f.clock(w.until)))))),
    card('trace-facts', 'What is known so far', null, facts([
      ...traceFacts(t),
      t.spans ? ['Journey', name(t.journey), ' so far'] : null,
      t.outcome === 'ok' ? null : ['Outcome', outcome(t.outcome), t.outcome_reason ? [' ', name(t.outcome_reason, 'text', 1100)] : null],
      ['Began with', t.root_span || t.root_service ? [name(t.root_span), ' of ', name(t.root_service)] : 'a span that has not come yet'],
      ['Path', t.path.length ? path(t.path) : f.NONE],
      ['Duration', figure(t.duration_ms, f.duration(t.duration_ms)), ' so far'],
      ['Spans', figure(t.spans, f.grouped(t.spans), 'spans'), ' · ', figure(t.bytes, f.bytes(t.bytes), 'bytes'), t.spans ? [' · the last came at ', f.clock(t.last_span_at)] : null],
      t.log_records ? ['Log records', figure(t.log_records, f.grouped(t.log_records), 'log_records')] : null,
      steps(t),
      ['Processor', name(t.processor)],
    ])),
  ];
}

/** ahead is how far off a time is, by the collector's clock, and the time. */
function ahead(t, iso) {
  const left = (Date.parse(iso) - Date.parse(t.since)) / 1000 - t.waited_seconds;
  return left < 1 ? 'now' : `in ${f.seconds(left)} (${f.clock(iso)})`;
}

/** lack says in words what is waited for. */
function lack(w) {
  const n = figure(w.count, f.grouped(w.count), 'count');
  const who = w.name ? h('strong', {}, name(w.name)) : 'a service';
  switch (w.what) {
    case 'root': return 'the root span';
    case 'parent': return w.count === 1 ? ['a span that ', who, ' has named as its parent'] : [n, ' spans that ', who, ' has named as parents'];
    case 'step': return ['the step ', who];
    case 'delivery': return w.count === 1 ? ['a message in the queue ', who, ', to be delivered'] : [n, ' messages in the queue ', who, ', to be delivered'];
    case 'answer': return w.count === 1 ? ['an answer to a call or a message of ', who] : ['answers to ', n, ' calls or messages of ', who];
    case 'quiet': return 'quiet: nothing is known to be missing, and nothing more may come for a while';
    case 'spans': return 'its spans: only log records have come';
    default: return f.visible(w.what, 40);
  }
}

/** remembered is an old decision of which only the result is known. */
function remembered(app, t) {
  const kept = t.status === 'kept';
  return [
    h('section', { class: 'card verdict ' + (kept ? 'kept' : 'dropped'), 'aria-labelledby': 'verdict-title', 'data-status': t.status },
      h('h2', { id: 'verdict-title' }, kept ? 'Kept' : 'Dropped'),
      h('p', {}, 'It was decided so long ago that when, why and by which rule are forgotten.', kept && t.probability !== null ? [' It was kept', chance(t, kept), '.'] : null),
      t.link ? h('p', {}, store(t.link, 'this trace')) : null),
    card('trace-facts', 'Its facts', null, facts([
      ...traceFacts(t),
      t.journey ? ['Journey', h('a', { href: address(app.route, { view: 'journey', name: t.journey }) }, name(t.journey))] : null,
      ['Processor', name(t.processor)],
    ])),
  ];
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
      ...traceFacts(t),
      ['Journey', h('a', { href: address(app.route, { view: 'journey', name: t.journey }) }, name(t.journey))],
      ['Outcome', outcome(t.outcome), t.outcome_reason ? [' ', name(t.outcome_reason, 'text', 1100)] : null],
      ['Began with', name(t.root_span), ' of ', name(t.root_service)],
      ['Path', t.path.length ? path(t.path) : f.NONE],
      ['Duration', figure(t.duration_ms, f.duration(t.duration_ms))],
      ['Spans', figure(t.spans, f.grouped(t.spans)), ' · ', figure(t.bytes, f.bytes(t.bytes)), t.late_spans ? [' · ', figure(t.late_spans, f.grouped(t.late_spans)), ' came late'] : null],
      ['Complete', t.complete ? 'yes' : 'no: something that was begun is missing'],
      steps(t),
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
