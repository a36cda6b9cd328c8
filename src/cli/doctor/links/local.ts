/** The links between workers of one host: through shared memory, over TCP, and over TCP encrypted. */
import { fork } from 'node:child_process';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { joinVariable, newKeyPair } from '../../../shared/security/join.js';
import { workerEnvironment, workerNodeFlags } from '../../../shared/worker-process.js';
import { LinkHub, type LinkResult } from './hub.js';

const script = fileURLToPath(new URL('local-process.js', import.meta.url));
const joinMs = 30_000;

/** Between two processes that are started as local workers are. */
export async function measureLocalLinks(log: (message: string) => void): Promise<LinkResult[]> {
  return [...(await measure(false, log)), ...(await measure(true, log))];
}

async function measure(encrypted: boolean, log: (message: string) => void): Promise<LinkResult[]> {
  const protection = { encrypted, token: newKeyPair() };
  const key = newKeyPair();
  const bind = 'tcp://127.0.0.1:*';
  const hub = await LinkHub.bind({ bind, protection, key, log, onePerMachine: false });
  const join = { endpoint: hub.endpoint, coordinatorKey: key.publicKey, ...protection };
  const env = { ...process.env, ...workerEnvironment, [joinVariable]: JSON.stringify(join) };
  const processes = [0, 1].map(() =>
    fork(script, { execArgv: [...workerNodeFlags], stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env }),
  );
  try {
    if (!(await hub.joined(2, joinMs))) {
      const problem = `the processes did not start in ${joinMs / 1000} s`;
      const host = hostname();
      return [{ from: host, to: host, encrypted, sameMachine: true, measurement: undefined, problem }];
    }
    // What lies in shared memory is not encrypted.
    return [...(encrypted ? [] : await hub.measureAll(true)), ...(await hub.measureAll(false))];
  } finally {
    await hub.close();
    for (const child of processes) child.kill('SIGKILL');
  }
}
