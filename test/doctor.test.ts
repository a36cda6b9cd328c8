/** `lockstep doctor` as a user calls it: on this host, between two that only look like two, and between two networks. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LinkHub } from '../src/cli/doctor/links/hub.js';
import { takePart } from '../src/cli/doctor/links/member.js';
import type { DoctorReport } from '../src/cli/doctor.js';
import { networkOf } from '../src/cli/network-option.js';
import { packageRoot } from '../src/shared/package-root.js';
import { newKeyPair } from '../src/shared/security/join.js';
import { Commands, type Ended } from './lockstep-command.js';

let commands: Commands;
beforeEach(() => {
  commands = new Commands();
});
afterEach(() => commands.end());

const reportIn = ({ stdout }: Ended) => JSON.parse(stdout) as DoctorReport & { error?: { code: string } };

describe('on one host', () => {
  it('all is looked at, and the links between its workers are measured', async () => {
    const ended = await commands.start(['doctor', '--json', '--runs', commands.folder]).ended;
    const { counts, hosts, links, error } = reportIn(ended);
    expect([error, ended.code], ended.stderr).toEqual([undefined, 0]);
    expect(counts.failures).toBe(0);
    const found = Object.fromEntries(hosts[0]!.findings.map((finding) => [finding.check, finding]));
    expect(found.TensorFlow?.level).toBe('ok');
    expect(found['matrix products']?.facts).toMatchObject({
      matmulGflops: { float32: expect.any(Number), bfloat16: expect.any(Number) },
    });
    expect(Object.keys(found)).toEqual(
      expect.arrayContaining([
        'Node',
        'cores',
        'GPUs',
        'memory',
        'interfaces',
        'ports',
        'run folders',
        'dataset',
      ]),
    );
    expect(links.map(({ path, encrypted }) => [path, encrypted])).toEqual([
      ['shared memory', false],
      ['frames', false],
      ['frames', true],
    ]);
    for (const { latencyMs, fit } of links) {
      expect(latencyMs?.median).toBeGreaterThan(0);
      expect(fit?.bytesPerSecond).toBeGreaterThan(1e6);
    }
    // What the disks were measured with is gone.
    expect(readdirSync(commands.folder)).toEqual([]);
  });

  it('a failure is exit code 1, with what to do', async () => {
    const args = ['doctor', '--no-links', '--runs', '/proc/none'];
    const [text, json] = [await commands.start(args).ended, await commands.start([...args, '--json']).ended];
    expect([text.code, json.code]).toEqual([1, 1]);
    expect(text.stdout).toMatch(/✗ run folders +\/proc\/none: .*\n +→ Choose a folder/);
    expect(text.stderr).toMatch(/^lockstep: error: 1 failure and \d+ warnings?\. /);
    expect(reportIn(json)).toMatchObject({ counts: { failures: 1 }, error: { code: 'UNFIT' } });
  });

  it.each([
    [['--hosts', '2'], 'Nothing says where to listen for other hosts'],
    [['--bind', 'tcp://127.0.0.1:*'], '--bind is for --hosts'],
    [['--join', 'x.json', '--no-links'], '--no-links is for this host alone'],
    [['--advertise', 'node1'], '--advertise is for --hosts'],
    [['--join', 'x.json', '--join-file', 'y.json'], '--join-file is for --hosts'],
    [['--address', '10.0.0.1'], '--address is for --hosts or --join'],
  ])('is called wrongly with %j', async (args, message) => {
    const { code, stderr } = await commands.start(['doctor', ...args]).ended;
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

/** Another folder for shared memory makes another host of a process, as another container is. */
function otherMachine(name: string): NodeJS.ProcessEnv {
  const folder = join(commands.folder, name);
  mkdirSync(folder);
  return { LOCKSTEP_SHM_DIR: folder };
}

describe('between hosts', () => {
  it('each takes part once, and the hub reports all of them', async () => {
    const file = join(commands.folder, 'doctor-join.json');
    const there = otherMachine('there');
    const member = ['doctor', '--join', file];
    // They are here before the hub has written the file.
    const members = [commands.start(member, there), commands.start(member)];
    const hub = commands.start([
      'doctor',
      '--hosts',
      '2',
      '--bind',
      'tcp://127.0.0.1:*',
      '--runs',
      commands.folder,
      '--json',
    ]);
    const ended = await hub.ended;
    const [measured, again] = await Promise.all(members.map(({ ended }) => ended));
    expect([ended.code, measured!.code, again!.code], ended.stderr).toEqual([0, 0, 0]);
    expect(`${measured!.stderr}${again!.stderr}`).toContain('took part');
    const { hosts, links } = reportIn(ended);
    expect(hosts).toHaveLength(2);
    expect(links).toMatchObject([{ path: 'frames', encrypted: false, sameMachine: false }]);
    expect(links[0]!.skewMs).toBeLessThan(20);
    expect(existsSync(file)).toBe(false);
    // What `lockstep scale --network` forecasts with.
    const saved = join(commands.folder, 'doctor.json');
    writeFileSync(saved, ended.stdout);
    const { fit, bothWaysBytesPerSecond } = links[0]!;
    expect(await networkOf(saved, () => {})).toEqual({
      bytesPerSecond: Math.min(fit!.bytesPerSecond, bothWaysBytesPerSecond!),
      delayMs: Math.max(0, fit!.latencyMs),
    });
  });

  it('missing ones are a failure of those that came', async () => {
    const args = ['doctor', '--hosts', '2', '--bind', 'tcp://127.0.0.1:*', '--wait', '0', '--json'];
    const ended = await commands.start([...args, '--runs', commands.folder]).ended;
    expect(ended.code).toBe(1);
    expect(reportIn(ended).linkFindings).toMatchObject([{ level: 'failure', value: '1 of 2 joined' }]);
  });

  it('a join file that others may read is refused', async () => {
    const file = join(commands.folder, 'join.json');
    writeFileSync(file, '{}');
    chmodSync(file, 0o644);
    const { code, stderr } = await commands.start(['doctor', '--join', file]).ended;
    expect([code, stderr]).toEqual([2, expect.stringContaining('can be read by other users')]);
  });

  it('one that can not be reached is a link that is not there, and the others are measured', async () => {
    const protection = { encrypted: false, token: newKeyPair() };
    const key = newKeyPair();
    const hub = await LinkHub.bind({
      ...{ bind: 'tcp://127.0.0.1:*', protection, key, log: () => {}, onePerMachine: false, linkMs: 500 },
    });
    const join = { endpoint: hub.endpoint, coordinatorKey: key.publicKey, ...protection };
    const members = ['a', 'b', 'c'].map((host) =>
      takePart({
        ...{
          join,
          address: '127.0.0.1',
          examine: async () => ({ host, findings: [] }),
          log: () => {},
          welcomeMs: 10_000,
        },
        // Nothing listens at the address that it tells the others.
        ...(host === 'b' ? { advertise: '127.0.0.9' } : {}),
      }),
    );
    try {
      expect(await hub.joined(3, 10_000)).toBe(true);
      const results = await hub.measureAll(false);
      const problems = results.map(({ from, to, problem }) => [
        [from, to].sort().join(''),
        problem === undefined,
      ]);
      expect(Object.fromEntries(problems)).toEqual({ ab: false, ac: true, bc: false });
      expect(results.find(({ problem }) => problem)?.problem).toMatch(/No link after 0.5 s/);
    } finally {
      await hub.close();
      await Promise.all(members);
    }
  });
});

/** Whether this user may make networks and hosts of its own. */
function mayMakeNetworks(): boolean {
  const name = `lockstep-${process.pid}-may`;
  const made = spawnSync('ip', ['netns', 'add', name]).status === 0;
  if (made) spawnSync('ip', ['netns', 'del', name]);
  return made && spawnSync('unshare', ['--uts', '--mount', 'true']).status === 0;
}

const networks = mayMakeNetworks();
if (!networks)
  process.stderr.write('test/doctor.test.ts: two networks are skipped: they need root and `ip netns`.\n');

describe.skipIf(!networks)('between two networks with an address each', () => {
  const [a, b] = [`lsa${process.pid}`, `lsb${process.pid}`];
  const ip = (...args: string[]) => execFileSync('ip', args);

  beforeEach(() => {
    for (const name of [a, b]) ip('netns', 'add', name);
    ip('link', 'add', `${a}v`, 'netns', a, 'type', 'veth', 'peer', 'name', `${b}v`, 'netns', b);
    for (const [i, name] of [a, b].entries()) {
      ip('-n', name, 'addr', 'add', `10.77.0.${i + 1}/24`, 'dev', `${name}v`);
      for (const device of [`${name}v`, 'lo']) ip('-n', name, 'link', 'set', device, 'up');
    }
  });
  afterEach(() => {
    commands.killAll();
    for (const name of [a, b]) spawnSync('ip', ['netns', 'del', name]);
  });

  /** A host of its own: network, name, and shared memory. */
  function on(network: string, args: readonly string[]) {
    const command = [process.execPath, join(packageRoot, 'dist/cli/main.js'), ...args];
    const script = `hostname host-${network}; mount -t tmpfs none /dev/shm; exec "$@"`;
    return commands.startProgram('ip', [
      ...['netns', 'exec', network, 'unshare', '--uts', '--mount', 'sh', '-c', script, 'sh', ...command],
    ]);
  }

  it('the links are encrypted, and each is reached at its own address', async () => {
    const runs = commands.folder;
    const file = join(runs, 'doctor-join.json');
    const member = on(b, ['doctor', '--join', file]);
    const hub = on(a, ['doctor', '--hosts', '2', '--bind', 'tcp://10.77.0.1:*', '--runs', runs, '--json']);
    await expect.poll(() => existsSync(file), { timeout: 20_000, interval: 5 }).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ encrypted: true });
    const [ended, other] = [await hub.ended, await member.ended];
    expect([ended.code, other.code], `${ended.stderr}${other.stderr}`).toEqual([0, 0]);
    const { hosts, links } = reportIn(ended);
    expect(hosts.map(({ host }) => host)).toEqual([`host-${a}`, `host-${b}`]);
    expect(links).toMatchObject([
      { from: `host-${a}`, to: `host-${b}`, path: 'frames', encrypted: true, sameMachine: false },
    ]);
    expect(Math.abs(links[0]!.skewMs!)).toBeLessThan(20);
  });
});
