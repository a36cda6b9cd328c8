/** `lockstep watch`: how a run goes, from its folder, on any host that sees it. */
import { setTimeout } from 'node:timers/promises';
import { viewOn } from '../coordinator/watch/views.js';
import { watch } from '../coordinator/watch/watch.js';
import type { CommandBody } from './command.js';
import { print, runCommand } from './output.js';
import { resultTable } from './results.js';

interface WatchArguments {
  readonly run: string;
  readonly once: boolean;
  readonly json: boolean;
}

/** Steps may be faster; eyes are not, and a shared file system is asked each time. */
const lookMs = 1000;

export const watchCommand: CommandBody<WatchArguments> = {
  builder: (yargs) =>
    yargs
      .positional('run', { type: 'string', demandOption: true, describe: 'A run folder' })
      .option('once', { type: 'boolean', default: false, describe: 'Show how it stands now, and end' })
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'Print how it stands at the end, or now with --once, as JSON on stdout',
      })
      .example('$0 watch runs/one', 'redrawn in place on a terminal; Ctrl-C ends the watching, not the run')
      .example('$0 watch runs/one --once --json', 'for scripts'),
  handler: ({ run, once, json }) =>
    runCommand(json, async () => {
      const stream = json ? process.stderr : process.stdout;
      // Nobody looks any more: `lockstep watch … | head`.
      stream.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EPIPE') process.exit(0);
      });
      const seen = await watch({
        run,
        once,
        view: once && json ? { show: () => {} } : viewOn(stream),
        wait: () => setTimeout(lookMs),
        now: () => performance.now(),
      });
      if (json) print(seen);
      else if (seen.summary !== null) {
        process.stdout.write(resultTable([{ name: seen.name, run, summary: seen.summary }]));
      }
    }),
};
