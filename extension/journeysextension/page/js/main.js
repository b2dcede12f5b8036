// Brings together: the address says which view, the feed what is known, and each
// view is drawn from these two. Nothing else has state that is shown.

import { Feed } from './api.js';
import { h, render } from './dom.js';
import * as f from './format.js';
import * as journey from './journey.js';
import * as live from './live.js';
import * as overview from './overview.js';
import { address, parse, WINDOWS } from './route.js';
import * as trace from './trace.js';

const VIEWS = { journeys: overview, journey, trace, live };
const SAY_AFTER = 700; // ms: a screen reader is told the result, not each letter typed

const page = document.getElementById('page');
const said = document.getElementById('said');

const app = {
  route: parse(location.hash),
  feed: new Feed(() => { announceContact(); app.draw(); }),
  width: 0,

  /** draw brings the page to what is known now. Many calls in one frame are one. */
  draw() {
    if (app.drawing) return;
    app.drawing = requestAnimationFrame(() => { app.drawing = 0; draw(); });
  },

  /** go shows something else; the way back leads here. */
  go(change) {
    location.hash = address(app.route, change);
  },

  /** replace changes what is shown here, without a step to go back over. */
  replace(change) {
    history.replaceState(null, '', address(app.route, change));
    app.route = parse(location.hash);
    ask();
    app.draw();
  },

  /** say tells a screen reader, and only when there is an end to it. */
  say(text) {
    clearTimeout(app.saying);
    app.saying = setTimeout(() => { said.textContent = text; }, SAY_AFTER);
  },

  /** rows are those of the table, for what is said of a filter. */
  rows() {
    return app.feed.body(`journeys?window=${app.route.window}`)?.rows ?? [];
  },
};

function ask() {
  const view = VIEWS[app.route.view];
  const wanted = view.paths(app.route);
  app.feed.want(wanted.length ? wanted : ['live']); // the header says whether the server is there
}

function draw() {
  const view = VIEWS[app.route.view];
  document.title = app.route.view === 'journeys' ? 'Journeys' : `${view.title(app.route)} · Journeys`;
  app.width = Math.min(document.documentElement.clientWidth, 2240) - 2 * margin();
  render(page, [header(), h('main', { id: 'main', key: 'main', class: app.feed.failed ? 'stale' : null }, contact(), h('div', { key: app.route.view + app.route.name, class: 'view' }, view.view(app)))]);
  document.documentElement.dataset.drawn = String(Number(document.documentElement.dataset.drawn ?? 0) + 1);
}

function margin() {
  return document.documentElement.clientWidth < 720 ? 12 : 24;
}

function header() {
  const { route } = app;
  const link = (view, text) => h('a', { href: address(route, { view }), 'aria-current': route.view === view || (view === 'journeys' && route.view === 'journey') ? 'page' : null }, text);
  return h('header', { class: 'top', key: 'header' },
    h('a', { class: 'brand', href: address(route, { view: 'journeys' }), 'aria-label': 'Journeys: start' }, h('img', { src: 'icon.svg', alt: '', width: 24, height: 24 }), h('span', {}, 'Journeys')),
    h('nav', { class: 'views', 'aria-label': 'Views' }, link('journeys', 'Overview'), link('live', 'Live')),
    trace.lookupForm(app, 'lookup'), windowSwitch(), freshness(), themeButton());
}

function windowSwitch() {
  const { route } = app;
  if (!['journeys', 'journey'].includes(route.view)) return null;
  return h('div', { class: 'switch', role: 'group', 'aria-label': 'Window', key: 'window' }, WINDOWS.map(([name, text, words]) =>
    h('a', { key: name, href: address(route, { window: name }), 'aria-current': route.window === name ? 'true' : null, title: words }, text.replace(' ', f.THIN))));
}

function freshness() {
  return h('p', { class: 'fresh' + (app.feed.failed ? ' bad' : ''), key: 'fresh', id: 'fresh' }, ago());
}

function ago() {
  if (app.feed.heard === null) return app.feed.failed ? 'no answer yet' : 'asking…';
  const s = Math.round((Date.now() - app.feed.heard) / 1000);
  return s < 3 && !app.feed.failed ? 'up to date' : `updated ${f.seconds(s)} ago`;
}

function themeButton() {
  const theme = window.journeysTheme.current();
  const next = { auto: 'light', light: 'dark', dark: 'auto' }[theme];
  return h('button', { type: 'button', id: 'theme', key: 'theme', class: 'theme', 'aria-label': `Theme: ${theme}. Change to ${next}`, title: `Theme: ${theme}`, on: { click: () => { window.journeysTheme.next(); app.draw(); } } },
    { auto: '◐', light: '☀', dark: '☾' }[theme]);
}

/** contact says that the server does not answer. */
function contact() {
  const { failed, heard } = app.feed;
  if (!failed) return null;
  return h('div', { class: 'notice bad', id: 'stale', key: 'stale' }, h('p', {},
    h('strong', {}, 'No answer from the collector. '), heard ? `Figures are as of ${f.clock(heard)}; it is asked again.` : 'It is asked again.',
    failed.status ? h('span', { class: 'sub' }, f.visible(failed.message, 200)) : null));
}

let wasStale = false;

/** announceContact is said once when contact is lost, and once when it is back. */
function announceContact() {
  const stale = Boolean(app.feed.failed);
  if (stale !== wasStale) app.say(stale ? 'No answer from the collector. Figures are old.' : 'The collector answers again.');
  wasStale = stale;
}

/** follow goes where the address says: its heading is what is read next. */
function follow() {
  const before = app.route;
  app.route = parse(location.hash);
  ask();
  draw();
  if (before.view === app.route.view && before.name === app.route.name && before.id === app.route.id) return;
  window.scrollTo(0, 0);
  document.getElementById('title')?.focus({ preventScroll: true });
}

window.addEventListener('hashchange', follow);
window.addEventListener('resize', app.draw);
setInterval(() => { const p = document.getElementById('fresh'); if (p && !document.hidden && p.textContent !== ago()) app.draw(); }, 1000);
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault(); // the address is the view's
  document.getElementById('title')?.focus();
});
ask();
draw();
