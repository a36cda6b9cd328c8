/** `lockstep data`: bring CIFAR-10 into the cache, and say what is there. */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { CommandModule } from 'yargs';
import { splitNames } from '../shared/data/cifar.js';
import { type Dataset, verifyDataset } from '../shared/data/dataset.js';
import { download, official } from '../shared/data/download.js';
import { importDataset } from '../shared/data/import.js';
import { refuseForeignFolder } from '../shared/data/packed.js';
import { cacheFolder, resolveDataset } from '../shared/data/resolve.js';
import { LockstepError } from '../shared/errors.js';
import type { CommandBody } from './command.js';
import { showProgress } from './data-progress.js';
import { print, runCommand } from './output.js';

interface ImportArguments {
  readonly source: string | undefined;
  readonly download: boolean;
  readonly url: string | undefined;
  readonly labels: string | undefined;
  readonly to: string | undefined;
  readonly name: string;
  readonly json: boolean;
}

const importCommand: CommandModule<object, ImportArguments> = {
  command: 'import [source]',
  describe:
    'Import CIFAR-10: the official binary files, or JPEGs in train|test/CLASS/; a folder or an archive',
  builder: (yargs) =>
    yargs
      .positional('source', { type: 'string', describe: 'Folder, .tar, .tar.gz or .tar.xz' })
      .option('download', {
        type: 'boolean',
        default: false,
        describe: 'Get the official archive (170 MB) from the home page of CIFAR-10 instead of SOURCE',
      })
      .option('url', { type: 'string', describe: 'Download that same archive from another address' })
      .option('labels', {
        type: 'string',
        describe: 'Folder of train-labels.txt and test-labels.txt, for JPEGs  [default: beside SOURCE]',
      })
      .option('name', { type: 'string', default: 'cifar10', describe: 'What configs will call it' })
      .option('to', { type: 'string', describe: 'Folder to make  [default: NAME in the cache]' })
      .option('json', { type: 'boolean', default: false, describe: 'Print the result as JSON on stdout' })
      .example('$0 data import cifar-10-binary.tar.gz', 'then `dataset: cifar10` in a config')
      .example('$0 data import --download', 'the same, downloaded first')
      .example('$0 data import cifar10-jpeg.tar.xz --to /data/cifar10', 'then `dataset: /data/cifar10`'),
  handler: (given) =>
    runCommand(given.json, async () => {
      checkUsage(given);
      const progress = showProgress();
      try {
        const to = given.to ?? path.join(cacheFolder(), given.name);
        refuseForeignFolder(to);
        const source = given.source ?? (await downloaded(given.url ?? official.url, progress));
        const dataset = await importDataset(source, {
          to,
          name: given.name,
          onProgress: progress,
          ...(given.labels === undefined ? {} : { labels: given.labels }),
        });
        if (given.source === undefined) await rm(source, { force: true });
        progress();
        show(dataset, given.json);
      } catch (error) {
        progress();
        throw error;
      }
    }),
};

interface InfoArguments {
  readonly name: string;
  readonly json: boolean;
}

const infoCommand: CommandModule<object, InfoArguments> = {
  command: 'info [name]',
  describe: 'Say what a dataset holds, after comparing all its files with their digests',
  builder: (yargs) =>
    yargs
      .positional('name', { type: 'string', default: 'cifar10', describe: 'sample, cifar10, or a folder' })
      .option('json', { type: 'boolean', default: false, describe: 'Print the result as JSON on stdout' })
      .example('$0 data info sample', 'the images that come with Lockstep'),
  handler: ({ name, json }) =>
    runCommand(json, async () => {
      const dataset = await resolveDataset(name);
      await verifyDataset(dataset);
      show(dataset, json);
    }),
};

export const dataCommand: CommandBody = {
  builder: (yargs) =>
    yargs
      .command([importCommand, infoCommand] as unknown as CommandModule[])
      .demandCommand(1, 'Give import or info.'),
  handler: () => {},
};

function checkUsage({ source, download, url, name }: ImportArguments): void {
  const usage = (message: string) =>
    new LockstepError('USAGE', message, {
      hint: 'For example: lockstep data import cifar-10-binary.tar.gz',
    });
  if (source === undefined && !download) throw usage('Give a SOURCE to import, or --download.');
  if (source !== undefined && download) throw usage('Give a SOURCE or --download, not both.');
  if (url !== undefined && !download) throw usage('--url belongs to --download.');
  if (name === 'sample' || !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw usage(`A dataset can't be called '${name}': letters, digits, . _ and -, and not sample.`);
  }
}

async function downloaded(url: string, onProgress: ReturnType<typeof showProgress>): Promise<string> {
  const to = path.join(cacheFolder(), 'downloads', path.basename(official.url));
  await download({ url, md5: official.md5, to, onProgress });
  return to;
}

function show(dataset: Dataset, json: boolean): void {
  const { folder, digest, manifest } = dataset;
  const { name, classes, imageShape, source } = manifest;
  const splits = splitNames.map((split) => {
    const { count, labels } = dataset.split(split);
    const perClass = classes.map((_, label) => labels.filter((value) => value === label).length);
    return { split, count, perClass };
  });
  if (json) {
    const counts = Object.fromEntries(splits.map(({ split, count }) => [split, count]));
    const perClass = Object.fromEntries(splits.map((one) => [one.split, one.perClass]));
    print({ name, folder, digest, counts, perClass, classes, imageShape, source });
    return;
  }
  const width = Math.max(...classes.map(({ length }) => length));
  const rows = classes.map((className, label) =>
    [className.padEnd(width), ...splits.map(({ perClass }) => String(perClass[label]).padStart(7))].join(' '),
  );
  process.stdout.write(
    [
      `${name}: ${splits.map(({ split, count }) => `${count} ${split}`).join(' and ')} images of ${imageShape.join('x')}`,
      `folder  ${folder}`,
      `digest  ${digest}`,
      `source  ${source.path} (${source.kind})`,
      [''.padEnd(width), ...splitNames.map((split) => split.padStart(7))].join(' '),
      ...rows,
      '',
    ].join('\n'),
  );
}
