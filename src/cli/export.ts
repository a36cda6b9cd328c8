/** `lockstep export`: a checkpoint's weights for PyTorch, Keras, or the first weights of another run. */

import { type ExportFormat, exportFormats, exportWeights } from '../coordinator/weights/export.js';
import type { CommandBody } from './command.js';
import { print, runCommand } from './output.js';

interface ExportArguments {
  readonly checkpoint: string;
  readonly format: ExportFormat;
  readonly out: string;
  readonly json: boolean;
}

export const exportCommand: CommandBody<ExportArguments> = {
  builder: (yargs) =>
    yargs
      .positional('checkpoint', {
        type: 'string',
        demandOption: true,
        describe: 'A checkpoint folder, or a run folder',
      })
      .option('format', {
        choices: exportFormats,
        demandOption: true,
        describe:
          'torchvision, timm: safetensors by their names. keras: a .h5 for load_weights. lockstep: safetensors, heads and all',
      })
      .option('out', { type: 'string', demandOption: true, describe: 'The file; it must not be there yet' })
      .option('json', { type: 'boolean', default: false, describe: 'Print the result as JSON on stdout' })
      .example('$0 export runs/one --format torchvision --out one.safetensors', 'docs/transfer.md reads it'),
  handler: ({ checkpoint, format, out, json }) =>
    runCommand(json, async () => {
      const result = await exportWeights(checkpoint, format, out);
      if (json) print(result);
      else {
        const { folder, tensors, leftOut } = result;
        const rest = leftOut.length === 0 ? '' : `; without ${leftOut.join(', ')}`;
        process.stdout.write(`${out}: ${tensors} tensors of ${folder}${rest}\n`);
      }
    }),
};
