/** `lockstep bench links`: does the all-reduce take as long as forecasts say? Measured on simulated links. */

import { allReduceMs } from '../shared/plan/all-reduce-time.js';
import type { LinkModel } from '../shared/plan/link-model.js';
import { parseLink } from '../shared/simulation/link.js';
import { pingPong } from '../shared/simulation/ping-pong.js';
import { type AllReduceTimes, checkMeasurable, measureAllReduce } from './bench-allreduce.js';
import type { CommandBody } from './command.js';
import { print, runCommand } from './output.js';
import { table } from './table.js';
import { wholeNumbers } from './whole-number.js';

interface Arguments {
  readonly links: string;
  readonly workers: string;
  readonly 'size-mb': number;
  readonly repeats: number;
  readonly json: boolean;
}

interface LinkCase {
  readonly link: string;
  /** What a ping-pong over the link came to. */
  readonly model: LinkModel;
  readonly workers: number;
  readonly sizeMb: number;
  readonly buckets: number;
  readonly predictedMs: number;
  readonly measuredMs: AllReduceTimes['ms'];
  /** Predicted over measured, less 1. */
  readonly off: number;
  /** The same all-reduce without a link: what this machine needs for it anyway. */
  readonly withoutLinkMs: number;
}

/** Of a bucket in 2²⁰ bytes: what `exchange.bucketBytes` is by default. */
const bucketMb = 4;

export const benchLinksCommand: CommandBody<Arguments> = {
  builder: (yargs) =>
    yargs
      .option('links', {
        type: 'string',
        default: '20mbit,1ms 200mbit,1ms 500mbit,1ms',
        describe: 'Links, as RATE,DELAY with spaces between',
      })
      .option('workers', { type: 'string', default: '2,4', describe: 'Numbers of processes' })
      .option('size-mb', { type: 'number', default: 6, describe: 'Gradients, in 10⁶ bytes' })
      .option('repeats', { type: 'number', default: 5, describe: 'Measured all-reduces of a case' })
      .option('json', { type: 'boolean', default: false, describe: 'Print one JSON document' })
      .example('$0 bench links --links "100mbit,1ms 100mbit,20ms" --workers 2', ''),
  handler: ({ links, workers, 'size-mb': sizeMb, repeats, json }) =>
    runCommand(json, async () => {
      const counts = wholeNumbers('--workers', workers);
      for (const count of counts) checkMeasurable({ sizeMb, bucketMb, workers: count, repeats });
      const cases: LinkCase[] = [];
      for (const text of links.trim().split(/\s+/)) {
        const link = parseLink(text);
        const model = await pingPong(link);
        for (const count of counts) {
          const options = {
            sizeMb,
            bucketMb,
            workers: count,
            path: 'tcp',
            type: 'float32',
            repeats,
            encrypted: false,
          } as const;
          const { ms, buckets } = await measureAllReduce({ ...options, link });
          const without = await measureAllReduce(options);
          const predictedMs = allReduceMs({ workers: count, bytes: sizeMb * 1e6 }, model);
          cases.push({
            ...{ link: text, model, workers: count, sizeMb, buckets, predictedMs, measuredMs: ms },
            ...{ off: predictedMs / ms.median - 1, withoutLinkMs: without.ms.median },
          });
        }
      }
      if (json) print({ benchmark: 'links', repeats, cases });
      else process.stdout.write(`${caseTable(cases)}\n`);
    }),
};

function caseTable(cases: readonly LinkCase[]): string {
  return table(
    [
      'link',
      'α, ms',
      'β, Mb/s',
      'workers',
      'predicted, ms',
      'measured, ms',
      'off by',
      'without link, ms',
    ].map((title) => ({ title, align: 'right' as const })),
    cases.map(({ link, model, workers, predictedMs, measuredMs, off, withoutLinkMs }) => [
      link,
      model.latencyMs.toFixed(2),
      ((model.bytesPerSecond * 8) / 1e6).toFixed(1),
      `${workers}`,
      predictedMs.toFixed(1),
      measuredMs.median.toFixed(1),
      `${(100 * off).toFixed(1)} %`,
      withoutLinkMs.toFixed(1),
    ]),
  );
}
