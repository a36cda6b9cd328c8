import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from './package-root.js';
import { workerEnvironment, workerNodeFlags } from './worker-process.js';

it('a worker that is started by hand gets what a launched one has', () => {
  const script = readFileSync(join(packageRoot, 'bin', 'lockstep'), 'utf8');
  expect(script).toContain(`flags=(${workerNodeFlags.join(' ')})`);
  for (const name of Object.keys(workerEnvironment)) {
    expect(script).toMatch(new RegExp(`export ${name}=\\S*${workerEnvironment[name]}`));
  }
});
