/** The GPUs: those of the driver, those that this process may see, and those that TensorFlow uses. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { isSystemError } from '../../../shared/checkpoint/durable.js';
import type { Installation } from '../../../shared/engine/installation.js';
import type { EngineProbe } from '../engine-trial.js';
import { about, type Finding } from '../finding.js';
import { bytes } from '../quantity.js';

const { ok, warning, failure } = about('gpu');

export interface Gpu {
  readonly index: number;
  readonly uuid: string;
  readonly name: string;
  readonly memoryBytes: number;
  readonly usedBytes: number;
  readonly driver: string;
}

/** What nvidia-smi says; with its own words where it fails, undefined where there is none. */
export type Driver = { readonly gpus: readonly Gpu[] } | { readonly broken: string } | undefined;

const query = 'index,uuid,name,memory.total,memory.used,driver_version';
const limitMs = 20_000;

export async function readDriver(program = 'nvidia-smi'): Promise<Driver> {
  const args = [`--query-gpu=${query}`, '--format=csv,noheader,nounits'];
  try {
    const { stdout } = await promisify(execFile)(program, args, { timeout: limitMs });
    return { gpus: parseGpus(stdout) };
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    const { killed, stdout } = error as { readonly killed?: boolean; readonly stdout?: string };
    return {
      broken: killed ? `no answer in ${limitMs / 1000} s` : stdout?.trim().split('\n')[0] || String(error),
    };
  }
}

/** Lines of nvidia-smi's CSV, memory in MiB. */
export function parseGpus(csv: string): Gpu[] {
  return csv
    .split('\n')
    .map((line) => line.split(',').map((cell) => cell.trim()))
    .filter((cells) => cells.length === query.split(',').length)
    .map(([index, uuid, name, total, used, driver]) => ({
      index: Number(index),
      uuid: uuid!,
      name: name!,
      memoryBytes: Number(total) * 2 ** 20,
      usedBytes: Number(used) * 2 ** 20,
      driver: driver!,
    }));
}

/** The GPUs that CUDA_VISIBLE_DEVICES leaves: numbers or UUIDs; it stops at the first that means none. */
export function visibleGpus(gpus: readonly Gpu[], variable: string | undefined): readonly Gpu[] {
  if (variable === undefined) return gpus;
  const found: Gpu[] = [];
  for (const entry of variable.split(',').map((text) => text.trim())) {
    const gpu = gpus.find(
      ({ index, uuid }) => entry === String(index) || (entry !== '' && uuid.startsWith(entry)),
    );
    if (gpu === undefined) break;
    found.push(gpu);
  }
  return found;
}

/** CUDA 12 runs with drivers from 525 on. */
const oldestDriver = 525;

export function gpuFindings(
  driver: Driver,
  env: Readonly<NodeJS.ProcessEnv>,
  installation?: Pick<Installation, 'kind'>,
  probe?: Pick<EngineProbe, 'gpus'>,
): Finding[] {
  const variable = env.CUDA_VISIBLE_DEVICES;
  if (driver === undefined && variable) {
    const advice = 'Is the driver of this node installed, and nvidia-smi on the PATH?';
    const facts = { count: 0, cudaVisibleDevices: variable };
    return [
      warning(
        'GPUs',
        `CUDA_VISIBLE_DEVICES is ${JSON.stringify(variable)}, but there is no nvidia-smi`,
        advice,
        facts,
      ),
    ];
  }
  if (driver === undefined) {
    if (installation?.kind !== 'gpu')
      return [ok('GPUs', 'none; workers compute on the processor', { count: 0 })];
    const advice = 'Start on a node with a GPU (Slurm: --gpus-per-node), or train on the processor as it is.';
    return [warning('GPUs', 'none, though the CUDA engine is installed', advice, { count: 0 })];
  }
  if ('broken' in driver) {
    return [
      failure(
        'GPUs',
        `nvidia-smi fails: ${driver.broken}`,
        'The driver of this node is broken: take another node, or tell its administrator.',
      ),
    ];
  }
  const visible = visibleGpus(driver.gpus, variable);
  const findings = visible.map((gpu) => gpuFinding(gpu));
  const facts = { count: driver.gpus.length, visible: visible.length, cudaVisibleDevices: variable ?? null };
  const seen = `${visible.length} of ${driver.gpus.length} visible (CUDA_VISIBLE_DEVICES ${variable === undefined ? 'unset' : JSON.stringify(variable)})`;
  if (visible.length === 0) {
    findings.unshift(
      warning(
        'GPUs',
        seen,
        'Unset CUDA_VISIBLE_DEVICES or give the job GPUs; workers would compute on the processor.',
        facts,
      ),
    );
  } else if (installation?.kind === 'cpu') {
    findings.unshift(
      warning(
        'GPUs',
        `${seen}, but the engine is the CPU build`,
        'Run `LOCKSTEP_ENGINE=gpu npm run setup`.',
        facts,
      ),
    );
  } else findings.unshift(ok('GPUs', seen, facts));
  const [first] = visible;
  if (first !== undefined) findings.push(driverFinding(first.driver));
  if (probe !== undefined && installation?.kind === 'gpu' && visible.length > 0)
    findings.push(engineFinding(probe));
  return findings;
}

function gpuFinding({ index, name, memoryBytes, usedBytes, uuid }: Gpu): Finding {
  const facts = { index, uuid, name, memoryBytes, usedBytes };
  const value = `${name}, ${bytes(memoryBytes)}, ${bytes(usedBytes)} in use`;
  return usedBytes > memoryBytes / 10
    ? warning(
        `GPU ${index}`,
        value,
        'Another process uses it: see nvidia-smi. One worker needs one GPU of its own.',
        facts,
      )
    : ok(`GPU ${index}`, value, facts);
}

function driverFinding(driver: string): Finding {
  const old = Number.parseInt(driver, 10) < oldestDriver;
  return old
    ? failure('driver', driver, `CUDA 12 needs driver ${oldestDriver} or newer.`, { version: driver })
    : ok('driver', driver, { version: driver });
}

function engineFinding({ gpus }: Pick<EngineProbe, 'gpus'>): Finding {
  const facts = { gpus };
  if (gpus.length > 0) {
    return ok(
      'TensorFlow on GPU',
      gpus.map(({ name, memoryBytes }) => `${name}, ${bytes(memoryBytes)}`).join('; '),
      facts,
    );
  }
  return failure(
    'TensorFlow on GPU',
    'TensorFlow sees none of them',
    'Run `npm run setup` again: CUDA libraries are missing or do not match the driver.',
    facts,
  );
}
