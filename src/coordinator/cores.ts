/** The processor cores of this host: those that this process may use, and which of them share a cache. */
import { readdirSync, readFileSync } from 'node:fs';
import koffi, { type KoffiFunc } from 'koffi';

/** Bytes of a mask with a bit for each core: as many as any kernel is built for. */
const maskBytes = 1024;

const libc = koffi.load(null);
const sched_getaffinity = libc.func(
  'int sched_getaffinity(int process, size_t bytes, _Out_ uint8_t *mask)',
) as unknown as KoffiFunc<(process: number, bytes: number, mask: Uint8Array) => number>;

/** The cores that this process may use, by their numbers; none where the system does not say. */
export function allowedCores(): readonly number[] {
  const mask = new Uint8Array(maskBytes);
  if (sched_getaffinity(0, maskBytes, mask) < 0) return [];
  return [...mask.keys()].flatMap((byte) =>
    [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (mask[byte]! >> bit) & 1).map((bit) => byte * 8 + bit),
  );
}

/** The cores that share the last cache with a core; none where the system does not say. */
export function cacheNeighbours(core: number): readonly number[] {
  try {
    const folder = `/sys/devices/system/cpu/cpu${core}/cache`;
    const levels = readdirSync(folder).filter((name) => name.startsWith('index'));
    const last = levels.sort((a, b) => Number(a.slice(5)) - Number(b.slice(5))).at(-1);
    return coreList(readFileSync(`${folder}/${last}/shared_cpu_list`, 'utf8'));
  } catch {
    return [];
  }
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
