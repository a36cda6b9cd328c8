/** Whether the CPU computes in bfloat16 by itself: where it doesn't, oneDNN emulates it, far slower than float32. */
import { readFileSync } from 'node:fs';

/** As x86's and ARM's kernels name them. */
const names = ['amx_bf16', 'avx512_bf16', 'bf16'];

/** @returns the processor's instructions for bfloat16; undefined where the system does not list instructions */
export function bfloat16Instructions(cpuinfo = '/proc/cpuinfo'): readonly string[] | undefined {
  let text: string;
  try {
    text = readFileSync(cpuinfo, 'utf8');
  } catch {
    return undefined;
  }
  const flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1]?.split(' ');
  return flags && names.filter((name) => flags.includes(name));
}
