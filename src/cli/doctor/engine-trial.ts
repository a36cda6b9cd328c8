/** Starts the engine's probe, with a time limit, and reads what it and TensorFlow's own log say. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const script = fileURLToPath(new URL('engine-probe.js', import.meta.url));
const limitMs = 120_000;

const answerSchema = z.object({
  loadMs: z.number(),
  peakRssBytes: z.number(),
  /** `bfloat16` on a CPU, `float16` on a GPU. */
  matmulGflops: z.object({
    float32: z.number(),
    bfloat16: z.number().optional(),
    float16: z.number().optional(),
  }),
});

export interface EngineProbe extends z.infer<typeof answerSchema> {
  /** Whether TensorFlow says that it uses oneDNN. */
  readonly oneDnn: boolean;
  /** The GPUs that TensorFlow uses, by their names, in bytes that it may take. */
  readonly gpus: readonly { readonly name: string; readonly memoryBytes: number }[];
}

export type EngineTrial = { readonly probe: EngineProbe } | { readonly failure: string };

/** Never throws: what goes wrong is what the trial is for. */
export async function tryEngine(probe: string = script, timeout: number = limitMs): Promise<EngineTrial> {
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '0', TF_CPP_MAX_VLOG_LEVEL: '0' };
  const options = { env, timeout, killSignal: 'SIGKILL', maxBuffer: 16 << 20 } as const;
  return await new Promise((resolve) => {
    execFile(process.execPath, [probe], options, (error, stdout, stderr) => {
      if (error?.killed) resolve({ failure: `no answer in ${timeout / 1000} s` });
      else resolve(readTrial(stdout, stderr, error?.signal ?? error?.code));
    });
  });
}

/** @param ended the signal or exit code of a process that ended badly */
export function readTrial(stdout: string, stderr: string, ended?: unknown): EngineTrial {
  const line = /^probe:(.*)$/m.exec(stdout)?.[1];
  if (line === undefined) return { failure: `it ended by ${ended ?? 'itself'}: ${reasonIn(stderr)}` };
  const gpus = [...stderr.matchAll(/Created device \S+GPU:\d+ with (\d+) MB memory:.*?name: ([^,\n]+)/g)];
  return {
    probe: {
      ...answerSchema.parse(JSON.parse(line)),
      oneDnn: /oneDNN custom operations are on/.test(stderr),
      gpus: gpus.map(([, megabytes, name]) => ({ name: name!, memoryBytes: Number(megabytes) * 2 ** 20 })),
    },
  };
}

/** The line of a log that says why: an error's message, else the last one. */
function reasonIn(log: string): string {
  const lines = log.split('\n').filter((line) => line.trim() !== '');
  const error = lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? 'it printed nothing';
  return error.slice(0, 300);
}
