import { expect, it } from 'vitest';
import yargs from 'yargs';
import { type CommandBody, lazyCommand } from './command.js';
import { commands } from './commands.js';

function trace() {
  const events: string[] = [];
  const body: CommandBody<{ of: string; size: number }> = {
    builder: (options) =>
      options
        .positional('of', { type: 'string', demandOption: true })
        .option('size', { type: 'number', default: 3 }),
    handler: ({ of, size }) => void events.push(`ran with ${of} ${size}`),
  };
  const command = lazyCommand('one <of>', 'One', async () => {
    events.push('loaded');
    return body;
  });
  const other = lazyCommand('other', 'Other', async () => ({
    builder: (options) => options,
    handler: () => void events.push('ran other'),
  }));
  const parser = () => yargs().command([command, other]).strict().help().exitProcess(false);
  return { events, parser };
}

it('loads a body when its command is called, and gives it what its builder declares', async () => {
  const { events, parser } = trace();
  await parser().parseAsync('one thing --size 5');
  expect(new Set(events)).toEqual(new Set(['loaded', 'ran with thing 5']));
});

it('loads no body for the help or for another command', async () => {
  const { events, parser } = trace();
  await parser().parseAsync('other');
  const help = await parser().getHelp();
  expect(help).toMatch(/one <of>\s+One/);
  expect(events).toEqual(['ran other']);
});

it.each(commands)('$command has a body', async ({ builder }) => {
  const options = yargs();
  if (typeof builder !== 'function') throw new Error('it has no builder');
  expect(await builder(options)).toBe(options);
});
