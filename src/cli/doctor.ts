/** `lockstep doctor`: whether hosts, and the links between them, are fit for a run. */
import { dirname, join } from 'node:path';
import { loadConfig } from '../shared/config/load.js';
import { LockstepError } from '../shared/errors.js';
import { version } from '../shared/version.js';
import type { CommandBody } from './command.js';
import { type Counts, countLevels, type Finding } from './doctor/finding.js';
import { findingsText } from './doctor/findings-text.js';
import { examineHost, type HostReport } from './doctor/host.js';
import { joinHosts, measureHosts } from './doctor/links/hosts.js';
import { type LinkReport, linkFinding, linkReport, skewFinding } from './doctor/links/judge.js';
import { measureLocalLinks } from './doctor/links/local.js';
import type { Plan } from './doctor/plan.js';
import { interfaceOption } from './interface-option.js';
import { print, runCommand } from './output.js';
import { bindOf } from './place.js';
import { wholeNumber } from './whole-number.js';

/** What --json prints. */
export interface DoctorReport {
  readonly format: 1;
  readonly version: string;
  readonly counts: Counts;
  readonly hosts: readonly HostReport[];
  readonly links: readonly LinkReport[];
  /** What the links are judged to be. */
  readonly linkFindings: readonly Finding[];
}

interface DoctorArguments {
  readonly config: string | undefined;
  readonly runs: string | undefined;
  readonly workers: number;
  readonly links: boolean;
  readonly hosts: number | undefined;
  readonly bind: string | undefined;
  readonly interface: string | undefined;
  readonly advertise: string | undefined;
  readonly join: string | undefined;
  readonly 'join-file': string | undefined;
  readonly address: string | undefined;
  readonly wait: number;
  readonly json: boolean;
}

export const doctorCommand: CommandBody<DoctorArguments> = {
  builder: (yargs) =>
    yargs
      .positional('config', { type: 'string', describe: 'The config of a run: what it needs is looked for' })
      .option('runs', {
        type: 'string',
        describe: 'Where run folders go; its disk is measured  [default: runs, or where the join file lies]',
      })
      .option('workers', { type: 'number', default: 2, describe: 'Workers on each host' })
      .option('links', { type: 'boolean', default: true, describe: 'Measure links between workers' })
      .option('hosts', {
        type: 'number',
        describe: 'Measure between so many hosts, this one too',
      })
      .option('bind', {
        type: 'string',
        describe:
          'Where others join: tcp://ADDRESS:PORT, * for any free port  [default in a Slurm job: the address that its nodes reach]',
      })
      .option('interface', interfaceOption)
      .option('advertise', {
        type: 'string',
        describe: 'The name or address at which others reach this host  [default: that of --bind]',
      })
      .option('join-file', {
        type: 'string',
        describe: 'Where --hosts writes what others need to join  [default: doctor-join.json in --runs]',
      })
      .option('join', { type: 'string', describe: "Take part with this host, by the hub's join file" })
      .option('address', {
        type: 'string',
        describe: 'The address of this host that other hosts reach  [default: found from the way to the hub]',
      })
      .option('wait', { type: 'number', default: 180, describe: 'Seconds to wait for other hosts' })
      .option('json', { type: 'boolean', default: false, describe: 'Print all values as JSON on stdout' })
      .check(checkArguments)
      .example('$0 doctor', 'this host')
      .example("$0 doctor --hosts 2 --bind 'tcp://10.0.0.1:*'", 'the first of two hosts')
      .example('$0 doctor --join runs/doctor-join.json', 'the second'),
  handler: (args) =>
    runCommand(args.json, async () => {
      const { config, workers, json } = args;
      const runs = args.runs ?? (args.join === undefined ? 'runs' : dirname(args.join));
      const plan = { runs, workers, config: config === undefined ? undefined : await loadConfig(config) };
      const report =
        args.join === undefined ? await examine(args, plan) : await takePart(args, args.join, plan);
      if (!json) process.stdout.write(reportText(report, args.join !== undefined));
      throwIfUnfit(report);
      if (json) print(report);
    }),
};

/** @throws LockstepError USAGE */
function checkArguments(args: DoctorArguments): true {
  const { hosts, join: file, links, workers, wait } = args;
  const usage = (message: string) =>
    new LockstepError('USAGE', message, { hint: 'See: lockstep doctor --help' });
  if (hosts !== undefined && file !== undefined) throw usage('Give --hosts or --join, not both.');
  const alone = hosts === undefined && file === undefined;
  if (!alone && !links) throw usage('--no-links is for this host alone: --hosts and --join measure links.');
  for (const option of ['bind', 'advertise', 'join-file'] as const) {
    if (hosts === undefined && args[option] !== undefined) throw usage(`--${option} is for --hosts.`);
  }
  if (alone && args.address !== undefined) throw usage('--address is for --hosts or --join.');
  if (hosts !== undefined) wholeNumber('--hosts', hosts, 2);
  wholeNumber('--workers', workers);
  if (!(wait >= 0)) throw usage('--wait must be 0 or more.');
  return true;
}

async function examine(args: DoctorArguments, plan: Plan): Promise<DoctorReport> {
  const { hosts, links: withLinks, advertise, address } = args;
  if (hosts === undefined) {
    const host = await examineHost(plan);
    const links = withLinks ? await measureLocalLinks(log) : [];
    return reportOf([host], links.map(linkReport), []);
  }
  const { reports, links } = await measureHosts({
    hosts,
    bind: await bindOf(args),
    advertise,
    address,
    joinFile: args['join-file'] ?? join(plan.runs, 'doctor-join.json'),
    waitMs: args.wait * 1000,
    examine: () => examineHost(plan),
    log,
  });
  return reportOf(reports, links.map(linkReport), missing(reports.length, hosts));
}

/** The report of a host that joins has no links, which are in the hub's, and no host if another process speaks for it. */
async function takePart(args: DoctorArguments, file: string, plan: Plan): Promise<DoctorReport> {
  const { address, wait } = args;
  const reports: HostReport[] = [];
  const examine = async () => {
    const report = await examineHost(plan);
    reports.push(report);
    return report;
  };
  const measured = await joinHosts({ file, address, waitMs: wait * 1000, examine, log });
  log(measured ? 'took part; the links are in the report of the hub' : 'this host takes part already');
  return reportOf(reports, [], []);
}

function reportOf(
  hosts: readonly HostReport[],
  links: readonly LinkReport[],
  more: readonly Finding[],
): DoctorReport {
  const linkFindings = [...more, ...links.flatMap((link) => [linkFinding(link), ...skewFinding(link)])];
  const counts = countLevels([...hosts.flatMap(({ findings }) => findings), ...linkFindings]);
  return { format: 1, version, counts, hosts, links, linkFindings };
}

function missing(count: number, hosts: number): Finding[] {
  if (count >= hosts) return [];
  return [
    {
      subject: 'links',
      check: 'hosts',
      level: 'failure',
      value: `${count} of ${hosts} joined`,
      advice: 'Start `lockstep doctor --join FILE` on each; can they reach the address of --bind?',
      facts: { joined: count, expected: hosts },
    },
  ];
}

/** The hub's host in full, of the others what is not well. */
function reportText({ hosts, linkFindings }: DoctorReport, joined: boolean): string {
  const parts = hosts.map(({ host, findings }, i) => {
    if (i === 0 && !joined) return `${host}\n${findingsText(findings)}\n`;
    const bad = findings.filter(({ level }) => level !== 'ok');
    const well = `${host}: ${findings.length - bad.length} of ${findings.length} checks are well\n`;
    return bad.length === 0 ? well : `${well}${findingsText(bad)}\n`;
  });
  if (linkFindings.length > 0) parts.push(`${findingsText(linkFindings)}\n`);
  return parts.join('\n');
}

/** @throws LockstepError UNFIT with the whole report */
function throwIfUnfit(report: DoctorReport): void {
  const { failures, warnings } = report.counts;
  if (failures === 0) return;
  throw new LockstepError('UNFIT', `${plural(failures, 'failure')} and ${plural(warnings, 'warning')}.`, {
    hint: 'Each says what to do: see the arrows, or `advice` in the JSON.',
    found: report,
  });
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function log(message: string): void {
  process.stderr.write(`lockstep doctor: ${message}\n`);
}
