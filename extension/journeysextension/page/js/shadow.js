// What other rules, that only count, would keep, beside what is kept.

import { h } from './dom.js';
import * as f from './format.js';
import { badge, bar, card, figure, folded, grid, MONTH_LATER, name, outcome } from './parts.js';

/** shadowLine is the comparison in one line. */
export function shadowLine(p, several) {
  const s = p.shadow;
  const parts = [
    [several ? [h('bdi', {}, f.visible(p.id, 60)), ': '] : null, 'The shadow would store ', figure(s.shadow.spans_share, f.share(s.shadow.spans_share), 'shadow.spans_share'), ' of spans instead of ',
      figure(s.in_use.spans_share, f.share(s.in_use.spans_share), 'in_use.spans_share')],
    s.shadow.per_month === null ? null : [money(s.shadow.per_month, s), ' a month instead of ', money(s.in_use.per_month, s)],
    [verdict(s)],
  ].filter(Boolean);
  return parts.map((part, i) => h('span', { key: i, class: 'state-part' }, part));
}

/** shadowCard compares both sides, their rules, and says what would be missed. */
export function shadowCard(app, s, i) {
  const since = [h('time', { datetime: s.since }, f.moment(s.since)), ' · counts for ', figure(s.seconds, f.seconds(s.seconds))];
  return card('shadow-of-' + i, 'Shadow', ['what other rules would keep of the same journeys, since ', since],
    h('div', { class: 'shadow-verdict' }, verdict(s), s.decided.per_month === null ? h('p', { class: 'note' }, `Money a month is ${MONTH_LATER}.`) : null),
    h('div', { class: 'shadow-sides' }, legend(), h('dl', { class: 'versus' }, measures(s).map(versus))),
    h('div', { class: 'columns' }, ruleTable(s, 'in_use', 'Rules in use', i), ruleTable(s, 'shadow', 'Rules of the shadow', i)),
    losses(app, s, i));
}

function money(amount, s) {
  return figure(amount, f.money(amount, s.currency));
}

/** verdict says whether anything would be missed that must not be. */
function verdict(s) {
  const lost = [[s.must_keep_lost, 'must-keep', 'must_keep_lost'], [s.failed_lost, 'failed', 'failed_lost']].filter(([n]) => n > 0);
  if (lost.length === 0) return badge(s.decided.journeys > 0 ? 'would lose none that must be kept' : 'nothing was decided yet', s.decided.journeys > 0 ? 'good' : 'calm');
  return lost.map(([n, kind, id], i) => [i ? ' ' : null, badge(['would lose ', figure(n, f.count(n), 'shadow.' + id), ` ${kind} ${n === 1 ? 'journey' : 'journeys'}`], 'bad')]);
}

function legend() {
  return h('p', { class: 'legend', 'aria-hidden': 'true' }, h('span', { class: 'key in-use' }, 'kept by the rules in use'), h('span', { class: 'key shadow' }, 'the shadow would keep'));
}

/** measures are what is compared: [id, label, share of each, value of each, of all]. */
function measures(s) {
  const [a, b, all] = [s.in_use, s.shadow, s.decided];
  const part = (x) => (x === null || !all.per_month ? null : x / all.per_month);
  return [
    ['journeys', 'Journeys', [a.journeys_share, b.journeys_share], [a.journeys, b.journeys], all.journeys, f.count],
    ['failed', 'Failed journeys', [a.failed_share, b.failed_share], [a.failed, b.failed], all.failed, f.count],
    ['spans', 'Spans', [a.spans_share, b.spans_share], [a.spans, b.spans], all.spans, f.count],
    ['bytes', 'Bytes', [a.bytes_share, b.bytes_share], [a.bytes, b.bytes], all.bytes, f.bytes],
    ['per_month', 'Money a month', [part(a.per_month), part(b.per_month)], [a.per_month, b.per_month], all.per_month, (x) => f.money(x, s.currency)],
  ];
}

function versus([id, label, shares, values, all, words]) {
  const side = (i, cls, said) => h('span', { class: 'side ' + cls }, h('span', { class: 'unseen' }, said), bar(shares[i], i ? 'shadow' : ''),
    h('span', { class: 'side-value' }, figure(values[i], words(values[i]), `${cls}.${id}`), h('span', { class: 'quiet' }, f.share(shares[i]))));
  return h('div', { key: id, 'data-measure': id }, h('dt', {}, label, all === null ? null : h('span', { class: 'sub' }, 'of ', figure(all, words(all), 'decided.' + id))),
    h('dd', {}, side(0, 'in-use', 'in use: '), side(1, 'shadow', 'shadow: ')), h('dd', { class: 'change' }, change(values, words)));
}

/** change is the shadow's against what is in use. */
function change([a, b], words) {
  if (a === null || b === null) return f.NONE;
  if (a === b) return 'the same';
  const sign = b > a ? '+' : '−';
  const size = Math.abs(b - a);
  return [figure(b - a, sign + words(size)), a > 0 ? h('span', { class: 'sub' }, sign + f.share(size / a)) : null];
}

function ruleTable(s, side, label, i) {
  const id = `shadow-${side.replace('_', '-')}-${i}`;
  return h('div', { class: 'shadow-rules' }, h('h3', {}, label), grid({
    id, label, rows: s[side].rules, rowKey: (_, at) => at,
    columns: [
      { id: 'rule', label: 'Rule', cell: (r) => name(r.name) },
      { id: 'kept', label: 'Kept of matched', cls: 'num', cell: (r) => [figure(r.kept, f.count(r.kept), 'kept'), ' of ', figure(r.matched, f.count(r.matched), 'matched')] },
      { id: 'share', label: 'Share', cls: 'num', cell: (r) => figure(r.share, f.share(r.share)) },
      { id: 'spans', label: 'Spans', cls: 'num', cell: (r) => figure(r.spans, f.count(r.spans), 'spans') },
      { id: 'bytes', label: 'Bytes', cls: 'num', cell: (r) => figure(r.bytes, f.bytes(r.bytes), 'bytes') },
      { id: 'money', label: 'A month', cls: 'num', cell: (r) => money(r.per_month, s) },
    ],
  }));
}

function losses(app, s, i) {
  if (s.losses.length === 0) return null;
  return h('div', { class: 'shadow-rules' }, h('h3', {}, 'What the shadow would lose'), folded(app, `shadow-losses-${i}`, s.losses, (rows) => grid({
    id: 'shadow-losses-' + i, label: 'What the shadow would lose', rows, rowKey: (_, at) => at,
    columns: [
      { id: 'journey', label: 'Journey', cell: (l) => name(l.journey) },
      { id: 'outcome', label: 'Outcome', cell: (l) => outcome(l.outcome) },
      { id: 'rule', label: 'Kept now by rule', cell: (l) => [name(l.rule), l.must_keep ? h('span', { class: 'sub' }, 'which keeps all that it matches') : null] },
      { id: 'count', label: 'Journeys', cls: 'num', cell: (l) => figure(l.count, f.count(l.count), 'count') },
    ],
  })));
}
