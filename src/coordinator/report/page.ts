/** A report as one HTML file that needs nothing else. */
import { html, Markup } from './html.js';
import { follow, readValues } from './page-script.js';
import type { Fact, Figure, LegendEntry, Report, Section, Table } from './section.js';
import { style } from './style.js';

/** @param served whether it comes from `lockstep report --serve`, and follows the run */
export function page(report: Report, served: boolean): string {
  const { title, subtitle, cards, sections, footer } = report;
  // Nothing is ever loaded from elsewhere, whatever text a run may have brought along.
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:${served ? "; connect-src 'self'" : ''}`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="generator" content="${report.generator}">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<main>
<header>
<p class="kicker">Lockstep report</p>
<h1>${title}</h1>
<p class="muted">${subtitle}</p>
<div class="grid cards">${cards.map(
    ({
      title: name,
      colour,
      facts,
    }) => html`<div class="card"><h3>${colour === undefined ? '' : swatch({ label: name, colour, shape: 'area' })}${name}</h3>
<dl class="tiles">${facts.map(factOf)}</dl></div>`,
  )}</div>
</header>
${sections.map(sectionOf)}
<footer>${footer.map((text) => html`<p>${text}</p>`)}</footer>
</main>
<script>${new Markup(readValues + (served ? follow : ''))}</script>
</body>
</html>
`.text;
}

function sectionOf({ id, title, text, notes, figures, table, facts, legend }: Section): Markup {
  return html`<section id="${id}">
<h2>${title}</h2>
${text.map((paragraph) => html`<p class="muted">${paragraph}</p>`)}
${(notes ?? []).map((note) => html`<p class="note">${note}</p>`)}
${legend === undefined ? '' : legendOf(legend)}
${figures.length === 0 ? '' : html`<div class="grid">${figures.map(figureOf)}</div>`}
${table === undefined ? '' : tableOf(table)}
${facts === undefined ? '' : html`<dl class="facts">${facts.map(factOf)}</dl>`}
</section>`;
}

function factOf({ name, value, unit }: Fact): Markup {
  return html`<div><dt>${name}</dt><dd>${value}${unit === undefined ? '' : html` <small>${unit}</small>`}</dd></div>`;
}

function figureOf({ name, title, caption, svg, legend, sharesLegend }: Figure): Markup {
  return html`<figure id="figure-${name}">
<figcaption><h3>${title}</h3>${sharesLegend ? '' : legendOf(legend)}${caption === '' ? '' : html`<p>${caption}</p>`}</figcaption>
<div class="canvas">${new Markup(svg)}<div class="tip" hidden></div></div>
</figure>`;
}

function legendOf(legend: readonly LegendEntry[]): Markup {
  if (legend.length === 0) return html``;
  return html`<ul class="legend">${legend.map((entry) => html`<li>${swatch(entry)}${entry.label}</li>`)}</ul>`;
}

function swatch({ colour, dash, shape }: LegendEntry): Markup {
  if (shape === 'line') {
    return html`<svg width="18" height="8" aria-hidden="true"><path d="M0,4H18" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash ?? 'none'}"/></svg>`;
  }
  if (shape === 'points') {
    return html`<svg width="18" height="8" aria-hidden="true"><path d="M0,4H18" stroke="${colour}" stroke-width="2"/><circle cx="9" cy="4" r="3.5" fill="${colour}"/></svg>`;
  }
  if (shape === 'area') {
    return html`<svg width="10" height="10" aria-hidden="true"><rect width="10" height="10" rx="2" fill="${colour}"/></svg>`;
  }
  const path = shape === 'cross' ? 'M1,1L9,9M9,1L1,9' : 'M5,1L9,9H1Z';
  return html`<svg width="10" height="10" aria-hidden="true"><path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/></svg>`;
}

function tableOf({ columns, rows }: Table): Markup {
  const kind = (column: number) => (columns[column]?.numeric ? 'n' : '');
  return html`<table>
<thead><tr>${columns.map(({ title }, i) => html`<th scope="col" class="${kind(i)}">${title}</th>`)}</tr></thead>
<tbody>${rows.map(
    (row, r) => html`<tr class="${r > 0 && rows[r - 1]![0] === row[0] ? 'same' : ''}">${row.map(
      (cell, i) => html`<td class="${kind(i)}" data-title="${columns[i]?.title ?? ''}">${cell}</td>`,
    )}</tr>
`,
  )}</tbody>
</table>`;
}
