/** What runs in the reader's browser: values under the pointer, read off the drawing's own paths and scales. */

/** Without it the page shows all it has but the tips. No data is repeated for it, so they are as exact as the drawing. */
export const readValues = `
const figures = (v) => {
  const size = Math.abs(v);
  return size >= 1000 ? v.toFixed(0) : size !== 0 && size < 1e-4 ? v.toExponential(1) : String(Number(v.toPrecision(4)));
};
const inverse = (text) => {
  const [a, b, c, d, kind] = text.split(' ');
  const from = kind === 'log' ? Math.log(a) : +a;
  const to = kind === 'log' ? Math.log(b) : +b;
  return (pixel) => {
    const value = from + ((pixel - c) / (d - c)) * (to - from);
    return kind === 'log' ? Math.exp(value) : value;
  };
};
const pointsOf = (path) =>
  path.getAttribute('d').split('M').filter(Boolean).flatMap((piece) => {
    const points = piece.replace('Z', '').split('L').map((pair) => pair.split(',').map(Number));
    if (!path.closest('[aria-label="area"]')) return points.map(([x, y]) => ({ x, y }));
    const half = points.length / 2;
    return points.slice(0, half).map(([x, y], i) => ({ x, y, base: points[points.length - 1 - i][1] }));
  });
const nearest = (points, x) =>
  points.reduce((best, point) => (Math.abs(point.x - x) < Math.abs(best.x - x) ? point : best));
function valuesAt(svg, x) {
  const value = inverse(svg.dataset.y);
  const write = svg.dataset.format === 'percent' ? (v) => (100 * v).toFixed(2) + ' %'
    : svg.dataset.format === 'ms' ? (v) => v.toFixed(2) + ' ms' : figures;
  svg.curves ??= [...svg.querySelectorAll('path[aria-label]')].map((path) => ({ path, points: pointsOf(path) }));
  const near = svg.curves.flatMap(({ path, points }) => {
    if (!points.length) return [];
    const point = nearest(points, x);
    // A curve that is not there (any more) says nothing.
    return Math.abs(point.x - x) > 12 ? [] : [{ path, point }];
  });
  if (!near.length) return undefined;
  const at = nearest(near.map(({ point }) => point), x).x;
  const rows = near.map(({ path, point }) => ({
    // Points of another curve may lie beside this one's: an evaluation comes once an epoch.
    label: path.getAttribute('aria-label') + (Math.abs(point.x - at) > 2 ? ' (at ' + figures(inverse(svg.dataset.x)(point.x)) + ')' : ''),
    colour: path.closest('[stroke^="var"],[fill^="var"]')?.getAttribute(point.base === undefined ? 'stroke' : 'fill'),
    text: write(point.base === undefined ? value(point.y) : value(point.y) - value(point.base)),
  }));
  return { at, title: svg.dataset.unit + ' ' + figures(inverse(svg.dataset.x)(at)), rows };
}
// Of bars that stand for time: those of the row under the pointer that are there at its time.
function barsAt(svg, x, y) {
  const row = (pixel) => Math.floor(inverse(svg.dataset.y)(pixel));
  svg.bars ??= [...svg.querySelectorAll('rect[aria-label]')].map((bar) => {
    const [left, top, width, height] = ['x', 'y', 'width', 'height'].map((name) => +bar.getAttribute(name));
    return { bar, left, right: left + width, row: row(top + height / 2) };
  });
  const here = svg.bars.filter((one) => one.row === row(y) && one.left - 0.75 <= x && x <= one.right + 0.75);
  if (!here.length) return undefined;
  const rows = here.slice(0, 8).map(({ bar }) => {
    const [label, text] = bar.getAttribute('aria-label').split(': ');
    return { label, text, colour: bar.closest('[fill^="var"]')?.getAttribute('fill') };
  });
  if (here.length > 8) rows.push({ label: 'and ' + (here.length - 8) + ' more', colour: 'none', text: '' });
  return { at: x, title: inverse(svg.dataset.x)(x).toFixed(1) + ' ms', rows };
}
function show(canvas, event) {
  const svg = canvas.querySelector('svg');
  const tip = canvas.querySelector('.tip');
  const scale = canvas.clientWidth / svg.viewBox.baseVal.width;
  const { left: edge, top: upper } = canvas.getBoundingClientRect();
  const at = (event.clientX - edge) / scale;
  const bars = svg.dataset.unit === 'ms';
  const found = bars ? barsAt(svg, at, (event.clientY - upper) / scale) : valuesAt(svg, at);
  tip.hidden = !found;
  canvas.line?.remove();
  if (!found) return;
  const [, , bottom, top] = svg.dataset.y.split(' ');
  canvas.line = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  canvas.line.setAttribute('d', 'M' + found.at + ',' + top + 'V' + bottom);
  canvas.line.setAttribute('stroke', 'currentColor');
  canvas.line.setAttribute('stroke-opacity', '.4');
  svg.append(canvas.line);
  tip.replaceChildren(found.title, ...found.rows.map(({ label, colour, text }) => {
    const row = document.createElement('div');
    const swatch = document.createElement('i');
    swatch.style.background = colour;
    row.append(swatch, label + ' ', Object.assign(document.createElement('b'), { textContent: text }));
    return row;
  }));
  const side = found.at * scale;
  const left = side > canvas.clientWidth / 2 ? side - tip.offsetWidth - 10 : side + 10;
  tip.style.transform = 'translate(' + Math.max(0, Math.min(left, canvas.clientWidth - tip.offsetWidth)) + 'px,0)';
}
function hide(canvas) {
  canvas.line?.remove();
  canvas.querySelector('.tip').hidden = true;
}
for (const kind of ['pointermove', 'pointerdown'])
  document.addEventListener(kind, (event) => {
    const canvas = event.target.closest?.('.canvas');
    for (const other of document.querySelectorAll('.canvas')) if (other !== canvas) hide(other);
    if (canvas?.querySelector('svg[data-x]')) show(canvas, event);
  });
`;

/** On a page that is served: takes the new report's content whenever the server says that there is one. */
export const follow = `
new EventSource('/changes').onmessage = async () => {
  const response = await fetch('/');
  if (!response.ok) return;
  const text = await response.text();
  const page = new DOMParser().parseFromString(text, 'text/html');
  document.querySelector('main').replaceWith(page.querySelector('main'));
  document.title = page.title;
};
`;
