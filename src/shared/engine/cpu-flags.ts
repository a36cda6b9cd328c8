/** The processor's instructions, as the kernel lists them. */
import { readFileSync } from 'node:fs';

/** @returns undefined where the system does not list them */
export function cpuFlags(cpuinfo = '/proc/cpuinfo'): readonly string[] | undefined {
  let text: string;
  try {
    text = readFileSync(cpuinfo, 'utf8');
  } catch {
    return undefined;
  }
  // x86 and ARM.
  return /^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1]?.split(' ');
}
