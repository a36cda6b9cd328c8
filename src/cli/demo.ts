/** `lockstep demo`: the traditional and the contrastive way on the embedded sample, side by side. */
import { join } from 'node:path';
import type { CommandModule } from 'yargs';
import { LineProgress } from '../coordinator/progress.js';
import { train } from '../coordinator/train.js';
import { loadConfig } from '../shared/config/load.js';
import { packageRoot } from '../shared/package-root.js';
import { print, runCommand } from './output.js';
import { type NamedResult, resultTable } from './results.js';
import { stopBySignal } from './signals.js';

interface DemoArguments {
  readonly workers: number;
  readonly json: boolean;
}

export const demoCommand: CommandModule<object, DemoArguments> = {
  command: 'demo',
  describe: 'Train both ways on the embedded sample with 2 local workers: a few minutes',
  builder: (yargs) =>
    yargs
      .option('workers', { type: 'number', default: 2, describe: 'Worker processes' })
      .option('json', { type: 'boolean', default: false, describe: 'Print the results as JSON on stdout' })
      .example('npm run demo', 'the same, and installs everything first'),
  handler: ({ workers, json }) =>
    runCommand(json, async () => {
      const results: NamedResult[] = [];
      const stop = stopBySignal((text) => process.stderr.write(`${text}\n`));
      for (const file of ['demo-traditional.yaml', 'demo-contrastive.yaml']) {
        const config = await loadConfig(join(packageRoot, 'configs', file));
        const progress = new LineProgress(process.stderr);
        const outcome = await train({
          config,
          workers,
          launch: 'local',
          bind: 'tcp://127.0.0.1:*',
          out: undefined,
          resume: false,
          minWorkers: 1,
          stop,
          progress,
        });
        if (outcome.state === 'stopped') return;
        results.push({ name: config.name, run: outcome.run, summary: outcome.summary });
      }
      if (json) print(results);
      else process.stdout.write(resultTable(results));
    }),
};
