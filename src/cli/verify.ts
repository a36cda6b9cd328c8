/** `lockstep verify`: are the bits the same on any number of workers, here and with this config? */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject, type Verification, type VerifyOptions, verify } from '../coordinator/verify.js';
import { loadConfig } from '../shared/config/load.js';
import { LockstepError } from '../shared/errors.js';
import { packageRoot } from '../shared/package-root.js';
import type { CommandBody } from './command.js';
import { print, runCommand } from './output.js';
import { table } from './table.js';
import { configArguments } from './train.js';
import { wholeNumber, wholeNumbers } from './whole-number.js';

interface VerifyArguments {
  readonly config: string;
  readonly set: readonly string[];
  readonly workers: string;
  readonly steps: number;
  readonly inject: string | undefined;
  readonly json: boolean;
}

export const verifyCommand: CommandBody<VerifyArguments> = {
  builder: (yargs) =>
    configArguments(yargs, join(packageRoot, 'configs', 'verify.yaml'))
      .option('workers', { type: 'string', default: '1,2,3,4', describe: 'Numbers of local workers' })
      .option('steps', { type: 'number', default: 20, describe: 'Steps of every stage' })
      .option('inject', {
        type: 'string',
        describe:
          "Change one bit of this tensor on the last of the most workers, and see the replicas' check fire",
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print the result as JSON on stdout' })
      .example('$0 verify', 'a few seconds, with a config made for it')
      .example('$0 verify configs/demo-contrastive.yaml --workers 1,4 --steps 5', '')
      .example('$0 verify --workers 3 --inject encoder.conv1.kernel', 'a replica that strays is named'),
  handler: ({ config: path, set, workers, steps, inject: tensor, json }) =>
    runCommand(json, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'lockstep-verify-'));
      try {
        const note = (text: string) => process.stderr.write(`${text}\n`);
        const config = await loadConfig(path, { set });
        const counts = wholeNumbers('--workers', workers);
        const options = { config, workers: counts, steps: wholeNumber('--steps', steps), folder, note };
        if (tensor === undefined) report(await verify(options), json);
        else await seeInjection(options, tensor, json);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }),
};

/** @throws LockstepError DIVERGED when runs differ, so that the exit code says so. */
function report({ runs, difference }: Verification, json: boolean): void {
  const summaries = runs.map(({ workers, records, weightsDigest, seconds }) => ({
    workers,
    steps: records.length,
    loss: records.at(-1)?.loss ?? null,
    weightsDigest,
    seconds,
  }));
  const found = { equal: difference === null, runs: summaries, difference };
  if (json && found.equal) print(found);
  if (!json) {
    const columns = ['workers', 'steps', 'last loss', 'weights', 'seconds'].map((title) => ({
      title,
      align: 'right' as const,
    }));
    const rows = summaries.map(({ workers, steps, loss, weightsDigest, seconds }) => [
      `${workers}`,
      `${steps}`,
      `${loss ?? '–'}`,
      weightsDigest.slice(0, 16),
      seconds.toFixed(1),
    ]);
    process.stdout.write(`${table(columns, rows)}\n`);
    if (found.equal) process.stdout.write('\nThe same weights and optimiser state, bit for bit.\n');
  }
  if (difference === null) return;
  const { workers, step, tensor } = difference;
  throw new LockstepError(
    'DIVERGED',
    `${workers[0]} and ${workers[1]} workers differ from step ${step} on, first in tensor '${tensor}'.`,
    { found, hint: 'Report it with the config and the machine: the bits must not depend on the workers.' },
  );
}

/** @throws LockstepError when the check does not fire, or for another reason. */
async function seeInjection(options: VerifyOptions, tensor: string, json: boolean): Promise<void> {
  const workers = Math.max(...options.workers);
  if (workers < 2) {
    throw new LockstepError('USAGE', '--inject needs at least 2 workers: one replica differs from nothing.', {
      hint: 'With 3 or more it is the odd one that is named.',
    });
  }
  let caught: LockstepError | undefined;
  try {
    await inject(options, workers, tensor);
  } catch (error) {
    if (!(error instanceof LockstepError) || error.code !== 'DIVERGED') throw error;
    caught = error;
  }
  if (caught === undefined) {
    throw new LockstepError('DIVERGED', `One bit of '${tensor}' was changed, and no check noticed.`, {
      hint: 'Is it a tensor that the first stage trains? If so this is a bug: please report it.',
    });
  }
  if (json) print({ injected: { tensor, rank: workers - 1 }, caught: caught.message });
  else
    process.stdout.write(
      `One bit of '${tensor}' on rank ${workers - 1} was changed. Caught: ${caught.message}\n`,
    );
}
