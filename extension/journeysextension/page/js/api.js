// Asks the API again and again. An answer that has not changed (its ETag) is not
// read again; after a failure the next question waits longer.

const FIRST_WAIT = 1000; // ms, until the answers say how often there can be news
const LONGEST_WAIT = 30_000;
const TIMEOUT = 10_000;

/** UNKNOWN are refusals of what was asked for; any other means that nobody is answered. */
const UNKNOWN = new Set([400, 404]);

/** Refused is an answer that is an error: the server is there. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, known) {
  const response = await fetch('api/v1/' + path, { cache: 'no-cache', signal: AbortSignal.timeout(TIMEOUT), headers: { Accept: 'application/json' } });
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    throw new Refused(response.status, typeof body.message === 'string' ? body.message : `the server answered ${response.status}`);
  }
  const etag = response.headers.get('ETag');
  if (etag !== null && etag === known?.etag) return known;
  return { etag, body: await response.json() };
}

/**
 * Feed keeps the answers to a set of paths fresh and calls onNews after each
 * round, whether there was news or not: that nothing has changed is known anew.
 */
export class Feed {
  #paths = [];
  #answers = new Map();
  #timer = 0;
  #round = 0;
  #failures = 0;
  #onNews;

  /** since is when the server was last heard of; failed is what went wrong since. */
  heard = null;
  failed = null;

  constructor(onNews) {
    this.#onNews = onNews;
    document.addEventListener('visibilitychange', () => this.#now());
    window.addEventListener('online', () => this.#now());
  }

  /** want sets the paths; what is known of others is forgotten. */
  want(paths) {
    if (paths.length === this.#paths.length && paths.every((p, i) => p === this.#paths[i])) return;
    this.#paths = paths;
    for (const path of this.#answers.keys()) if (!paths.includes(path)) this.#answers.delete(path);
    this.#now();
  }

  /** body is the latest answer to a path, or null. */
  body(path) {
    return this.#answers.get(path)?.body ?? null;
  }

  /** refusal is why there is no answer to a path, or null. */
  refusal(path) {
    return this.#answers.get(path)?.refusal ?? null;
  }

  #now() {
    clearTimeout(this.#timer);
    if (!document.hidden) this.#ask(++this.#round);
  }

  async #ask(round) {
    const results = await Promise.allSettled(this.#paths.map((path) => ask(path, this.#answers.get(path))));
    if (round !== this.#round) return; // asked for something else meanwhile
    this.failed = null;
    results.forEach((result, i) => this.#take(this.#paths[i], result));
    this.#failures = this.failed ? this.#failures + 1 : 0;
    if (!this.failed) this.heard = Date.now();
    this.#timer = setTimeout(() => this.#now(), this.#wait());
    this.#onNews();
  }

  #take(path, { status, value, reason }) {
    if (status === 'fulfilled') this.#answers.set(path, value);
    else if (reason instanceof Refused && UNKNOWN.has(reason.status)) this.#answers.set(path, { refusal: reason });
    else this.failed = reason;
  }

  #wait() {
    const interval = Math.max(...[...this.#answers.values()].map((a) => (a.body?.interval_seconds ?? 0) * 1000), FIRST_WAIT);
    return Math.min(interval * 2 ** Math.min(this.#failures, 5), Math.max(LONGEST_WAIT, interval));
  }
}
