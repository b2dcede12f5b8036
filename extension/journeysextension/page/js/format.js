// Figures as people read them: a narrow no-break space between groups of digits
// and before units, three significant digits where more would be noise.

export const THIN = '\u202f';
export const NONE = '–';
const MINUS = '−';

/** grouped writes a whole number with thin spaces: 12 000. */
export function grouped(n) {
  const digits = String(Math.abs(Math.round(n)));
  const text = digits.length < 4 ? digits : digits.replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
  return (n < 0 ? MINUS : '') + text;
}

/** significant writes x with three significant digits, and never an exponent. */
export function significant(x) {
  const size = Math.abs(x);
  if (size >= 999.5) return grouped(x);
  if (size === 0) return '0';
  const decimals = Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(size))));
  const text = size.toFixed(decimals).replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '');
  return (x < 0 ? MINUS : '') + text;
}

/** scaled picks the largest unit that leaves at least 1 before it. */
function scaled(x, base, units) {
  let value = x;
  let at = 0;
  while (Math.abs(value) >= base * 0.9995 && at < units.length - 1) {
    value /= base;
    at += 1;
  }
  return significant(value) + (units[at] ? THIN + units[at] : '');
}

/** count writes how many: 187 k, exact below ten thousand. */
export function count(n) {
  return Math.abs(n) < 10_000 ? grouped(n) : scaled(n, 1000, ['', 'k', 'M', 'G', 'T']);
}

/** bytes are decimal, as they are priced: 86.5 MB. */
export function bytes(n) {
  return scaled(n, 1000, ['B', 'kB', 'MB', 'GB', 'TB', 'PB']);
}

/** binaryBytes are for memory, as its limit is set: 512 MiB. */
export function binaryBytes(n) {
  return scaled(n, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);
}

/** share writes a part of 1 in percent. Nearly all is not all, and hardly any is not none. */
export function share(x) {
  if (x === null || x === undefined) return NONE;
  const percent = x * 100;
  if (percent > 0 && percent < 0.01) return `<${THIN}0.01${THIN}%`;
  if (percent > 99.9 && percent < 100) return `>${THIN}99.9${THIN}%`;
  const decimals = percent === 0 || percent === 100 ? 0 : percent < 0.1 ? 2 : 1;
  return percent.toFixed(decimals) + THIN + '%';
}

/** duration takes milliseconds. */
export function duration(ms) {
  if (ms === null || ms === undefined) return NONE;
  if (ms === 0) return `0${THIN}ms`;
  if (Math.abs(ms) < 1) return significant(ms * 1000) + THIN + 'µs';
  if (ms < 999.5) return significant(ms) + THIN + 'ms';
  if (ms < 59_950) return significant(ms / 1000) + THIN + 's';
  return long(Math.round(ms / 1000));
}

/** seconds writes a time of waiting. */
export function seconds(s) {
  return duration(s * 1000);
}

function long(total) {
  const parts = [[Math.floor(total / 86_400), 'd'], [Math.floor(total / 3600) % 24, 'h'], [Math.floor(total / 60) % 60, 'min'], [total % 60, 's']];
  const first = parts.findIndex(([n]) => n > 0);
  return parts.slice(first, first + 2).filter(([n]) => n > 0).map(([n, unit]) => n + THIN + unit).join(' ');
}

/** perMinute writes a rate that is given a minute. */
export function perMinute(rate) {
  return significant(rate) + THIN + '/min';
}

/** perSecond writes a rate that is given a second. */
export function perSecond(rate) {
  return (rate < 10_000 ? significant(rate) : count(rate)) + THIN + '/s';
}

/** money writes an amount; a currency that is not an ISO code follows it as it is. */
export function money(amount, currency, exact = false) {
  if (amount === null || amount === undefined) return NONE;
  const decimals = exact || Math.abs(amount) < 1000 ? 2 : 0;
  const [whole, part] = Math.abs(amount).toFixed(decimals).split('.');
  const text = grouped(Number(whole)) + (part && part !== '00' ? '.' + part : '');
  const symbol = { __proto__: null, USD: '$', EUR: '€', GBP: '£', JPY: '¥' }[currency];
  const sign = amount < 0 && Number(Math.abs(amount).toFixed(decimals)) > 0 ? MINUS : '';
  return symbol ? sign + symbol + text : `${sign}${text}${THIN}${visible(currency, 16)}`;
}

/** clock writes the time of day, as the viewer's clock has it. */
export function clock(iso) {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? NONE : at.toLocaleTimeString('en-GB');
}

/** moment writes day and time. */
export function moment(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return NONE;
  return at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' }) + ', ' + at.toLocaleTimeString('en-GB');
}

// What turns the direction of the text around it, or hides in it.
const TRICKS = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]/g;
const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** clipped cuts to at most so many characters as people count them, and says so with an ellipsis. */
export function clipped(text, max) {
  if (text.length <= max) return text;
  let kept = '';
  let n = 0;
  // A cluster may be endless (combining marks), so what is looked at is bounded first.
  for (const { segment } of segmenter.segment(text.slice(0, max * 4))) {
    if (n === max - 1 || kept.length + segment.length > max * 3) return kept + '…';
    kept += segment;
    n += 1;
  }
  return kept.length < text.length ? kept + '…' : kept;
}

/** visible makes a stranger's name fit to be shown: tricks are seen, and there is always something. */
export function visible(name, max = 240) {
  const text = clipped(String(name), max).replace(TRICKS, '\ufffd');
  return text.trim() === '' ? '(no name)' : text;
}

/** isolated is a visible name for text that other words stand beside (labels, titles): its direction stays its own. */
export function isolated(name, max = 240) {
  return `\u2068${visible(name, max)}\u2069`;
}

/** plural writes a number and its word: 1 trace, 2 traces. */
export function plural(n, one, many = one + 's') {
  return `${grouped(n)} ${n === 1 ? one : many}`;
}
