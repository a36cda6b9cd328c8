/** `lockstep data`: bring CIFAR-10 into the cache, and say what is there. */
import { join } from 'node:path';
import type { CommandModule } from 'yargs';
import { splitNames } from '../shared/data/cifar.js';
import type { Dataset } from '../shared/data/dataset.js';
import { importDataset } from '../shared/data/import.js';
import { cacheFolder, resolveDataset } from '../shared/data/resolve.js';
import { print, runCommand } from './output.js';

interface ImportArguments {
  readonly source: string;
  readonly labels: string | undefined;
  readonly to: string | undefined;
  readonly json: boolean;
}

const importCommand: CommandModule<object, ImportArguments> = {
  command: 'import <source>',
  describe:
    'Import CIFAR-10: the official binary files, or JPEGs in train|test/CLASS/; a folder or an archive',
  builder: (yargs) =>
    yargs
      .positional('source', {
        type: 'string',
        demandOption: true,
        describe: 'Folder, .tar, .tar.gz or .tar.xz',
      })
      .option('labels', { type: 'string', describe: 'Folder of train-labels.txt and test-labels.txt' })
      .option('to', { type: 'string', describe: 'Folder to make  [default: cifar10 in the cache]' })
      .option('json', { type: 'boolean', default: false, describe: 'Print the result as JSON on stdout' })
      .example('$0 data import cifar-10-binary.tar.gz', 'then `dataset: cifar10` in a config'),
  handler: ({ source, labels, to, json }) =>
    runCommand(json, async () => {
      const dataset = await importDataset(source, {
        to: to ?? join(cacheFolder(), 'cifar10'),
        ...(labels === undefined ? {} : { labels }),
      });
      show(dataset, json);
    }),
};

interface InfoArguments {
  readonly name: string;
  readonly json: boolean;
}

const infoCommand: CommandModule<object, InfoArguments> = {
  command: 'info [name]',
  describe: 'Say what a dataset holds: sample, cifar10, or a packed folder',
  builder: (yargs) =>
    yargs
      .positional('name', { type: 'string', default: 'cifar10', describe: 'sample, cifar10, or a folder' })
      .option('json', { type: 'boolean', default: false, describe: 'Print the result as JSON on stdout' })
      .example('$0 data info sample', ''),
  handler: ({ name, json }) => runCommand(json, async () => show(await resolveDataset(name), json)),
};

export const dataCommand: CommandModule = {
  command: 'data <what>',
  describe: 'Import CIFAR-10, or say what has been imported',
  builder: (yargs) =>
    yargs
      .command([importCommand, infoCommand] as unknown as CommandModule[])
      .demandCommand(1, 'Give import or info.'),
  handler: () => {},
};

function show(dataset: Dataset, json: boolean): void {
  const counts = Object.fromEntries(splitNames.map((name) => [name, dataset.split(name).count]));
  const { folder, digest } = dataset;
  if (json) print({ folder, digest, counts });
  else
    process.stdout.write(
      `${folder}: ${counts.train} train and ${counts.test} test images, digest ${digest}\n`,
    );
}
