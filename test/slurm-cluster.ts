/**
 * A real Slurm of a test's own on this machine. Its nodes are network namespaces behind one bridge, with a hostname, an
 * /etc/hosts and a local disk each, so that what reaches a node would reach one elsewhere. Everything ends with `end()`.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** Daemons of Debian live where a user's PATH may not lead. */
const path = `${process.env.PATH}:/usr/sbin:/sbin`;

/** What a node claims to have: Slurm only keeps account of it, so that job scripts can ask for what real ones have. */
const claimed = { cpus: 64, memory: 600_000, gpus: 4, gpuType: 'h100' };

export interface JobOptions {
  /** Where sbatch is called. */
  readonly from: string;
  readonly env?: NodeJS.ProcessEnv;
}

export class SlurmCluster {
  /** On the shared file system: all nodes see it. */
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'lockstep-slurm-')));
  readonly nodes = ['node1', 'node2'];
  /** The nodes' one network interface. */
  static readonly interface = 'fabric0';
  readonly #id = `lk${process.pid}`;
  readonly #subnet = `10.211.${process.pid % 250}`;
  readonly #daemons = new Map<string, ChildProcess>();
  readonly #killAll = () => {
    for (const daemon of this.#daemons.values()) daemon.kill('SIGKILL');
  };

  private constructor() {
    process.once('exit', this.#killAll);
  }

  /** Why there can't be one here; undefined where there can. */
  static missing(): string | undefined {
    const programs = ['slurmctld', 'slurmd', 'munged', 'sbatch', 'ip', 'unshare'];
    const lacking = programs.filter(
      (name) => spawnSync('which', [name], { env: { PATH: path } }).status !== 0,
    );
    if (lacking.length > 0) return `${lacking.join(', ')} not installed (slurm-wlm, munge, iproute2)`;
    const probe = `lk${process.pid}probe`;
    const made = spawnSync('ip', ['netns', 'add', probe], { env: { PATH: path } }).status === 0;
    spawnSync('ip', ['netns', 'delete', probe], { env: { PATH: path } });
    return made ? undefined : 'no network namespaces can be made here';
  }

  static async start(): Promise<SlurmCluster> {
    const cluster = new SlurmCluster();
    try {
      await cluster.#configure();
      cluster.#network();
      await cluster.#daemon('munged', 'munged', [
        '--foreground',
        `--socket=${cluster.#at('run/munge.sock')}`,
        `--key-file=${cluster.#at('munge/key')}`,
        `--seed-file=${cluster.#at('munge/seed')}`,
        `--pid-file=${cluster.#at('run/munged.pid')}`,
        `--log-file=${cluster.#at('log/munged.log')}`,
      ]);
      await cluster.#until(
        () => cluster.#run('munge', ['-S', cluster.#at('run/munge.sock'), '-n']).status === 0,
      );
      await cluster.#daemon('slurmctld', 'slurmctld', ['-D', '-c']);
      for (const node of cluster.nodes) await cluster.#startNode(node);
      await cluster.#idle(cluster.nodes);
      return cluster;
    } catch (error) {
      await cluster.end();
      throw error;
    }
  }

  /** What a shell on its login node has. */
  get env(): NodeJS.ProcessEnv {
    const { UV_THREADPOOL_SIZE: _, ...outer } = process.env;
    return { ...outer, PATH: path, SLURM_CONF: this.#at('etc/slurm.conf') };
  }

  /** Submits a job. @returns its number */
  submit(args: readonly string[], options: JobOptions): string {
    return this.shell(`sbatch --parsable ${args.join(' ')}`, options).trim();
  }

  /** Runs what a user types on the login node. @returns what it printed */
  shell(text: string, { from, env = {} }: JobOptions): string {
    const { status, stdout, stderr } = spawnSync('bash', ['-c', text], {
      cwd: from,
      env: { ...this.env, ...env },
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`${text}\n${stdout}${stderr}`);
    return stdout;
  }

  /** @throws what the command printed on stderr */
  command(name: string, ...args: readonly string[]): string {
    const { status, stdout, stderr } = this.#run(name, args);
    if (status !== 0) throw new Error(`${name} ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  /** Its states: one a task of an array, else one. */
  states(job: string): string[] {
    return this.command('squeue', '-h', '-r', '-t', 'all', '-j', job, '-o', '%T').split('\n').filter(Boolean);
  }

  /** The last states of a job, when it is over. */
  async ended(job: string, limitMs = 150_000): Promise<string[]> {
    const over = /^(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL|OUT_OF_MEMORY|BOOT_FAIL)$/;
    await this.#until(() => this.states(job).every((state) => over.test(state)), limitMs);
    return this.states(job);
  }

  /** As if its power failed: everything on it is gone at once, and no connection is closed. */
  crash(node: string): void {
    this.#run('ip', ['link', 'set', this.#cable(node), 'down']);
    this.#daemons.get(node)?.kill('SIGKILL');
    this.#daemons.delete(node);
    this.#killProcessesOn(node);
  }

  /** Starts a node again that has crashed. @returns when Slurm counts on it */
  async boot(node: string): Promise<void> {
    await this.#startNode(node);
    await this.#idle([node]);
  }

  /** Jobs, daemons, network and folder. */
  async end(): Promise<void> {
    for (const node of this.nodes) this.crash(node);
    this.#killAll();
    await Promise.all(
      [...this.#daemons.values()].map(
        (daemon) =>
          daemon.exitCode !== null ||
          daemon.signalCode !== null ||
          new Promise((resolve) => daemon.once('exit', resolve)),
      ),
    );
    process.off('exit', this.#killAll);
    for (const node of this.nodes) this.#run('ip', ['netns', 'delete', this.#namespace(node)]);
    this.#run('ip', ['link', 'delete', this.#id]);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10 });
  }

  async #startNode(node: string): Promise<void> {
    this.command('ip', 'link', 'set', this.#cable(node), 'up');
    const setUp = [
      'hostname "$1"',
      `mount --bind ${this.#at('etc/hosts')} /etc/hosts`,
      `mount --bind ${this.#at(`disks/${node}`)} ${this.#at('localscratch')}`,
      'exec slurmd -D -N "$1"',
    ];
    const inside = ['unshare', '--uts', '--mount', '--propagation', 'private', 'sh', '-ec', setUp.join('\n')];
    await this.#daemon(node, 'ip', ['netns', 'exec', this.#namespace(node), ...inside, 'sh', node]);
  }

  async #idle(nodes: readonly string[]): Promise<void> {
    const states = () =>
      this.#run('sinfo', ['-h', '-N', '-p', 'main', '-n', nodes.join(','), '-o', '%T']).stdout.trim();
    await this.#until(() => states() === nodes.map(() => 'idle').join('\n'));
  }

  #at(name: string): string {
    return join(this.folder, name);
  }

  #namespace(node: string): string {
    return `${this.#id}-${node}`;
  }

  /** Its end at the bridge. */
  #cable(node: string): string {
    return `${this.#id}v${this.nodes.indexOf(node)}`;
  }

  #address(node: string): string {
    return `${this.#subnet}.${11 + this.nodes.indexOf(node)}`;
  }

  #run(command: string, args: readonly string[]) {
    return spawnSync(command, args, { env: this.env, encoding: 'utf8', timeout: 20_000 });
  }

  async #until(met: () => boolean, limitMs = 20_000): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (!met()) {
      if (performance.now() > deadline)
        throw new Error(`Not within ${limitMs / 1000} s: ${met}\n${this.#logs()}`);
      await pause(200);
    }
  }

  #logs(): string {
    return readdirSync(this.#at('log'))
      .filter((name) => name.endsWith('.log'))
      .map((name) => `== ${name}\n${readFileSync(this.#at(`log/${name}`), 'utf8').slice(-800)}`)
      .join('\n');
  }

  async #daemon(name: string, command: string, args: readonly string[]): Promise<void> {
    const out = openSync(this.#at(`log/${name}.out`), 'a');
    const daemon = spawn(command, args, { env: this.env, stdio: ['ignore', out, out] });
    closeSync(out);
    this.#daemons.set(name, daemon);
    await new Promise((resolve, reject) => daemon.once('spawn', resolve).once('error', reject));
  }

  #killProcessesOn(node: string): void {
    const pids = this.#run('ip', ['netns', 'pids', this.#namespace(node)])
      .stdout.split('\n')
      .filter(Boolean);
    for (const pid of pids) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
  }

  /** One bridge, and a cable from it to each node. */
  #network(): void {
    const ip = (...args: string[]) => this.command('ip', ...args);
    ip('link', 'add', this.#id, 'type', 'bridge');
    ip('address', 'add', `${this.#subnet}.1/24`, 'dev', this.#id);
    ip('link', 'set', this.#id, 'up');
    for (const node of this.nodes) {
      const namespace = this.#namespace(node);
      const cable = this.#cable(node);
      ip('netns', 'add', namespace);
      ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', SlurmCluster.interface, 'netns', namespace);
      ip('link', 'set', cable, 'master', this.#id);
      ip('-n', namespace, 'address', 'add', `${this.#address(node)}/24`, 'dev', SlurmCluster.interface);
      ip('-n', namespace, 'link', 'set', SlurmCluster.interface, 'up');
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
    }
  }

  async #configure(): Promise<void> {
    for (const name of ['etc', 'run', 'log', 'state', 'spool', 'munge', 'dev', 'localscratch'])
      mkdirSync(this.#at(name));
    for (const node of this.nodes) mkdirSync(this.#at(`disks/${node}`), { recursive: true });
    // munged wants a socket that everybody reaches, and a key that nobody else does.
    chmodSync(this.folder, 0o755);
    chmodSync(this.#at('munge'), 0o700);
    writeFileSync(this.#at('munge/key'), randomBytes(1024), { mode: 0o400 });
    // A GPU's file must be a device; its number is at the end of the name.
    for (let gpu = 0; gpu < claimed.gpus; gpu += 1) symlinkSync('/dev/null', this.#at(`dev/gpu${gpu}`));
    const hosts = this.nodes.map((node) => `${this.#address(node)} ${node}\n`).join('');
    writeFileSync(this.#at('etc/hosts'), `127.0.0.1 localhost\n${hosts}`);
    writeFileSync(this.#at('etc/cgroup.conf'), 'CgroupPlugin=cgroup/v1\n');
    writeFileSync(this.#at('etc/plugstack.conf'), '');
    writeFileSync(this.#at('etc/slurm.conf'), await this.#slurmConf());
    writeFileSync(
      this.#at('etc/gres.conf'),
      `AutoDetect=off\nNodeName=node[1-2] Name=gpu Type=${claimed.gpuType} File=${this.#at('dev')}/gpu[0-${claimed.gpus - 1}]\n`,
    );
    // As on many clusters: a folder for each job on each node's own disk, at the same path.
    const scratch = `${this.#at('localscratch')}/$SLURM_JOB_ID`;
    const script = (name: string, line: string) =>
      writeFileSync(this.#at(`etc/${name}`), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    script('prolog.sh', `mkdir -p ${scratch}`);
    script('epilog.sh', `rm -rf ${scratch}`);
    script('taskprolog.sh', `echo "export SLURM_TMPDIR=${scratch}"`);
  }

  async #slurmConf(): Promise<string> {
    const [controller, ...ports] = await freePorts(1 + this.nodes.length);
    const { username } = userInfo();
    const { cpus, memory, gpus, gpuType } = claimed;
    return `
ClusterName=lockstep
SlurmctldHost=${hostname()}(${this.#subnet}.1)
SlurmctldPort=${controller}
SlurmUser=${username}
SlurmdUser=${username}
AuthType=auth/munge
CredType=cred/munge
# A job that is put back into the queue waits for so long; less than 5 s is refused.
AuthInfo=socket=${this.#at('run/munge.sock')},cred_expire=5
StateSaveLocation=${this.#at('state')}
SlurmdSpoolDir=${this.#at('spool')}/%n
SlurmctldPidFile=${this.#at('run/slurmctld.pid')}
SlurmdPidFile=${this.#at('run')}/%n.pid
SlurmctldLogFile=${this.#at('log/slurmctld.log')}
SlurmdLogFile=${this.#at('log')}/%n.log
PlugStackConfig=${this.#at('etc/plugstack.conf')}
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
SchedulerParameters=bf_interval=2,sched_interval=2,sched_min_interval=0,batch_sched_delay=0
JobRequeue=1
ReturnToService=2
KillWait=5
MinJobAge=3600
SlurmdTimeout=10
MessageTimeout=10
Prolog=${this.#at('etc/prolog.sh')}
Epilog=${this.#at('etc/epilog.sh')}
TaskProlog=${this.#at('etc/taskprolog.sh')}
PrologFlags=Alloc
${this.nodes
  .map(
    (node, i) =>
      `NodeName=${node} NodeHostname=${hostname()} NodeAddr=${this.#address(node)} Port=${ports[i]} CPUs=${cpus} RealMemory=${memory} Gres=gpu:${gpuType}:${gpus}`,
  )
  .join('\n')}
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=main Nodes=ALL Default=YES MaxTime=1-0 State=UP PriorityTier=1 GraceTime=20
# Whose jobs take the place of others.
PartitionName=urgent Nodes=ALL MaxTime=1-0 State=UP PriorityTier=2 PreemptMode=OFF
`;
  }
}

/** Open at the same time, so all different. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, () => {
            const address = server.address();
            resolve(typeof address === 'object' && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
