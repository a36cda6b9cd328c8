/** Node, the engine's files, and a tiny graph that TensorFlow computes in a process of its own. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { type Installation, readInstallation } from '../../../shared/engine/installation.js';
import { LockstepError } from '../../../shared/errors.js';
import { packageRoot } from '../../../shared/package-root.js';
import { version } from '../../../shared/version.js';
import { type EngineProbe, type EngineTrial, tryEngine } from '../engine-trial.js';
import { about, type Finding } from '../finding.js';
import { bytes } from '../quantity.js';

const { ok, warning, failure } = about('software');
const setUp = 'Run `npm run setup` in the project folder.';

/** Node's version against those that package.json allows: `>=A <B`, majors. */
export function nodeFinding(running: string, allowed: string): Finding {
  const major = Number(/^v?(\d+)/.exec(running)?.[1]);
  const from = Number(/>=\s*(\d+)/.exec(allowed)?.[1] ?? 0);
  const below = Number(/<\s*(\d+)/.exec(allowed)?.[1] ?? Number.POSITIVE_INFINITY);
  const facts = { version: running, allowed };
  // tfjs-node calls functions that 23 removed; odd ones between are not tested.
  if (major >= from && major < below && major % 2 === 0) return ok('Node', running, facts);
  return failure(
    'Node',
    running,
    'Install Node 20 or 22 (`nvm install 22`, or the module of the cluster).',
    facts,
  );
}

const engineFiles = z.object({
  files: z.array(z.object({ path: z.string(), bytes: z.number() })).default([]),
});
const packageManifest = z.object({ engines: z.object({ node: z.string() }) });

/** What set-up compiles with g++. */
const compiled = {
  "tfjs's addon": 'node_modules/@tensorflow/tfjs-node-gpu/lib/napi-v8/tfjs_binding.node',
  'the addition of gradients': 'dist/worker/exchange/add.so',
  'the copy into shared memory': 'dist/shared/transport/copy.so',
  'the library of our own TensorFlow operations': 'dist/shared/kernels/kernels.so',
  'the rotation of cores': 'dist/coordinator/core-turns.so',
};

/** The files of the installed engine that are missing or have another size. */
function damagedFiles(root: string): string[] {
  const record = engineFiles.parse(JSON.parse(readFileSync(join(root, '.engine', 'engine.json'), 'utf8')));
  return record.files
    .filter(({ path, bytes: size }) => {
      const file = isAbsolute(path) ? path : join(root, path);
      return statSync(file, { throwIfNoEntry: false })?.size !== size;
    })
    .map(({ path }) => path);
}

export interface Software {
  readonly findings: readonly Finding[];
  readonly installation: Installation | undefined;
  readonly probe: EngineProbe | undefined;
}

/** Looks at everything that set-up makes, and tries it. */
export async function lookAtSoftware(root: string = packageRoot): Promise<Software> {
  const manifest = packageManifest.parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
  const findings = [
    ok('Lockstep', version, { version, folder: root }),
    nodeFinding(process.version, manifest.engines.node),
  ];
  let installation: Installation;
  try {
    installation = readInstallation(root);
    const damaged = damagedFiles(root);
    if (damaged.length > 0) throw new LockstepError('ENGINE', `${damaged[0]} is not whole.`, { hint: setUp });
    for (const [what, file] of Object.entries(compiled)) {
      if (existsSync(join(root, file))) continue;
      throw new LockstepError('ENGINE', `${what} is not compiled.`, { hint: setUp });
    }
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    findings.push(failure('engine', error.message, error.details.hint ?? setUp));
    return { findings, installation: undefined, probe: undefined };
  }
  const { kind, version: engine, libraryPath } = installation;
  findings.push(ok('engine', `TensorFlow ${engine} (${kind})`, { version: engine, kind, libraryPath }));
  const trial = await tryEngine();
  return {
    findings: [...findings, ...trialFindings(trial)],
    installation,
    probe: 'probe' in trial ? trial.probe : undefined,
  };
}

/** What a trial of the engine says. */
export function trialFindings(trial: EngineTrial): Finding[] {
  if ('failure' in trial) {
    return [failure('TensorFlow', trial.failure, `${setUp} docs/install.md lists what it needs.`)];
  }
  const { loadMs, matmulGflops, oneDnn, peakRssBytes } = trial.probe;
  const speeds = Object.entries(matmulGflops).map(
    ([precision, gflops]) => `${precision} ${gflops?.toFixed(0)}`,
  );
  const speed = `${speeds.join(', ')} GFLOP/s`;
  return [
    ok('TensorFlow', `loads in ${(loadMs / 1000).toFixed(1)} s, computes a graph; ${bytes(peakRssBytes)}`, {
      loadMs,
      peakRssBytes,
    }),
    ok('matrix products', speed, { matmulGflops }),
    oneDnn
      ? ok('oneDNN', 'on', { on: true })
      : warning('oneDNN', 'off', 'Unset TF_ENABLE_ONEDNN_OPTS: without oneDNN convolutions are slow.', {
          on: false,
        }),
  ];
}
