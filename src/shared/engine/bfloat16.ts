/** Whether the CPU computes in bfloat16 by itself: where it doesn't, oneDNN emulates it, far slower than float32. */
import { cpuFlags } from './cpu-flags.js';

/** As x86's and ARM's kernels name them. */
const names = ['amx_bf16', 'avx512_bf16', 'bf16'];

/** @returns the processor's instructions for bfloat16; undefined where the system does not list instructions */
export function bfloat16Instructions(cpuinfo?: string): readonly string[] | undefined {
  const flags = cpuFlags(cpuinfo);
  return flags && names.filter((name) => flags.includes(name));
}
