// Journeys over time, by outcome: one bar for each step of time.

import { h } from './dom.js';
import * as f from './format.js';

const HEIGHT = 132;
const WIDTH = 600;

/** chart draws the trend; the step that is not over yet is hatched by its lighter colour. */
export function chart(trend) {
  const n = trend.journeys.length;
  const top = niceTop(Math.max(...trend.journeys, 1));
  const step = WIDTH / Math.max(n, 1);
  return h('figure', { class: 'chart' },
    h('div', { class: 'chart-plot' },
      h('span', { class: 'chart-top' }, f.count(top)),
      h('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': words(trend) },
        h('path', { class: 'chart-rule', d: `M0 .5H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}` }),
        trend.journeys.map((all, i) => column(trend, i, { x: i * step, width: step * 0.78, top, running: i === n - 1 })),
        h('path', { class: 'chart-rule', d: `M0 ${HEIGHT - 0.5}H${WIDTH}` }))),
    axis(trend),
    h('figcaption', { class: 'legend' }, h('span', { class: 'key ok' }, 'ok'), h('span', { class: 'key incomplete' }, 'incomplete'), h('span', { class: 'key error' }, 'failed'),
      h('span', {}, `each bar ${f.seconds(trend.step_seconds)}; the last is not over yet`)));
}

function column(trend, i, { x, width, top, running }) {
  const high = (count) => (Math.max(count, 0) / top) * HEIGHT;
  const errors = Math.min(trend.errors[i] ?? 0, trend.journeys[i]);
  const incomplete = Math.min(trend.incomplete[i] ?? 0, trend.journeys[i] - errors);
  const parts = [['error', errors], ['incomplete', incomplete], ['ok', trend.journeys[i] - errors - incomplete]];
  let y = HEIGHT;
  return h('g', { key: i, class: running ? 'running' : null },
    h('title', {}, `${f.clock(new Date(new Date(trend.start).getTime() + i * trend.step_seconds * 1000))}: ${f.plural(trend.journeys[i], 'journey')}, ${f.grouped(errors)} failed, ${f.grouped(incomplete)} incomplete`),
    parts.map(([what, count]) => {
      const part = high(count);
      y -= part;
      return h('rect', { key: what, class: what, x: x.toFixed(1), y: y.toFixed(2), width: width.toFixed(1), height: part.toFixed(2) });
    }));
}

function axis(trend) {
  const start = new Date(trend.start).getTime();
  const length = trend.journeys.length * trend.step_seconds * 1000;
  return h('div', { class: 'chart-axis', 'aria-hidden': 'true' }, [0, 0.5, 1].map((part) => h('span', { key: part }, f.clock(new Date(start + part * length)).slice(0, 5))));
}

/** niceTop is the next round number: 1, 2 or 5 times a power of ten. */
function niceTop(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((m) => m * power).find((t) => t >= most);
}

function words(trend) {
  const sum = (list) => list.reduce((a, b) => a + b, 0);
  return `Journeys over time: ${f.grouped(sum(trend.journeys))}, of which ${f.grouped(sum(trend.errors))} failed and ${f.grouped(sum(trend.incomplete))} are incomplete; at most ${f.grouped(Math.max(...trend.journeys, 0))} in ${f.seconds(trend.step_seconds)}.`;
}
