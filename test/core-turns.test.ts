import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it, onTestFinished, vi } from 'vitest';
import { CoreTurns } from '../src/coordinator/core-turns.js';
import { allowedCores } from '../src/coordinator/linux-cores.js';

/** A process two of whose threads, the first among them, have the name of those that compute, as a worker with one thread. */
async function computing(): Promise<ChildProcess> {
  const program = `
    const fs = require('node:fs');
    for (const thread of fs.readdirSync('/proc/self/task').slice(0, 2))
      fs.writeFileSync('/proc/self/task/' + thread + '/comm', 'tf_Compute');
    process.stdout.write('named');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout!, 'data');
  return child;
}

it.skipIf(allowedCores().length < 2)('moves what computes on to the next cores, all at once', async () => {
  const [one, two] = allowedCores().slice(0, 2) as [number, number];
  const children = [await computing(), await computing()];
  const pids = () => children.map(({ pid }) => pid);
  const turns = new CoreTurns({ workers: 2, threads: 1, pids }, [one, two]);
  onTestFinished(() => turns.end());
  const seen = (...cores: number[]) =>
    vi.waitFor(
      () => expect(children.map(({ pid }) => allowedCores(pid))).toEqual(cores.map((core) => [core])),
      {
        timeout: 20_000,
        interval: 2,
      },
    );
  await seen(one, two);
  await seen(two, one);
  await seen(one, two);

  children[1]!.kill('SIGKILL');
  await once(children[1]!, 'exit');
  children[1] = await computing();
  await seen(two, one);
});
