/** Processor cores and threads, as Linux tells of them. */
import { readdirSync, readFileSync } from 'node:fs';

/** The cores that a process may use, by their numbers; none where the system does not say. */
export function allowedCores(process: number | 'self' = 'self'): readonly number[] {
  const status = read(`/proc/${process}/status`);
  return coreList(/^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1] ?? '');
}

/** The cores that share the last cache with a core, itself among them; none where the system does not say. */
export function cacheNeighbours(core: number): readonly number[] {
  const folder = `/sys/devices/system/cpu/cpu${core}/cache`;
  // index0, index1 and so on, the nearest first; fewer than ten.
  const last = list(folder)
    .filter((name) => name.startsWith('index'))
    .sort()
    .at(-1);
  return coreList(read(`${folder}/${last}/shared_cpu_list`));
}

/** The threads of a process that have such a name; none where it has ended. */
export function threadsNamed(process: number, name: string): readonly number[] {
  const folder = `/proc/${process}/task`;
  return list(folder)
    .filter((thread) => read(`${folder}/${thread}/comm`).trim() === name)
    .map(Number);
}

/** Cores as Linux lists them: `0-3,8`. */
export function coreList(text: string): readonly number[] {
  return text
    .trim()
    .split(',')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [first, last = first] = part.split('-').map(Number) as [number, number?];
      return Array.from({ length: last! - first + 1 }, (_, i) => first + i);
    });
}

/** What is in one of the system's files; nothing where it is not there, as of a process that ends just now. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
