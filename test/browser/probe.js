// What tests ask of the page. It is evaluated in the page before the questions.
'use strict';
window.probe = {
  /** figures are the exact values by the name they have. */
  figures(root) {
    return Object.fromEntries([...document.querySelectorAll(`${root} data[data-figure]`)].map((d) => [d.dataset.figure, d.value === '' ? null : Number(d.value)]));
  },

  /** faint is text with less than 4.5 of contrast (3 if it is large), as WCAG computes it. */
  faint() {
    const bad = [];
    for (const e of document.querySelectorAll('body *')) {
      if (!ownText(e) || !seen(e)) continue;
      const style = getComputedStyle(e);
      const ink = colour(e.namespaceURI.endsWith('svg') ? style.fill : style.color);
      const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
      ink[3] *= opacity(e);
      const ratio = contrast(over(ink, ground(e)), ground(e));
      if (ratio < (large ? 3 : 4.5)) bad.push(`${ratio.toFixed(2)} ${e.localName}.${e.getAttribute('class')}: ${e.textContent.trim().slice(0, 40)}`);
    }
    return [...new Set(bad)];
  },

  /** nameless are controls that a screen reader could not name. */
  nameless() {
    return [...document.querySelectorAll('a[href], button, input, select, summary, [role=img], [tabindex="0"]')].filter(seen).filter((e) => {
      const label = e.getAttribute('aria-label') || (e.getAttribute('aria-labelledby') && document.getElementById(e.getAttribute('aria-labelledby'))?.textContent) || e.labels?.[0]?.textContent || e.textContent || e.querySelector('img')?.alt;
      return !label?.trim();
    }).map((e) => e.outerHTML.slice(0, 120));
  },

  /** crossings are words on the map that lie on other words, or on a box that is not theirs. */
  crossings() {
    const words = [...document.querySelectorAll('.map .label text')].map((e) => [e.parentNode, e.getBoundingClientRect(), e.textContent]);
    const boxes = [...document.querySelectorAll('.map .node .outline')].map((e) => [e, e.getBoundingClientRect(), e.parentNode.parentNode.querySelector('.node-name').textContent]);
    const bad = [];
    words.forEach(([owner, a, text], i) => {
      for (const [other, b, others] of [...words.slice(i + 1), ...boxes]) if (owner !== other && crosses(a, b)) bad.push(`${text} × ${others}`);
    });
    return bad;
  },

  /** beyond are texts on the map that are wider than their box. */
  beyond() {
    return [...document.querySelectorAll('.map .node')].flatMap((n) => {
      const box = n.querySelector('.outline').getBoundingClientRect();
      return [...n.querySelectorAll('text')].filter((t) => { const r = t.getBoundingClientRect(); return r.left < box.left - 1 || r.right > box.right + 1; }).map((t) => t.textContent);
    });
  },

  /** sideways is by how much the page is wider than the window, and what sticks out. */
  sideways() {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll('main *, header *')].filter((e) => e.getBoundingClientRect().right > width + 1 && !e.closest('.map-box')).map((e) => `${e.localName}.${e.getAttribute('class')} ${Math.round(e.getBoundingClientRect().right)}`);
  },

  /** clipped are table boxes that have to be scrolled sideways. */
  clipped() {
    return [...document.querySelectorAll('.grid-box')].filter((e) => seen(e) && e.scrollWidth > e.clientWidth + 1).map((e) => `${e.querySelector('table').id}: ${e.scrollWidth} > ${e.clientWidth}`);
  },

  /** watch counts what changes below main from now on. */
  watch() {
    window.changes = [];
    new MutationObserver((list) => list.forEach((m) => window.changes.push(`${m.type} ${m.target.nodeName}.${m.target.className ?? ''} ${m.attributeName ?? ''}`)))
      .observe(document.querySelector('main'), { subtree: true, childList: true, characterData: true, attributes: true });
  },
};

function crosses(a, b) {
  const slack = 1.5; // what a box has around its letters
  return a.left + slack < b.right && b.left + slack < a.right && a.top + slack < b.bottom && b.top + slack < a.bottom;
}

function ownText(e) {
  return [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim()) && !['SCRIPT', 'STYLE', 'title', 'OPTION', 'NOSCRIPT'].includes(e.nodeName);
}

function seen(e) {
  const r = e.getBoundingClientRect();
  return r.width > 1 && r.height > 1 && e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !e.closest('.unseen');
}

const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });

/** colour reads any CSS colour by drawing it. */
function colour(css) {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = css;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
}

function over([r, g, b, a], [r2, g2, b2]) {
  return [r * a + r2 * (1 - a), g * a + g2 * (1 - a), b * a + b2 * (1 - a), 1];
}

/** ground is what is behind an element. On the map that is a node's box, or the card. */
function ground(e) {
  const box = e.closest('.node')?.querySelector('.outline');
  if (box) return over(colour(getComputedStyle(box).fill), ground(box.closest('svg')));
  const layers = [];
  for (let at = e; at; at = at.parentElement) {
    layers.push(colour(getComputedStyle(at).backgroundColor));
    if (layers.at(-1)[3] === 1) break;
  }
  return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
}

/** opacity is what is left of an element's own after its ancestors'. */
function opacity(e) {
  return e ? Number(getComputedStyle(e).opacity) * opacity(e.parentElement) : 1;
}

function contrast(a, b) {
  const light = (c) => {
    const [r, g, b3] = c.slice(0, 3).map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b3;
  };
  const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
  return (x + 0.05) / (y + 0.05);
}
