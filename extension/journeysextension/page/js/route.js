// The address says what is shown: #/journey?name=checkout&window=1h can be kept,
// sent and gone back to.

export const WINDOWS = [['5m', '5 min', 'the last 5 minutes'], ['1h', '1 h', 'the last hour'], ['24h', '24 h', 'the last 24 hours']];
const VIEWS = ['journeys', 'journey', 'trace', 'live'];

/** parse reads an address; what it does not know is the first view. */
export function parse(hash) {
  const [path, query] = hash.replace(/^#\/?/, '').split('?', 2);
  const params = new URLSearchParams(query ?? '');
  const view = VIEWS.includes(path) ? path : 'journeys';
  const window = WINDOWS.some(([name]) => name === params.get('window')) ? params.get('window') : '5m';
  return {
    view, window,
    name: params.get('name') ?? '', id: params.get('id') ?? '', q: params.get('q') ?? '',
    sort: params.get('sort') ?? 'rate', dir: params.get('dir') === 'asc' ? 'asc' : 'desc',
  };
}

const DEFAULTS = { window: '5m', sort: 'rate', dir: 'desc', q: '', name: '', id: '' };
const OF_VIEW = { journeys: ['window', 'sort', 'dir', 'q'], journey: ['name', 'window'], trace: ['id', 'window'], live: ['window'] };

/** address writes what parse reads, without what goes without saying. */
export function address(route, change = {}) {
  const to = { ...route, ...change };
  const params = new URLSearchParams();
  for (const name of OF_VIEW[to.view]) {
    if (to[name] !== DEFAULTS[name] || name === 'name') params.set(name, to[name]);
  }
  const query = params.toString();
  return `#/${to.view}${query ? '?' + query : ''}`;
}

/** windowWords says what a window is: "the last hour". */
export function windowWords(name) {
  return WINDOWS.find(([n]) => n === name)[2];
}

/** traceID finds a trace id in what somebody pasted: an id, an address of Jaeger, a traceparent. */
export function traceID(text) {
  const pasted = text.trim().toLowerCase();
  const whole = pasted.match(/(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])/);
  if (whole) return whole[0];
  const dashed = pasted.match(/(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])/);
  if (dashed) return dashed[0].replaceAll('-', '');
  const half = pasted.match(/^(?:0x)?([0-9a-f]{16})$/);
  return half ? half[1].padStart(32, '0') : pasted.replace(/^0x/, '');
}
