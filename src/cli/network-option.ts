/** `--network`: the link of each worker that a forecast assumes, given in numbers or as the doctor measured it. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { LockstepError } from '../shared/errors.js';
import { linkMs } from '../shared/plan/link-model.js';
import { type Link, parseLink } from '../shared/simulation/link.js';
import { whyUnreadable } from '../shared/unreadable.js';

/** What is needed of `lockstep doctor --json`. */
const reportSchema = z.object({
  format: z.literal(1),
  links: z.array(
    z.object({
      from: z.string(),
      to: z.string(),
      sameMachine: z.boolean(),
      fit: z.object({ latencyMs: z.number(), bytesPerSecond: z.number().positive() }).nullable(),
      bothWaysBytesPerSecond: z.number().positive().optional(),
    }),
  ),
});

/** A piece of a gradient, by which links are compared. */
const pieceBytes = 4 << 20;

/**
 * RATE,LATENCY, or a file that `lockstep doctor --hosts N --json` wrote: then the slowest of the links between hosts, since
 * a step waits for it. Its rate is that of both directions at once where that is less, as in an all-reduce.
 *
 * @param note told which of the file's links it is
 * @throws LockstepError USAGE
 */
export async function networkOf(text: string, note: (line: string) => void): Promise<Link> {
  if (/^[\d.]+[kmg]bit,/i.test(text.trim())) return parseLink(text);
  const links = (await readReport(text)).links.flatMap(({ fit, sameMachine, from, to, ...link }) => {
    if (fit === null || sameMachine) return [];
    const { bothWaysBytesPerSecond = fit.bytesPerSecond } = link;
    const bytesPerSecond = Math.min(fit.bytesPerSecond, bothWaysBytesPerSecond);
    return [{ name: `${from} – ${to}`, bytesPerSecond, delayMs: Math.max(0, fit.latencyMs) }];
  });
  const time = ({ bytesPerSecond, delayMs }: Link) =>
    linkMs({ latencyMs: delayMs, bytesPerSecond }, pieceBytes);
  const [slowest] = links.sort((a, b) => time(b) - time(a));
  if (slowest === undefined) {
    throw new LockstepError('USAGE', `${text} has no link between hosts that was measured.`, {
      hint: 'It takes what `lockstep doctor --hosts N --json` printed, on two hosts or more.',
    });
  }
  const { name, ...link } = slowest;
  note(`forecasts assume the slowest of ${links.length} measured links between hosts: ${name}`);
  return link;
}

async function readReport(path: string): Promise<z.infer<typeof reportSchema>> {
  try {
    return reportSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    const why = whyUnreadable(cause);
    throw new LockstepError('USAGE', `'${path}' is no network: ${why}.`, {
      hint: 'Give rate and latency, as in 10gbit,0.05ms, or the file that `lockstep doctor --hosts N --json` wrote.',
      cause,
    });
  }
}
