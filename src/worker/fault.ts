/** A fault at a chosen moment: how tests, and whoever wants to see it, try what a run does without a worker. */
import { LockstepError } from '../shared/errors.js';
import { type Phase, phaseSchema } from '../shared/protocol/messages.js';

/** Called whenever the worker enters a phase, which begins when what it gives is settled. */
export type Fault = (phase: Phase, step: number) => void | Promise<void>;

const kinds: Readonly<Record<string, () => void | Promise<void>>> = {
  /** As the kernel does when memory runs out. */
  kill: () => void process.kill(process.pid, 'SIGKILL'),
  /** As V8 does when its heap is full. */
  abort: () => process.abort(),
  stop: () => void process.kill(process.pid, 'SIGSTOP'),
  throw: () => {
    throw new RangeError('Array buffer allocation failed');
  },
  /** As a file system does that no longer answers: the worker lives, and says so. Only the phase 'input' waits for it. */
  hang: () => new Promise<void>(() => {}),
};

/**
 * @param text `KIND@PHASE@STEP`, such as `kill@reduce@7`: at the first entry to the phase from that step on
 * @throws LockstepError USAGE for another text
 */
export function plannedFault(text: string | undefined): Fault {
  if (text === undefined) return () => {};
  const [kind = '', phase, step = ''] = text.split('@');
  const act = Object.entries(kinds).find(([name]) => name === kind)?.[1];
  if (act === undefined || !phaseSchema.safeParse(phase).success || !/^\d+$/.test(step)) {
    throw new LockstepError('USAGE', `LOCKSTEP_FAULT is '${text}', and should be KIND@PHASE@STEP.`, {
      hint: `KIND is ${Object.keys(kinds).join(', ')}; PHASE is ${phaseSchema.options.join(', ')}.`,
    });
  }
  let due = true;
  return (entered, at) => {
    if (!due || entered !== phase || at < Number(step)) return undefined;
    due = false;
    return act();
  };
}
