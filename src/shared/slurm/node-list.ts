/** Slurm's way to write many nodes in short: `gpu[01-03,7],login1`. */

/** The nodes' names, in order. `scontrol show hostnames` says the same, but a container has no scontrol. */
export function expandNodeList(list: string): string[] {
  return splitOutsideBrackets(list).flatMap(expand);
}

/** The first bracket's numbers, each with all that the rest stands for. */
function expand(entry: string): string[] {
  const found = /^([^[]*)\[([^\]]*)\](.*)$/.exec(entry);
  if (found === null) return entry === '' ? [] : [entry];
  const [, before = '', ranges = '', after = ''] = found;
  const endings = after === '' ? [''] : expand(after);
  return ranges
    .split(',')
    .flatMap(numbersOf)
    .flatMap((number) => endings.map((ending) => before + number + ending));
}

/** `08-10` is 08, 09 and 10: as wide as the first is written. */
function numbersOf(range: string): string[] {
  const [first = '', last = first] = range.split('-');
  const count = Number(last) - Number(first) + 1;
  return Array.from({ length: count }, (_, i) => String(Number(first) + i).padStart(first.length, '0'));
}

function splitOutsideBrackets(list: string): string[] {
  return list.match(/(?:[^,[]|\[[^\]]*\])+/g) ?? [];
}
