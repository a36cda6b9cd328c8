/** `lockstep eval`: what a checkpoint comes to on the test images, exact for any number of workers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CheckpointEvaluation, evaluateCheckpoint } from '../coordinator/evaluate/checkpoint.js';
import { writeEvaluation } from '../coordinator/evaluate/evaluation-file.js';
import { runFolderAt } from '../coordinator/run-folder.js';
import type { CommandBody } from './command.js';
import { countProgress } from './count-progress.js';
import { evaluationText } from './evaluation-text.js';
import { print, runCommand } from './output.js';
import { wholeNumber } from './whole-number.js';

interface EvalArguments {
  readonly checkpoint: string;
  readonly workers: number;
  readonly knn: boolean | undefined;
  readonly probe: boolean | undefined;
  readonly tta: 'flip' | undefined;
  readonly points: number;
  readonly embeddings: string | undefined;
  readonly json: boolean;
}

export const evalCommand: CommandBody<EvalArguments> = {
  builder: (yargs) =>
    yargs
      .positional('checkpoint', {
        type: 'string',
        demandOption: true,
        describe: 'A checkpoint folder, or a run folder',
      })
      .option('workers', { type: 'number', default: 1, describe: 'Worker processes that share the images' })
      .option('knn', {
        type: 'boolean',
        describe:
          "The k-nearest-neighbour classifier on the encoder's features  [default: where there is no classifier]",
      })
      .option('probe', {
        type: 'boolean',
        describe: 'The linear probe on them  [default: where there is no classifier]',
      })
      .option('tta', {
        choices: ['flip'] as const,
        describe: 'Also average each image with its mirror image (test-time augmentation)',
      })
      .option('points', {
        type: 'number',
        default: 2000,
        describe: 'Test images whose features the report draws; 0 for none, which is faster',
      })
      .option('embeddings', {
        type: 'string',
        describe: "Write the test images' features and embeddings here: NumPy, CSV, TensorBoard's projector",
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print the result as JSON on stdout' })
      .example('$0 eval runs/demo-traditional --workers 2', 'then: lockstep report runs/demo-traditional')
      .example('$0 eval runs/one --knn --probe --tta flip', 'all that there is')
      .example(
        '$0 eval runs/one --embeddings runs/one/tensorboard',
        'then: tensorboard --logdir runs/one/tensorboard',
      ),
  handler: (args) =>
    runCommand(args.json, async () => {
      const { checkpoint, workers, knn, probe, tta, embeddings, json } = args;
      const logs = mkdtempSync(join(tmpdir(), 'lockstep-eval-'));
      const progress = countProgress(process.stderr);
      try {
        const found = await evaluateCheckpoint(checkpoint, {
          ...{ workers: wholeNumber('--workers', workers), logs, knn, probe, embeddings },
          ...{
            flip: tta === 'flip',
            points: wholeNumber('--points', args.points, 0, mostPoints),
            progress: progress.show,
          },
        });
        progress.end();
        const written = await leave(found);
        if (json) print(documentOf(found, written, embeddings));
        else {
          process.stdout.write(evaluationText(found));
          if (written !== undefined) {
            process.stdout.write(`${written}: what \`lockstep report ${found.run}\` draws\n`);
          }
          if (embeddings !== undefined) {
            process.stdout.write(`See the features with: tensorboard --logdir ${embeddings}\n`);
          }
        }
      } finally {
        progress.end();
        rmSync(logs, { recursive: true, force: true });
      }
    }),
};

/** Into the run's folder, for its report. What was found out is not lost with a folder that can't be written. */
async function leave({ run, evaluation }: CheckpointEvaluation): Promise<string | undefined> {
  if (run === undefined) return undefined;
  const path = runFolderAt(run).evaluation;
  try {
    await writeEvaluation(path, evaluation);
    return path;
  } catch (error) {
    process.stderr.write(`${path} can't be written: ${(error as Error).message}.\n`);
    return undefined;
  }
}

/** All of it but the places of points, which are in the file. */
function documentOf(
  { folder, run, weights, evaluation }: CheckpointEvaluation,
  written: string | undefined,
  embeddings: string | undefined,
) {
  const { points, spaces, classifier, ...rest } = evaluation;
  return {
    ...{ folder, run: run ?? null, evaluation: written ?? null },
    ...(weights === undefined ? {} : { weights }),
    ...(embeddings === undefined ? {} : { embeddings }),
    ...{ accuracy: classifier?.accuracy ?? null, loss: classifier?.loss ?? null },
    ...{ ...rest, classifier },
    spaces: spaces.map(({ name, width, alignment, uniformity, pca }) => ({
      ...{ name, width, images: points.images.length, alignment, uniformity, explained: pca.explained },
    })),
  };
}

/** All pairs of points are compared: 5,000 take 100 MB, and six times as long as 2,000. */
const mostPoints = 5000;
