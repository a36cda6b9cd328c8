/** Colours, on white and on near-black: the hues of Okabe and Ito, which colour-blind readers tell apart. */

interface Colour {
  readonly light: string;
  readonly dark: string;
}

const runs: readonly Colour[] = [
  { light: '#0068a8', dark: '#5bb3ee' },
  { light: '#cf5500', dark: '#ff9455' },
  { light: '#00805c', dark: '#3ecda5' },
  { light: '#b04f8c', dark: '#e99ccd' },
  { light: '#8f7200', dark: '#e3c34a' },
  { light: '#5a6068', dark: '#b3bac3' },
];

/** Of the classes in a map of points, on both grounds: Observable's ten. */
const classes = [
  ...['#4269d0', '#efb118', '#ff725c', '#6cc5b0', '#3ca951'],
  ...['#ff8ab7', '#a463f2', '#97bbf5', '#9c6b4e', '#9498a0'],
];

/** Colours by the names that style sheets and drawings use. */
export const palette: Readonly<Record<string, Colour>> = {
  paper: { light: '#fafaf9', dark: '#111315' },
  card: { light: '#ffffff', dark: '#181b1f' },
  ink: { light: '#1b1e22', dark: '#e8eaed' },
  muted: { light: '#626973', dark: '#9ca4ae' },
  line: { light: '#e2e4e8', dark: '#2c3137' },
  warning: { light: '#8a5a00', dark: '#f0bf63' },
  ...Object.fromEntries(runs.map((colour, i) => [`run-${i + 1}`, colour])),
  ...Object.fromEntries(classes.map((colour, i) => [`class-${i + 1}`, { light: colour, dark: colour }])),
  compute: { light: '#5c97c4', dark: '#4f8fc0' },
  waiting: { light: '#d9bd5c', dark: '#b59a3d' },
  comm: { light: '#e08a45', dark: '#d98443' },
  commit: { light: '#b878a2', dark: '#b878a2' },
  apply: { light: '#8478c4', dark: '#8f84d0' },
  reducing: { light: '#f2cba9', dark: '#7d5430' },
  input: { light: '#3fa98a', dark: '#3a9f82' },
  other: { light: '#c5cad1', dark: '#4b525b' },
};

export interface Stroke {
  readonly colour: string;
  readonly dash: string | undefined;
}

/** How many runs have colours of their own. */
export const runColours = runs.length;

/** How the run at this index is drawn: dashes tell the seventh from the first. */
export function strokeOf(run: number): Stroke {
  const dashes = [undefined, '5 3', '2 2'];
  return {
    colour: `var(--run-${(run % runs.length) + 1})`,
    dash: dashes[Math.floor(run / runs.length) % dashes.length],
  };
}

/** How the class at this index is drawn. */
export function classColour(index: number): string {
  return `var(--class-${(index % classes.length) + 1})`;
}

/** A drawing that stands alone, on white: the names of colours replaced by their values. */
export function inked(svg: string): string {
  return svg
    .replace(/var\(--([a-z0-9-]+)\)/g, (_, name: string) => palette[name]?.light ?? 'currentColor')
    .replaceAll('currentColor', palette.ink!.light);
}

/** The colours as custom properties, for both schemes. */
export function colourStyle(): string {
  const of = (scheme: keyof Colour) =>
    Object.entries(palette)
      .map(([name, colour]) => `--${name}:${colour[scheme]}`)
      .join(';');
  return `:root{color-scheme:light dark;${of('light')}}\n@media (prefers-color-scheme:dark){:root{${of('dark')}}}`;
}
