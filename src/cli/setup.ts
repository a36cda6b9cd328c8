/** `lockstep setup`: installs what is missing, here or in a folder that other hosts see. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../shared/package-root.js';
import type { CommandBody } from './command.js';

interface SetupArguments {
  readonly prefix: string | undefined;
}

export const setupCommand: CommandBody<SetupArguments> = {
  builder: (yargs) =>
    yargs
      .option('prefix', {
        type: 'string',
        describe:
          'The folder, such as one that all nodes of a cluster see  [default: the one that this runs from]',
      })
      .example('$0 setup --prefix /project/lockstep', 'then /project/lockstep/bin/lockstep, on any node'),
  handler: ({ prefix }) => {
    const script = join(packageRoot, 'scripts', 'setup.mjs');
    const where = prefix === undefined ? [] : ['--prefix', prefix];
    const { status } = spawnSync(process.execPath, [script, ...where], { stdio: 'inherit' });
    process.exit(status ?? 1);
  },
};
