/** `lockstep doctor`: whether this host, and the links between hosts, are fit for a run. */
import type { CommandModule } from 'yargs';
import { type Counts, countLevels } from '../doctor/finding.js';
import { examineHost, type HostReport } from '../doctor/host.js';
import { loadConfig } from '../shared/config/load.js';
import { LockstepError } from '../shared/errors.js';
import { version } from '../shared/version.js';
import { findingsText } from './findings.js';
import { print, runCommand } from './output.js';

/** What --json prints. */
export interface DoctorReport {
  readonly format: 1;
  readonly version: string;
  readonly counts: Counts;
  readonly hosts: readonly HostReport[];
}

interface DoctorArguments {
  readonly config: string | undefined;
  readonly runs: string;
  readonly workers: number;
  readonly json: boolean;
}

export const doctorCommand: CommandModule<object, DoctorArguments> = {
  command: 'doctor [config]',
  describe: 'Look whether hosts, and the links between them, are fit for a run',
  builder: (yargs) =>
    yargs
      .positional('config', { type: 'string', describe: 'The config of a run: what it needs is looked for' })
      .option('runs', {
        type: 'string',
        default: 'runs',
        describe: 'Where run folders go; its disk is measured',
      })
      .option('workers', { type: 'number', default: 2, describe: 'Workers on each host' })
      .option('json', { type: 'boolean', default: false, describe: 'Print all values as JSON on stdout' })
      .example('$0 doctor', 'this host'),
  handler: ({ config, runs, workers, json }) =>
    runCommand(json, async () => {
      const plan = { runs, workers, config: config === undefined ? undefined : await loadConfig(config) };
      const host = await examineHost(plan);
      const report: DoctorReport = { format: 1, version, counts: countLevels(host.findings), hosts: [host] };
      if (!json) process.stdout.write(`${host.host}\n${findingsText(host.findings)}\n`);
      throwIfUnfit(report);
      if (json) print(report);
    }),
};

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
