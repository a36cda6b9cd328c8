/** What runs are called in a report: by their config, and by as much of their folder as tells them apart. */
import { basename } from 'node:path';

export interface Named {
  readonly name: string;
  readonly path: string;
}

/** One label a run, all different if the paths are. */
export function labelsOf(runs: readonly Named[]): string[] {
  const ways = [
    ({ name }: Named) => name,
    ({ name, path }: Named) => (basename(path) === name ? name : `${name} (${basename(path)})`),
    ({ name, path }: Named) => `${name} (${path})`,
  ];
  const taken = ways.map((way) => runs.map(way));
  return runs.map((run, i) => {
    const way = taken.findIndex((labels) => labels.filter((label) => label === labels[i]).length === 1);
    return taken[way]?.[i] ?? `${run.name} (${i + 1})`;
  });
}
