/** The plots of a report as files: SVG and PNG for papers, CSV for everything else. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomically } from '../../shared/checkpoint/durable.js';
import { LockstepError } from '../../shared/errors.js';
import { csv } from './csv.js';
import { escaped } from './html.js';
import { inked } from './palette.js';
import { size } from './plot.js';
import { rasterizer } from './raster.js';
import type { Figure, LegendEntry, Report } from './section.js';

export interface ExportedPlot {
  readonly name: string;
  readonly title: string;
  readonly svg: string;
  readonly csv: string;
  /** Undefined where there is nothing to make it with. */
  readonly png: string | undefined;
}

/**
 * Writes each plot of the report into `folder`, which is made; files of the same names are replaced.
 * @param note told why there are no PNGs
 * @throws LockstepError RUN_FOLDER if it can't be written
 */
export async function exportPlots(
  report: Report,
  folder: string,
  note: (text: string) => void,
): Promise<ExportedPlot[]> {
  const toPng = await rasterizer(note);
  try {
    await mkdir(folder, { recursive: true });
    const plots: ExportedPlot[] = [];
    for (const figure of report.sections.flatMap(({ figures }) => figures)) {
      const { name, title, numbers } = figure;
      const file = (extension: string) => join(folder, `${name}.${extension}`);
      const svg = standalone(figure);
      await writeAtomically(file('svg'), svg);
      await writeAtomically(file('csv'), csv(numbers));
      if (toPng !== undefined) await writeAtomically(file('png'), toPng(svg));
      plots.push({ name, title, svg: file('svg'), csv: file('csv'), png: toPng && file('png') });
    }
    return plots;
  } catch (cause) {
    throw new LockstepError(
      'RUN_FOLDER',
      `Plots can't be written to ${folder}: ${(cause as Error).message}.`,
      { cause },
    );
  }
}

const fonts = 'Helvetica, Arial, sans-serif';
const lineHeight = 14;

/** A drawing that needs no page: colours instead of their names, and the title and the legend in it. */
export function standalone({ title, svg, height: drawn = size.height, legend, caption }: Figure): string {
  const top = 22;
  const below = top + drawn + 4;
  const entries = legend.map((entry, i) => legendLine(entry, below + i * lineHeight));
  const height = below + legend.length * lineHeight + (caption === '' ? 4 : lineHeight + 4);
  const { width } = size;
  const text = (y: number, content: string, weight: number, length: number) =>
    `<text x="8" y="${y}" font-size="${length}" font-weight="${weight}" fill="currentColor">${escaped(content)}</text>`;
  return inked(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${fonts}">
${text(16, title, 600, 13)}
${svg.replace('<svg ', `<svg y="${top}" `).replace(/font-family="[^"]*"/, `font-family="${fonts}"`)}
${entries.join('\n')}
${caption === '' ? '' : text(height - 6, caption, 400, 10)}
</svg>
`,
  );
}

function legendLine({ label, colour, dash, shape }: LegendEntry, y: number): string {
  const middle = y + lineHeight / 2;
  const stroke = `fill="none" stroke="${colour}" stroke-width="2"`;
  const sign = {
    line: `<path d="M44,${middle}H62" ${stroke} stroke-dasharray="${dash ?? 'none'}"/>`,
    points: `<path d="M44,${middle}H62" ${stroke}/><circle cx="53" cy="${middle}" r="3.5" fill="${colour}"/>`,
    area: `<rect x="48" y="${middle - 5}" width="10" height="10" rx="2" fill="${colour}"/>`,
    cross: `<path d="M49,${middle - 4}l8,8m0,-8l-8,8" ${stroke}/>`,
    triangle: `<path d="M53,${middle - 4}l4,8h-8Z" ${stroke}/>`,
  }[shape];
  return `${sign}<text x="68" y="${middle + 3.5}" font-size="11" fill="currentColor">${escaped(label)}</text>`;
}
