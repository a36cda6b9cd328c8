/** `lockstep eval`: a checkpoint's accuracy on the test images, exact for any number of workers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandModule } from 'yargs';
import { evaluateCheckpoint } from '../coordinator/evaluate-checkpoint.js';
import { print, runCommand } from './output.js';
import { wholeWorkers } from './train.js';

interface EvalArguments {
  readonly checkpoint: string;
  readonly workers: number;
  readonly embeddings: string | undefined;
  readonly json: boolean;
}

export const evalCommand: CommandModule<object, EvalArguments> = {
  command: 'eval <checkpoint>',
  describe: 'Evaluate a checkpoint, or the last one of a run folder, on the test images',
  builder: (yargs) =>
    yargs
      .positional('checkpoint', {
        type: 'string',
        demandOption: true,
        describe: 'A checkpoint folder, or a run folder',
      })
      .option('workers', { type: 'number', default: 1, describe: 'Worker processes that share the images' })
      .option('embeddings', {
        type: 'string',
        describe: "Also write the encoder's features of the test images here, for TensorBoard's projector",
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print the result as JSON on stdout' })
      .example('$0 eval runs/demo-traditional --workers 2', '')
      .example(
        '$0 eval runs/one --embeddings runs/one/tensorboard',
        'then: tensorboard --logdir runs/one/tensorboard',
      ),
  handler: ({ checkpoint, workers, embeddings, json }) =>
    runCommand(json, async () => {
      const logs = mkdtempSync(join(tmpdir(), 'lockstep-eval-'));
      try {
        const result = await evaluateCheckpoint(checkpoint, wholeWorkers(workers), logs, embeddings);
        if (json) print(embeddings === undefined ? result : { ...result, embeddings });
        else {
          const { images, loss, accuracy, folder, weights } = result;
          const of = weights === undefined ? '' : ' (EMA weights)';
          process.stdout.write(
            `${folder}: accuracy ${(100 * accuracy).toFixed(2)} %, loss ${loss.toFixed(4)} on ${images} test images${of}\n`,
          );
          if (embeddings !== undefined) {
            process.stdout.write(`See the features with: tensorboard --logdir ${embeddings}\n`);
          }
        }
      } finally {
        rmSync(logs, { recursive: true, force: true });
      }
    }),
};
