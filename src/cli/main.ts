#!/usr/bin/env node
/** The front door: which commands there are. What they do is in the rooms. */
// Runs in flight each hold a thread of libuv's pool; it reads this when its first thread starts.
process.env.UV_THREADPOOL_SIZE ??= '64';
const { default: yargs } = await import('yargs');
const { hideBin } = await import('yargs/helpers');
const { commands } = await import('./commands.js');
const { reportUsage } = await import('./output.js');
const { refuseRepeated } = await import('./repeated.js');

const names = commands.map(({ command }) => `${command}`.split(' ')[0]!);
await yargs(hideBin(process.argv))
  .scriptName('lockstep')
  .usage(
    '$0 <command>\n\nData-parallel training of image encoders: the same weights on any number of workers.',
  )
  .command(commands)
  .demandCommand(1, 'Give a command.')
  .strict()
  .strictCommands()
  .check(refuseRepeated)
  .fail((message, error) => reportUsage(message, error, names))
  .wrap(Math.min(110, process.stdout.columns ?? 110))
  .help()
  .alias('help', 'h')
  .parseAsync();
