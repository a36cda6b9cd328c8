/** Everything that the doctor looks at on one host. */
import { availableParallelism, hostname } from 'node:os';
import { cacheFolder } from '../../shared/data/resolve.js';
import { dataFinding } from './checks/data.js';
import { diskFinding } from './checks/disk.js';
import { gpuFindings, readDriver } from './checks/gpu.js';
import { memoryFindings } from './checks/memory.js';
import { networkFindings } from './checks/network.js';
import { precisionFindings } from './checks/precision.js';
import { processorFindings, readProcessor } from './checks/processor.js';
import { secondsLeft, slurmFindings } from './checks/slurm.js';
import { lookAtSoftware } from './checks/software.js';
import { about, type Finding, type Subject } from './finding.js';
import type { Plan } from './plan.js';

export interface HostReport {
  readonly host: string;
  readonly findings: readonly Finding[];
}

/** One after the other, since some of them measure. */
export async function examineHost(
  plan: Plan,
  env: Readonly<NodeJS.ProcessEnv> = process.env,
): Promise<HostReport> {
  const { findings: software, installation, probe } = await lookAtSoftware();
  const findings = [
    ...software,
    ...precisionFindings(plan, installation),
    ...(await guarded('processor', () => processorFindings(readProcessor(), plan, probe))),
    ...(await guarded('gpu', async () => gpuFindings(await readDriver(), env, installation, probe))),
    ...(await guarded('memory', () => memoryFindings(plan))),
    ...(await guarded('network', networkFindings)),
    ...(await guarded('disk', async () => [
      await diskFinding('run folders', plan.runs),
      await diskFinding('data', cacheFolder()),
      await dataFinding(plan),
    ])),
    ...(await guarded('slurm', async () =>
      slurmFindings(env, availableParallelism(), await secondsLeft(env)),
    )),
  ];
  return { host: hostname(), findings };
}

/** A check that fails in a way that nobody thought of is a warning: the others go on. */
async function guarded(
  subject: Subject,
  check: () => readonly Finding[] | Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await check();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [about(subject).warning(subject, `could not be looked at: ${why}`, 'The other findings hold.')];
  }
}
