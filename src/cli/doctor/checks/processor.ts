/** Cores that this process may use, and what they can do in bfloat16. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { bfloat16Instructions } from '../../../shared/engine/bfloat16.js';
import type { EngineProbe } from '../engine-trial.js';
import { about, type Finding } from '../finding.js';
import type { Plan } from '../plan.js';
import { cgroupLimits } from './cgroup.js';

const { ok, warning, unless } = about('processor');

export interface Processor {
  readonly model: string;
  readonly flags: ReadonlySet<string>;
  /** Its instructions for bfloat16. */
  readonly bfloat16: readonly string[];
  /** Of the machine. */
  readonly cores: number;
  /** That this process may run on. */
  readonly allowed: number;
  /** What a control group allows, in cores' worth of time. */
  readonly quota: number | undefined;
}

export function readProcessor(): Processor {
  const text = readFileSync('/proc/cpuinfo', 'utf8');
  return {
    model: /^model name\s*:\s*(.*)$/m.exec(text)?.[1] ?? 'unknown',
    flags: new Set((/^flags\s*:\s*(.*)$/m.exec(text)?.[1] ?? '').split(' ')),
    bfloat16: bfloat16Instructions() ?? [],
    cores: cpus().length,
    allowed: availableParallelism(),
    quota: cgroupLimits().cpus,
  };
}

export function processorFindings(
  { model, flags, bfloat16, cores, allowed, quota }: Processor,
  { config, workers }: Plan,
  probe?: EngineProbe,
): Finding[] {
  const usable = Math.min(allowed, quota ?? allowed);
  const threads = config?.threads;
  const needed = workers * (threads ?? 1);
  const facts = { model, cores, allowed, quota: quota ?? null, workers, threads: threads ?? null };
  const of = usable < cores ? ` of ${cores}` : '';
  const amount = `${Math.round(usable * 10) / 10}${of}, for ${workers} workers${threads === undefined ? '' : ` of ${threads} threads`}`;
  const advice =
    'Start fewer workers on this host, or give the job more cores (Slurm: --cpus-per-task); threads that share a core wait for each other at every step.';
  return [
    flags.has('avx2')
      ? ok('model', model, { model, flags: interesting.filter((flag) => flags.has(flag)) })
      : warning(
          'model',
          `${model} has no AVX2`,
          'Take a newer node: TensorFlow is several times slower here.',
          { model },
        ),
    unless(usable < needed, 'cores', amount, advice, facts),
    bfloat16Finding(bfloat16, config?.precision, probe),
  ];
}

const interesting = ['avx2', 'avx512f', 'avx512_bf16', 'amx_bf16', 'avx512_vnni', 'avx512_fp16'];

/** Whether `precision: bfloat16` pays on this processor: by what was measured, else by what it has. */
function bfloat16Finding(
  instructions: readonly string[],
  precision: string | undefined,
  probe?: EngineProbe,
): Finding {
  const { bfloat16, float32 = 1 } = probe?.matmulGflops ?? {};
  const ratio = bfloat16 && bfloat16 / float32;
  const facts = { instructions, speedOverFloat32: ratio ?? null };
  const has = instructions.length > 0 ? instructions.join(', ') : 'no instructions for it';
  const value = ratio === undefined ? has : `${has}; ${ratio.toFixed(1)} times the speed of float32`;
  const slow = ratio === undefined ? instructions.length === 0 : ratio < 1;
  return unless(
    slow && precision === 'bfloat16',
    'bfloat16',
    value,
    'Set precision to float32: on this processor bfloat16 is no faster.',
    facts,
  );
}
